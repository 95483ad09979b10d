import type { ExtensionValues } from '../../core/fulcio-extensions.ts';

/** Extensions of a token that has no CI job behind it: issuer (1 and 8) and, where there is one, subject (24). */
export function commonExtensions(issuer: string, subject: string): ExtensionValues {
  const values = new Map([
    [1, issuer],
    [8, issuer],
  ]);
  if (subject !== '') values.set(24, subject);
  return values;
}
