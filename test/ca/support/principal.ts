import type { Principal } from '../../../oidc/core/principal.ts';

/** A principal as `oidc` makes them, with one e-mail address. */
export function emailPrincipal(over: Partial<Principal> = {}): Principal {
  const issuer = 'https://issuer.example.org';
  return {
    issuer,
    subject: 'subject-1',
    challenge: 'alice@example.org',
    san: { type: 'email', value: 'alice@example.org' },
    extensions: new Map([
      [1, issuer],
      [8, issuer],
      [24, 'subject-1'],
    ]),
    ...over,
  };
}

/** A principal with every extension that Fulcio has, one of them long and one not ASCII. */
export function workflowPrincipal(): Principal {
  const issuer = 'https://token.actions.example.org';
  const san = 'https://github.example.org/org/repo/.github/workflows/release.yml@refs/heads/main';
  const numbers = [2, 3, 4, 5, 6, ...Array.from({ length: 15 }, (_, i) => 9 + i)];
  const extensions = new Map(numbers.map((number) => [number, `${san}#${'x'.repeat(number * 3)}`]));
  extensions.set(1, issuer).set(8, issuer).set(24, 'repo:org/repo:ref:refs/heads/main');
  extensions.set(4, 'Veröffentlichung 🚀').set(22, 'x'.repeat(8000)).set(23, '');
  return {
    issuer,
    subject: 'repo:org/repo',
    challenge: 'repo:org/repo',
    san: { type: 'uri', value: san },
    extensions,
  };
}
