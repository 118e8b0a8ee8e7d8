import { IMPOSSIBLE, VersionInfo } from '@start9labs/start-sdk'

export const current = VersionInfo.of({
  version: '0.1.0:0',
  releaseNotes: { en_US: 'The first package for StartOS.' },
  migrations: {
    up: async () => {},
    // The pool refuses data of a newer version.
    down: IMPOSSIBLE,
  },
})
