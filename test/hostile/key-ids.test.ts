/** Attacks on how a key is found: whatever a key id is, it names a key of the issuer or none. */
import { makeIssuerKey, type IssuerKey } from '../support/oidc-issuer.ts';
import { attack, itRefuses, type Attack } from './support/attack.ts';
import { signedRaw } from '../support/raw-token.ts';
import { startWorld, type World } from './support/world.ts';

describe('hostile: key ids', () => {
  let world: World;
  let other: IssuerKey;
  let unpublished: IssuerKey;

  before(async () => {
    world = await startWorld();
    unpublished = await makeIssuerKey();
    other = await makeIssuerKey();
    world.issuer.published.push(other);
  });
  after(() => world.close());

  const claims = (w: World): Record<string, unknown> => ({
    iss: w.issuer.url,
    aud: 'sigstore',
    sub: 's',
    exp: Math.floor(Date.now() / 1000) + 300,
    email: 'alice@example.com',
    email_verified: true,
  });
  const forged =
    (kid: unknown) =>
    (w: World): string =>
      signedRaw(unpublished, { alg: 'ES256', kid }, claims(w));

  const NAMES: readonly string[] = [
    ...['../../etc/passwd', '/dev/null', 'file:///dev/null', '..\\..\\windows\\win.ini', 'C:\\', '%2e%2e%2f'],
    ...[
      "' OR '1'='1",
      "x'; DROP TABLE keys; --",
      "' UNION SELECT 'secret",
      '"; cat /etc/passwd',
      '$(id)',
      '`id`',
    ],
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'keys', '0', 'undefined', 'null'],
    ...[
      'http://169.254.169.254/latest/meta-data',
      '//evil.example/jwks',
      '*',
      '.*',
      '%00',
      '\0',
      'a\nb',
      ' ',
    ],
    ...['ключ', '\u202e1-yek', '\ufeff', '😀', 'x'.repeat(1024)],
  ];
  const NO_NAMES: readonly (readonly [string, unknown])[] = [
    ...[7, 0, -1, 1.5, true, null, {}, [], ['key-1'], { toString: 'key-1' }].map(
      (kid) => [JSON.stringify(kid), kid] as const,
    ),
    ['1,025 characters', 'x'.repeat(1025)],
    ['20,000 characters', 'x'.repeat(20_000)],
  ];

  const ATTACKS: readonly Attack[] = [
    ...NAMES.map((kid) => attack(JSON.stringify(kid).slice(0, 50), forged(kid), 'KEY_UNKNOWN')),
    ...NO_NAMES.map(([what, kid]) => attack(what, forged(kid), 'TOKEN_MALFORMED')),
    attack('100 KB', forged('x'.repeat(100_000)), 'TOKEN_TOO_LARGE'),
    attack(
      'half a surrogate pair',
      (w) => signedRaw(unpublished, '{"alg":"ES256","kid":"\\ud800"}', claims(w)),
      'TOKEN_MALFORMED',
    ),
    attack(
      'two of them',
      (w) => signedRaw(unpublished, `{"alg":"ES256","kid":"x","kid":"${w.issuer.key.kid}"}`, claims(w)),
      'TOKEN_MALFORMED',
    ),
    attack("the issuer's, with another's key", (w) => forged(w.issuer.key.kid)(w), 'TOKEN_SIGNATURE_INVALID'),
    attack(
      "another key's of the same issuer",
      (w) => signedRaw(other, { alg: 'ES256', kid: w.issuer.key.kid }, claims(w)),
      'TOKEN_SIGNATURE_INVALID',
    ),
    attack(
      "the issuer's in other letters",
      (w) => signedRaw(w.issuer.key, { alg: 'ES256', kid: w.issuer.key.kid.toUpperCase() }, claims(w)),
      'KEY_UNKNOWN',
    ),
    attack(
      "the issuer's with a blank behind it",
      (w) => signedRaw(w.issuer.key, { alg: 'ES256', kid: `${w.issuer.key.kid} ` }, claims(w)),
      'KEY_UNKNOWN',
    ),
  ];
  itRefuses(() => world, ATTACKS);
});
