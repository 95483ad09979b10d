/** Attacks on what a token claims: wrong types, times that are none, audiences without end. */
import { expect } from 'chai';
import { ISSUER_TYPES } from '../../oidc/core/issuer-definition.ts';
import { attack, itRefuses, outcomeOf, shown, type Attack } from './support/attack.ts';
import { startEveryType, TYPE_CASES, typedToken } from './support/every-type.ts';
import { signedRaw } from '../support/raw-token.ts';
import type { World } from './support/world.ts';

/** When the table is made; the suite may take minutes until a row is tried, so its tokens last for a day. */
const SECONDS = Math.floor(Date.now() / 1000);

describe('hostile: claims', () => {
  let world: World;
  before(async () => (world = await startEveryType()));
  after(() => world.close());

  /** A token of this JSON behind the honest claims. */
  const raw =
    (more: string, base = `"exp":${SECONDS + 90_000}`): Attack['token'] =>
    ({ issuer }) =>
      signedRaw(
        issuer.key,
        { alg: 'ES256', kid: issuer.key.kid },
        `{"iss":"${issuer.url}","sub":"s","email":"alice@example.com","email_verified":true,${base}${more}}`,
      );
  const timed = (times: string): Attack['token'] => raw(',"aud":"sigstore"', times);

  const LATE = `"exp":${SECONDS + 90_000},`;
  const TIMES: readonly Attack[] = [
    attack('exp 1e400', timed('"exp":1e400'), 'TOKEN_MALFORMED'),
    attack('exp -1e400', timed('"exp":-1e400'), 'TOKEN_MALFORMED'),
    attack('exp 1e308', timed('"exp":1e308'), 'CLAIM_INVALID'),
    attack('exp in the year 10^12', timed('"exp":31556952000000000000'), 'CLAIM_INVALID'),
    attack('exp 2^53 + 1', timed('"exp":9007199254740993'), 'CLAIM_INVALID'),
    attack('exp 2^63', timed('"exp":9223372036854775808'), 'CLAIM_INVALID'),
    attack('exp -2^63', timed('"exp":-9223372036854775808'), 'CLAIM_INVALID'),
    attack('exp 0', timed('"exp":0'), 'TOKEN_EXPIRED'),
    attack('exp -0', timed('"exp":-0'), 'TOKEN_EXPIRED'),
    attack('exp -1', timed('"exp":-1'), 'TOKEN_EXPIRED'),
    attack('exp 1e-400', timed('"exp":1e-400'), 'TOKEN_EXPIRED'),
    attack('exp a moment ago', timed(`"exp":${SECONDS - 1}.999`), 'TOKEN_EXPIRED'),
    attack('no exp', timed('"iat":1'), 'CLAIM_MISSING'),
    attack('exp under another name', timed(`"Exp":${SECONDS + 90_000}`), 'CLAIM_MISSING'),
    attack('two exps', timed(`"exp":1,"exp":${SECONDS + 90_000}`), 'TOKEN_MALFORMED'),
    ...[`"${SECONDS + 90_000}"`, '"never"', '""', 'null', 'true', '[]', `[${SECONDS + 90_000}]`, '{}'].map(
      (exp) => attack(`exp ${exp.replace(/\d{5,}/, 'later')}`, timed(`"exp":${exp}`), 'CLAIM_INVALID'),
    ),
    attack('nbf 1e400', timed(`${LATE}"nbf":1e400`), 'TOKEN_MALFORMED'),
    attack('nbf 1e300', timed(`${LATE}"nbf":1e300`), 'CLAIM_INVALID'),
    attack('nbf in the year 200,000', timed(`${LATE}"nbf":6e12`), 'TOKEN_NOT_YET_VALID'),
    attack('nbf tomorrow', timed(`${LATE}"nbf":${SECONDS + 86_400}`), 'TOKEN_NOT_YET_VALID'),
    attack('nbf -1e12', timed(`${LATE}"nbf":-1e12`), 'issued'),
    attack('nbf -0', timed(`${LATE}"nbf":-0`), 'issued'),
    ...['"0"', 'null', 'false', '[0]', '{}'].map((nbf) =>
      attack(`nbf ${nbf}`, timed(`${LATE}"nbf":${nbf}`), 'CLAIM_INVALID'),
    ),
    attack('iat 1e400', timed(`${LATE}"iat":1e400`), 'TOKEN_MALFORMED'),
    // Nobody reads it.
    ...['1e308', '-0', '9007199254740993', '"x"', 'null', '{}'].map((iat) =>
      attack(`iat ${iat}`, timed(`${LATE}"iat":${iat}`), 'issued'),
    ),
  ];

  const list = (length: number, last = ''): string => {
    const items = Array.from({ length }, () => '"a"');
    return `[${[...items, ...(last === '' ? [] : [last])].join(',')}]`;
  };
  const AUDIENCES: readonly Attack[] = [
    ...[
      '"Sigstore"',
      '"sigstore "',
      '"sigstore\\u0000"',
      '"ѕigstore"',
      '"sig\\u200bstore"',
      '"sigstore,x"',
    ].map((aud) => attack(`aud ${aud}`, raw(`,"aud":${aud}`), 'AUDIENCE_MISMATCH')),
    ...[
      'null',
      '7',
      'true',
      '{}',
      '{"sigstore":1}',
      '[]',
      '[["sigstore"]]',
      '[null]',
      '""',
      '"__proto__"',
    ].map((aud) => attack(`aud ${aud}`, raw(`,"aud":${aud}`), 'AUDIENCE_MISMATCH')),
    attack('no aud', raw(''), 'AUDIENCE_MISMATCH'),
    attack('6,000 others', raw(`,"aud":${list(6000)}`), 'AUDIENCE_MISMATCH'),
    attack('10,000 empty ones', raw(`,"aud":[${'"",'.repeat(7_900)}""]`), 'AUDIENCE_MISMATCH'),
    attack('10,000 numbers', raw(`,"aud":[${'1,'.repeat(9_999)}1]`), 'AUDIENCE_MISMATCH'),
    attack('the right one behind 5,000 others', raw(`,"aud":${list(5000, '"sigstore"')}`), 'issued'),
    attack('the right one 2,000 times', raw(`,"aud":[${'"sigstore",'.repeat(1_999)}"sigstore"]`), 'issued'),
    attack('that of two issuer blocks', raw(',"aud":["sigstore","for email"]'), 'AUDIENCE_AMBIGUOUS'),
    attack(
      'that of two issuer blocks, far apart',
      raw(`,"aud":["for email",${'"a",'.repeat(4000)}"sigstore"]`),
      'AUDIENCE_AMBIGUOUS',
    ),
    attack('an audience of 20 KB', raw(`,"aud":"${'x'.repeat(20_000)}"`), 'AUDIENCE_MISMATCH'),
  ];

  const verified =
    (value: string): Attack['token'] =>
    (w) =>
      signedRaw(
        w.issuer.key,
        { alg: 'ES256', kid: w.issuer.key.kid },
        `{"iss":"${w.issuer.url}","sub":"s","aud":"sigstore","exp":${SECONDS + 90_000},"email":"alice@example.com"${value}}`,
      );
  const ADDRESSES: readonly Attack[] = [
    attack('nothing is said', verified(''), 'EMAIL_NOT_VERIFIED'),
    ...['false', '"false"', '"False"'].map((value) =>
      attack(value, verified(`,"email_verified":${value}`), 'EMAIL_NOT_VERIFIED'),
    ),
    ...['1', '0', '""', '"yes"', '"TRUE"', '" true"', 'null', '[true]', '{"true":true}'].map((value) =>
      attack(value, verified(`,"email_verified":${value}`), 'CLAIM_INVALID'),
    ),
    attack('another case of the claim', verified(',"Email_Verified":true'), 'EMAIL_NOT_VERIFIED'),
    attack(
      'first no, then yes',
      verified(',"email_verified":false,"email_verified":true'),
      'TOKEN_MALFORMED',
    ),
    attack('"True"', verified(',"email_verified":"True"'), 'issued'),
  ];

  describe('of whether an address is verified', () => {
    itRefuses(() => world, ADDRESSES);
  });
  describe('of times', () => {
    itRefuses(() => world, TIMES);
  });
  describe('of audiences', () => {
    itRefuses(() => world, AUDIENCES);
  });

  describe('of wrong types', () => {
    const WRONG: readonly unknown[] = [
      ...[7, 1e300, true, null, ['x'], { a: { b: [1] } }, 'x'.repeat(15_000)],
      ...['\0', '{{ .sub }}', '%', '__proto__'],
    ];
    /** Which of these a token may come to; anything else, such as a fault of the server, fails. */
    const NAMED = [
      ...[
        'issued',
        'CLAIM_MISSING',
        'CLAIM_INVALID',
        'EMAIL_NOT_VERIFIED',
        'IDENTITY_REFUSED',
        'TEMPLATE_FAILED',
      ],
      ...['IDENTITY_UNENCODABLE', 'IDENTITY_TOO_LARGE', 'PROOF_INVALID'],
    ];

    it('are tried on every type of issuer', () => {
      expect(TYPE_CASES.map(({ definition }) => definition.type)).to.have.members([...ISSUER_TYPES]);
    });

    for (const one of TYPE_CASES) {
      it(`in every claim that the type ${one.definition.type} reads come to a named reason`, async () => {
        const names = [...Object.keys(one.claims), 'sub', 'email', 'email_verified'];
        for (const name of names) {
          const tokens = await Promise.all(WRONG.map((value) => typedToken(world, one, { [name]: value })));
          const outcomes = await Promise.all(tokens.map((token) => outcomeOf(world, token)));
          for (const [i, outcome] of outcomes.entries())
            expect(NAMED, `${name}: ${shown(WRONG[i])}`).to.include(outcome);
        }
      });

      for (const name of one.naming) {
        it(`in "${name}", of which ${one.definition.type} makes the name, get no certificate`, async () => {
          for (const value of [7, true, ['x'], {}, '\0', 'a\nb', 'x'.repeat(15_000)]) {
            const outcome = await outcomeOf(world, await typedToken(world, one, { [name]: value }));
            expect(outcome, shown(value)).to.not.equal('issued');
          }
        });
      }
    }
  });
});
