import { sdk } from '../sdk'

export const operatorToken = sdk.Action.withoutInput(
  'operator-token',
  async () => ({
    name: "Operator's page",
    description: "Show the token that opens the operator's page",
    warning: null,
    allowedStatuses: 'any',
    group: null,
    visibility: 'enabled',
  }),
  async () => {
    const token = await sdk.volumes.main
      .readFile('data/operator.token', 'utf-8')
      .catch(() => null)
    if (!token) throw new Error('the token is made when the pool starts for the first time')
    return {
      version: '1',
      title: "Operator's page",
      message:
        "Open the interface “Operator's page” by its IP address or its .local name, with this behind the address.",
      result: {
        type: 'single',
        value: `/?token=${token.toString().trim()}`,
        copyable: true,
        qr: false,
        masked: true,
      },
    }
  },
)
