import { store } from './password'
import { sdk } from './sdk'
import {
  bitcoindMountpoint,
  configFile,
  dataDir,
  mounts,
  operatorPort,
  stratumPort,
  webPort,
} from './utils'

export const main = sdk.setupMain(async ({ effects }) => {
  const kept = await store.read().const(effects)
  if (!kept) throw new Error('the password of the first-run page is missing')

  const subcontainer = sdk.SubContainer.of(
    effects,
    { imageId: 'axepool' },
    mounts.mountDependency({
      dependencyId: 'bitcoind',
      volumeId: 'main',
      subpath: null,
      mountpoint: bitcoindMountpoint,
      readonly: true,
      // The cookie is for bitcoind's user alone, which is root there; here it is the pool's.
      idmap: [{ fromId: 0, toId: 10001 }],
    }),
    'axepool',
  )

  return sdk.Daemons.of(effects)
    .addOneshot('directories', {
      subcontainer,
      exec: {
        // Volumes are made for root, and the pool runs as the image's own user.
        command: [
          'chown',
          '-R',
          'axepool:axepool',
          '/etc/axepool',
          dataDir,
          '/var/lib/axepool-backups',
        ],
        user: 'root',
      },
      requires: [],
    })
    .addDaemon('pool', {
      subcontainer,
      exec: {
        command: sdk.useEntrypoint(['run', '--config', configFile]),
        user: 'axepool',
        env: {
          // Without a config the pool is set up in the browser, at the web interface.
          AXEPOOL_FIRST_RUN: `0.0.0.0:${webPort}`,
          AXEPOOL_FIRST_RUN_PASSWORD: kept.firstRunPassword,
          AXEPOOL__POOL__DATA_DIR: dataDir,
          AXEPOOL__CHAIN__URL: 'http://bitcoind.startos:8332',
          AXEPOOL__CHAIN__COOKIE: `${bitcoindMountpoint}/.cookie`,
          AXEPOOL__OPERATOR__LISTEN: `0.0.0.0:${operatorPort}`,
          AXEPOOL__OPERATOR__ALLOW_REMOTE: 'true',
        },
        // A stop takes ten seconds at most; a kill could close channels by force.
        sigtermTimeout: 20_000,
      },
      ready: {
        display: 'Web interface',
        gracePeriod: 60_000,
        fn: () =>
          sdk.healthCheck.checkPortListening(effects, webPort, {
            successMessage: 'The pages answer',
            errorMessage: 'The pages do not answer',
          }),
      },
      requires: ['directories'],
    })
    .addHealthCheck('miners', {
      ready: {
        display: 'Miners',
        gracePeriod: 60_000,
        fn: () =>
          sdk.healthCheck.checkPortListening(effects, stratumPort, {
            successMessage: 'Miners can connect',
            errorMessage:
              'Miners cannot connect: set the pool up in its web interface, or see its log',
          }),
      },
      requires: ['pool'],
    })
})
