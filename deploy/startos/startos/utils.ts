import { sdk } from './sdk'

/** The pages, the API and the mint; before there is a config, the first-run page. */
export const webPort = 8080
/** Miners. */
export const stratumPort = 3333
/** The lightning node. */
export const lightningPort = 9735
/** The operator's page. */
export const operatorPort = 8081

export const configFile = '/etc/axepool/axepool.toml'
export const dataDir = '/var/lib/axepool'
export const bitcoindMountpoint = '/mnt/bitcoind'

/** The volumes, as the container sees them. */
export const mounts = sdk.Mounts.of()
  .mountVolume({
    volumeId: 'main',
    subpath: 'config',
    mountpoint: '/etc/axepool',
    readonly: false,
  })
  .mountVolume({
    volumeId: 'main',
    subpath: 'data',
    mountpoint: dataDir,
    readonly: false,
  })
  .mountVolume({
    volumeId: 'backups',
    subpath: null,
    mountpoint: '/var/lib/axepool-backups',
    readonly: false,
  })
