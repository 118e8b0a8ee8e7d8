import { setupManifest } from '@start9labs/start-sdk'

export const manifest = setupManifest({
  id: 'axepool',
  title: 'Axepool',
  license: 'MIT',
  packageRepo: 'https://axepool.example/source/deploy/startos',
  upstreamRepo: 'https://axepool.example/source',
  marketingUrl: 'https://axepool.example',
  donationUrl: null,
  description: {
    short: 'A mining pool for Bitaxes that pays in ecash',
    long:
      'Point your Bitaxes and those of your friends at your own pool. It mines at OCEAN as ' +
      'one miner, gets each payout over lightning, and turns it into ecash for the owners, ' +
      'by their work. There are no accounts: a miner is a public key.',
  },
  volumes: ['main', 'backups'],
  images: {
    axepool: {
      source: {
        dockerBuild: {
          dockerfile: '../container/Containerfile',
          workdir: '../..',
        },
      },
      arch: ['x86_64', 'aarch64'],
    },
  },
  dependencies: {
    bitcoind: {
      description: 'The pool and its lightning node read the chain from Bitcoin Core.',
      optional: false,
      s9pk: null,
    },
  },
})
