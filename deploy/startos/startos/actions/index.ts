import { sdk } from '../sdk'
import { firstRunPassword } from './firstRunPassword'
import { operatorToken } from './operatorToken'
import { status } from './status'

export const actions = sdk.Actions.of()
  .addAction(firstRunPassword)
  .addAction(operatorToken)
  .addAction(status)
