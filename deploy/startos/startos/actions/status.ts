import { sdk } from '../sdk'
import { configFile, mounts } from '../utils'

export const status = sdk.Action.withoutInput(
  'status',
  async () => ({
    name: 'Status of the node',
    description: 'Show why OCEAN cannot pay yet, as `axepool node status` does',
    warning: null,
    allowedStatuses: 'only-running',
    group: null,
    visibility: 'enabled',
  }),
  async ({ effects }) => {
    const said = await sdk.SubContainer.withTemp(
      effects,
      { imageId: 'axepool' },
      mounts,
      'axepool-status',
      async (sub) =>
        sub.exec(['axepool', 'node', 'status', '--config', configFile], {
          user: 'axepool',
        }),
    )
    return {
      version: '1',
      title: 'Status of the node',
      message: `${said.stdout}${said.stderr}`,
      result: null,
    }
  },
)
