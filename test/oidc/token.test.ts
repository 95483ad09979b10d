import { expect } from 'chai';
import fc from 'fast-check';
import { MAX_TOKEN_LENGTH, parseToken } from '../../oidc/token.ts';
import { TokenError } from '../../oidc/core/token-error.ts';
import type { TokenReason } from '../../oidc/core/token-error.ts';
import { rawToken, tokenPart } from '../support/raw-token.ts';

const HEADER = { alg: 'ES256', kid: 'k' };
const CLAIMS = { iss: 'https://issuer.example' };

function refusal(token: string): TokenError {
  try {
    parseToken(token);
  } catch (error) {
    if (error instanceof TokenError) return error;
    throw error;
  }
  throw new Error('the token was taken');
}

const deep = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const rebase = (token: string, change: (part: string) => string): string =>
  token
    .split('.')
    .map((part, i) => (i === 1 ? change(part) : part))
    .join('.');

/** What it is, the token, the reason. */
const BAD: readonly (readonly [string, string, TokenReason])[] = [
  ['nothing', '', 'TOKEN_MISSING'],
  ['a word', 'token', 'TOKEN_MALFORMED'],
  ['two parts', 'e30.e30', 'TOKEN_MALFORMED'],
  ['four parts', `${rawToken(HEADER, CLAIMS)}.e30`, 'TOKEN_MALFORMED'],
  ['five parts, as an encrypted token has', `${rawToken(HEADER, CLAIMS)}.e30.e30`, 'TOKEN_MALFORMED'],
  ['thousands of dots', '.'.repeat(MAX_TOKEN_LENGTH), 'TOKEN_MALFORMED'],
  ['a million dots', '.'.repeat(1_000_000), 'TOKEN_TOO_LARGE'],
  ['a huge claim', rawToken(HEADER, { ...CLAIMS, x: 'x'.repeat(MAX_TOKEN_LENGTH) }), 'TOKEN_TOO_LARGE'],
  ['no header', `.${tokenPart(CLAIMS)}.c2ln`, 'TOKEN_MALFORMED'],
  ['no payload', `${tokenPart(HEADER)}..c2ln`, 'TOKEN_MALFORMED'],
  ['no signature', rawToken(HEADER, CLAIMS, ''), 'ALGORITHM_REFUSED'],
  ['padding', rebase(rawToken(HEADER, { ...CLAIMS, a: 1 }), (part) => `${part}=`), 'TOKEN_MALFORMED'],
  [
    'the other alphabet',
    rebase(rawToken(HEADER, { iss: '??>>' }), (part) => part.replace(/[-_]/g, '+')),
    'TOKEN_MALFORMED',
  ],
  ['white space', ` ${rawToken(HEADER, CLAIMS)}`, 'TOKEN_MALFORMED'],
  ['a newline at its end', `${rawToken(HEADER, CLAIMS)}\n`, 'TOKEN_MALFORMED'],
  [
    'letters beyond ASCII',
    rebase(rawToken(HEADER, CLAIMS), (part) => `${part.slice(0, -1)}Ł`),
    'TOKEN_MALFORMED',
  ],
  ['stray bits at the end of a part', rawToken(HEADER, CLAIMS, 'c2lnbmF0dXJlcx'), 'TOKEN_MALFORMED'],
  ['a part of an impossible length', rawToken(HEADER, CLAIMS, 'c2lnb'), 'TOKEN_MALFORMED'],
  ['a payload that is not JSON', rawToken(HEADER, '}{'), 'TOKEN_MALFORMED'],
  ['a payload that is a list', rawToken(HEADER, [CLAIMS]), 'TOKEN_MALFORMED'],
  ['a payload that is null', rawToken(HEADER, 'null'), 'TOKEN_MALFORMED'],
  ['a payload that is not UTF-8', rawToken(HEADER, Uint8Array.of(0x7b, 0xff, 0x7d)), 'TOKEN_MALFORMED'],
  ['half a surrogate pair', rawToken(HEADER, '{"iss":"\\ud800"}'), 'TOKEN_MALFORMED'],
  [
    'half a surrogate pair deep inside',
    rawToken(HEADER, '{"iss":"x","a":[{"b":"\\udc00"}]}'),
    'TOKEN_MALFORMED',
  ],
  ['half a surrogate pair as a name', rawToken(HEADER, '{"iss":"x","a":[{"\\ud800":1}]}'), 'TOKEN_MALFORMED'],
  ['a number out of range', rawToken(HEADER, '{"iss":"x","exp":1e999}'), 'TOKEN_MALFORMED'],
  ['deep nesting', rawToken(HEADER, `{"iss":"x","a":${deep(17)}}`), 'TOKEN_MALFORMED'],
  [
    'nesting as deep as the size allows',
    rawToken(HEADER, '['.repeat(20_000) + ']'.repeat(4_000)),
    'TOKEN_MALFORMED',
  ],
  ['two claims of one name', rawToken(HEADER, '{"iss":"x","iss":"x"}'), 'TOKEN_MALFORMED'],
  [
    'two claims of one name deep inside',
    rawToken(HEADER, '{"iss":"x","a":[{"b":1,"b":2}]}'),
    'TOKEN_MALFORMED',
  ],
  [
    'two claims of one name in other words',
    rawToken(HEADER, '{"iss":"x","\\u0069ss":"y"}'),
    'TOKEN_MALFORMED',
  ],
  ['two algorithms', rawToken('{"alg":"none","alg":"ES256"}', CLAIMS), 'TOKEN_MALFORMED'],
  ['no algorithm', rawToken({}, CLAIMS), 'ALGORITHM_REFUSED'],
  ['the algorithm none', rawToken({ alg: 'none' }, CLAIMS), 'ALGORITHM_REFUSED'],
  ['the algorithm none and no signature', rawToken({ alg: 'none' }, CLAIMS, ''), 'ALGORITHM_REFUSED'],
  ['a symmetric algorithm', rawToken({ alg: 'HS256' }, CLAIMS), 'ALGORITHM_REFUSED'],
  ['an algorithm in other letters', rawToken({ alg: 'es256' }, CLAIMS), 'ALGORITHM_REFUSED'],
  ['an algorithm that only objects know', rawToken({ alg: '__proto__' }, CLAIMS), 'ALGORITHM_REFUSED'],
  ['an algorithm that is a list', rawToken({ alg: ['ES256'] }, CLAIMS), 'ALGORITHM_REFUSED'],
  ['critical extensions', rawToken({ ...HEADER, crit: ['b64'], b64: false }, CLAIMS), 'TOKEN_MALFORMED'],
  ['an empty list of critical extensions', rawToken({ ...HEADER, crit: [] }, CLAIMS), 'TOKEN_MALFORMED'],
  ['encryption', rawToken({ alg: 'RSA-OAEP', enc: 'A256GCM' }, CLAIMS), 'TOKEN_MALFORMED'],
  ['a key id that is a number', rawToken({ alg: 'ES256', kid: 1 }, CLAIMS), 'TOKEN_MALFORMED'],
  ['a very long key id', rawToken({ alg: 'ES256', kid: 'k'.repeat(2000) }, CLAIMS), 'TOKEN_MALFORMED'],
  ['no issuer', rawToken(HEADER, { sub: 'x' }), 'CLAIM_MISSING'],
  ['an issuer that is a list', rawToken(HEADER, { iss: ['x'] }), 'CLAIM_MISSING'],
];

