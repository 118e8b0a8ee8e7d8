import { sdk } from './sdk'
import { lightningPort, operatorPort, stratumPort, webPort } from './utils'

const plain = {
  masked: false,
  schemeOverride: null,
  username: null,
  path: '',
  query: {},
}

export const setInterfaces = sdk.setupInterfaces(async ({ effects }) => {
  const host = sdk.MultiHost.of(effects, 'main')

  const web = await host.bindPort(webPort, { protocol: 'http' })
  const pages = sdk.createInterface(effects, {
    ...plain,
    name: 'Pages and mint',
    id: 'web',
    description:
      'The pages of the pool, its API and its mint. Before the pool is set up, the page that does it.',
    type: 'ui',
  })

  const operator = await host.bindPort(operatorPort, { protocol: 'http' })
  const status = sdk.createInterface(effects, {
    ...plain,
    name: "Operator's page",
    id: 'operator',
    description: 'The state of the pool, for its operator. The action “Operator’s page” shows the token that opens it.',
    type: 'ui',
  })

  const stratum = await host.bindPort(stratumPort, {
    protocol: null,
    addSsl: null,
    preferredExternalPort: stratumPort,
    secure: { ssl: false },
  })
  const devices = sdk.createInterface(effects, {
    ...plain,
    name: 'Stratum',
    id: 'stratum',
    description: 'Bitaxes connect here.',
    type: 'api',
  })

  const lightning = await host.bindPort(lightningPort, {
    protocol: null,
    addSsl: null,
    preferredExternalPort: lightningPort,
    secure: { ssl: false },
  })
  const peers = sdk.createInterface(effects, {
    ...plain,
    name: 'Lightning peers',
    id: 'peer',
    description: 'Other lightning nodes connect here.',
    type: 'p2p',
  })

  return [
    await web.export([pages]),
    await operator.export([status]),
    await stratum.export([devices]),
    await lightning.export([peers]),
  ]
})
