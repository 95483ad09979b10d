/** An authenticator that is made at once: the service makes its own in steps. */
import { prepareAuthenticator } from '../../oidc/authenticate.ts';
import type { Authenticator, AuthenticatorOptions } from '../../oidc/authenticate.ts';

/** An authenticator for `options.issuers`. Throws DefinitionError when one of them cannot work. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const steps = prepareAuthenticator(options);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}