describe('A token before it is believed', () => {
  it('has what is needed to find its key', () => {
    const token = parseToken(rawToken(HEADER, { ...CLAIMS, sub: 'é' }));
    expect(token).to.include({ algorithm: 'ES256', keyId: 'k', issuer: 'https://issuer.example' });
    expect(token.claims).to.deep.equal({ ...CLAIMS, sub: 'é' });
  });

  it('may be as long as the limit and as deep as the limit', () => {
    const deepest = rawToken(HEADER, `{"iss":"x","a":${deep(15)}}`);
    expect(parseToken(deepest).issuer).to.equal('x');
    const room = MAX_TOKEN_LENGTH - rawToken(HEADER, CLAIMS).length;
    expect(parseToken(rawToken(HEADER, CLAIMS, 'A'.repeat(room + 12 - ((room + 12) % 4)))).issuer).to.equal(
      CLAIMS.iss,
    );
  });

  for (const [what, token, reason] of BAD) {
    it(`is refused when it has or is ${what}`, () => {
      const error = refusal(token);
      expect(error.code).to.equal(reason);
      expect(error.hint).to.be.a('string');
    });
  }

  it('may hold names and quotes in every place, as long as no object has a name twice', () => {
    const texts = [
      '{"iss":"x","a":":","b":"\\"iss\\":","c":["d",{"iss" \n: 1}],"e":{"iss":{"iss":2}},"\\"":"\\\\"}',
      '{"iss":"x","":{"":""},"__proto__":1,"constructor":{"__proto__":2},"1":1,"0":"\\u0022:"}',
    ];
    for (const text of texts)
      expect(parseToken(rawToken(HEADER, text)).claims).to.deep.equal(JSON.parse(text));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), fc.nat(2), (claims, indent) => {
        const text = JSON.stringify({ ...claims, iss: 'x' }, null, indent);
        expect(parseToken(rawToken(HEADER, text)).issuer).to.equal('x');
      }),
    );
  });

  it('does not take a claim for the prototype of the others', () => {
    const { claims } = parseToken(rawToken(HEADER, '{"iss":"x","__proto__":{"email":"evil@example.com"}}'));
    expect(claims.email).to.equal(undefined);
    expect(refusal(rawToken(HEADER, '{"__proto__":{"iss":"x"}}')).code).to.equal('CLAIM_MISSING');
  });

  it('says how it was spoilt on its way', () => {
    const good = rawToken(HEADER, CLAIMS);
    const table: readonly [token: string, words: string][] = [
      [`bearer ${good}`, 'begins with the word "Bearer"'],
      [`BEARER ${good}`, 'begins with the word "Bearer"'],
      [`Bearer ${good}`, 'begins with the word "Bearer"'],
      ['bearer', 'begins with the word "Bearer"'],
      [`token ${good}`, 'another scheme'],
      [`Basic dXNlcjpwYXNz`, 'another scheme'],
      [` ${good}`, 'blanks or line breaks'],
      [`${good}\n`, 'blanks or line breaks'],
      [`"${good}"`, 'quotation marks'],
      [`{"value":"${good}"}`, 'is JSON'],
    ];
    for (const [token, words] of table) {
      const error = refusal(token);
      expect(error.code).to.equal('TOKEN_MALFORMED');
      expect(error.message).to.contain(words);
      expect(`${error.message} ${error.hint}`).not.to.contain(good.slice(0, 10));
    }
    expect(refusal(`bearer ${good}`).hint).to.contain('capital B');
  });

  it('is never repeated in an error', () => {
    for (const [, token] of BAD) {
      const error = refusal(token);
      const said = JSON.stringify([error.message, error.hint, error.metadata, String(error.cause)]);
      for (const part of token.split('.')) if (part.length > 6) expect(said).not.to.contain(part);
      expect(said).not.to.contain('issuer.example');
    }
  });

  it('throws nothing but its own error, whatever comes', () => {
    const json = fc.oneof(fc.json(), fc.constantFrom('{"alg":"ES256"}', '{"iss":"x"}'));
    const part = fc.oneof(json.map(tokenPart), fc.string(), fc.base64String());
    const token = fc.oneof(
      fc.string(),
      fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.')),
    );
    fc.assert(
      fc.property(token, (text) => {
        try {
          parseToken(text);
        } catch (error) {
          expect(error).to.be.instanceOf(TokenError);
        }
      }),
    );
  });
});
