/** Options that say whom a certificate must be for. */
import {
  anything,
  exactly,
  matching,
  type IdentityPolicy,
  type TextPolicy,
} from '../../verify/identity-policy.ts';
import { CommandError } from '../program/command.ts';

/** See the help of `mayfly verify certificate`. */
export interface IdentityOptions {
  readonly identity?: string;
  readonly issuer?: string;
  readonly identityRegexp?: string;
  readonly issuerRegexp?: string;
  readonly anyIdentity?: true;
}

/** What the options demand of name and issuer. Rejects with {@link CommandError} `USAGE` when they say too little, or contradict
 * each other. */
export async function identityPolicy(options: IdentityOptions): Promise<IdentityPolicy> {
  const { identity, identityRegexp, issuer, issuerRegexp } = options;
  const named = [identity, identityRegexp, issuer, issuerRegexp].some((value) => value !== undefined);
  if (options.anyIdentity === true) {
    if (!named) return { identity: anything, issuer: anything };
    throw new CommandError('USAGE', '--any-identity contradicts the identity or issuer beside it', {
      hint: 'Leave one of them out.',
    });
  }
  if (!named) {
    throw new CommandError('USAGE', 'say whom the certificate must be for: --identity and --issuer', {
      hint: 'A certificate that is merely genuine says little: anyone can get one. To see whose it is: --any-identity.',
    });
  }
  return {
    identity: await textPolicy('identity', identity, identityRegexp),
    issuer: await textPolicy('issuer', issuer, issuerRegexp),
  };
}

async function textPolicy(
  what: 'identity' | 'issuer',
  exact: string | undefined,
  expression: string | undefined,
): Promise<TextPolicy> {
  if (exact !== undefined && expression !== undefined) {
    throw new CommandError('USAGE', `give --${what} or --${what}-regexp, not both`);
  }
  if (exact !== undefined) return exactly(exact);
  if (expression !== undefined) {
    // The engine of expressions is loaded where there is one.
    const { readExpression } = await import('./name-expression.ts');
    const compiled = readExpression(what, expression);
    return matching(expression, (text) => compiled.isAllOf(text));
  }
  throw new CommandError('USAGE', `--${what} or --${what}-regexp is missing`, {
    hint: 'An identity counts only together with the issuer that vouched for it.',
  });
}
