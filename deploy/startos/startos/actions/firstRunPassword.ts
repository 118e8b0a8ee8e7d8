import { store } from '../password'
import { sdk } from '../sdk'

export const firstRunPassword = sdk.Action.withoutInput(
  'first-run-password',
  async () => ({
    name: 'First-run password',
    description: 'Show the password of the page that sets the pool up',
    warning: null,
    allowedStatuses: 'any',
    group: null,
    visibility: 'enabled',
  }),
  async () => {
    const kept = await store.read().once()
    if (!kept) throw new Error('the password is made when the service is installed')
    return {
      version: '1',
      title: 'First-run password',
      message:
        'Open the interface “Pages and mint” and type this password. It opens nothing once the pool is set up.',
      result: {
        type: 'single',
        value: kept.firstRunPassword,
        copyable: true,
        qr: false,
        masked: true,
      },
    }
  },
)
