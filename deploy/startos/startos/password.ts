import { FileHelper, utils, z } from '@start9labs/start-sdk'
import { sdk } from './sdk'

/** What the package itself keeps. */
export const store = FileHelper.json(
  { base: sdk.volumes.main, subpath: 'startos.json' },
  z.object({ firstRunPassword: z.string() }),
)

/** A password for the first-run page: made at the installation, never changed. */
export const makePassword = sdk.setupOnInit(async (effects) => {
  const kept = await store.read().once()
  if (kept) return
  await store.write(effects, {
    firstRunPassword: utils.getDefaultString({
      charset: 'a-z,A-Z,0-9',
      len: 32,
    }),
  })
})
