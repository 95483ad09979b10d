import { TokenError } from './token-error.ts';

/** The payload of a token as JSON gave it. Names come from outside: read it only through the functions here. */
export type Claims = Readonly<Record<string, unknown>>;

/** The claim of that exact name; undefined when the token has none. Names are compared exactly. */
export const claim = (claims: Claims, name: string): unknown =>
  Object.hasOwn(claims, name) ? claims[name] : undefined;

/** A claim that may be absent but must else be text; absent and `null` are "". Throws {@link TokenError}. */
export function optionalText(claims: Claims, name: string): string {
  const value = claim(claims, name) ?? '';
  if (typeof value !== 'string') {
    throw new TokenError('CLAIM_INVALID', `the token's "${name}" is not text`, {
      hint: `This is for the operator of the issuer: "${name}" has to be a string.`,
    });
  }
  return value;
}

/** A claim that must be text and not empty. Throws {@link TokenError}. */
export function requiredText(claims: Claims, name: string): string {
  const value = optionalText(claims, name);
  if (value === '') {
    throw new TokenError('CLAIM_MISSING', `the token has no "${name}"`, {
      hint: `Ask the issuer for a token that carries "${name}".`,
      metadata: { claim: name },
    });
  }
  return value;
}

/** {@link requiredText} of each of `names`. Throws {@link TokenError} for the first that is missing. */
export function requiredTexts<Name extends string>(
  claims: Claims,
  names: readonly Name[],
): Readonly<Record<Name, string>> {
  return Object.fromEntries(names.map((name) => [name, requiredText(claims, name)])) as Record<Name, string>;
}
