import { sdk } from './sdk'

/**
 * Both volumes. StartOS stops the service for it, so that the stores are whole. The pool
 * notices a restored copy that is older than the last state, and waits for the operator
 * (docs/operator.md, "Restore").
 */
export const { createBackup, restoreInit } = sdk.setupBackups(async () =>
  sdk.Backups.ofVolumes('main', 'backups'),
)
