/** Attacks on how a token is taken apart: dots, base64, UTF-8 and JSON (GHSA-f83f-xpx7-ffpw; RFC 7515 §2, RFC 8259). */
import { expect } from 'chai';
import { refusalOf } from '../support/test-service.ts';
import { attack, itRefuses, outcomeOf, sendToken, type Attack } from './support/attack.ts';
import { partsOf, signedRaw } from '../support/raw-token.ts';
import { startWorld, type World } from './support/world.ts';

const bytes = (...parts: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

describe('hostile: encodings', () => {
  let world: World;
  before(async () => (world = await startWorld()));
  after(() => world.close());

  /** The members of the honest payload, without braces, and `more` behind them. */
  const members = (more = ''): string => {
    const exp = Math.floor(Date.now() / 1000) + 300;
    const claims = `"iss":"${world.issuer.url}","aud":"sigstore","sub":"s","exp":${exp}`;
    return `${claims},"email":"alice@example.com","email_verified":true${more}`;
  };
  const header = (more = ''): string => `{"alg":"ES256","kid":"${world.issuer.key.kid}"${more}}`;
  const signed = (payload: string | Buffer, head = header()): string =>
    signedRaw(world.issuer.key, head, payload);
  const bent =
    (change: (token: string) => string) =>
    async (w: World): Promise<string> =>
      change(await w.honest());
  const inPart = (index: number, change: (part: string) => string): Attack['token'] =>
    bent((token) =>
      partsOf(token)
        .map((part, i) => (i === index ? change(part) : part))
        .join('.'),
    );

  const DOTS: readonly Attack[] = [
    ...[1, 3, 4, 30_000, 32_768].map((count) =>
      attack(`${count} dots`, '.'.repeat(count), 'TOKEN_MALFORMED'),
    ),
    attack('200,000 dots', '.'.repeat(200_000), 'TOKEN_TOO_LARGE'),
    attack('a million dots', '.'.repeat(1_000_000), 'BODY_TOO_LARGE'),
    attack(
      'a token with 20,000 dots behind it',
      bent((token) => token + '.'.repeat(20_000)),
      'TOKEN_MALFORMED',
    ),
    attack(
      'a token with a dot before it',
      bent((token) => `.${token}`),
      'TOKEN_MALFORMED',
    ),
    attack(
      'dots that only look like it',
      bent((token) => token.replaceAll('.', '．')),
      'TOKEN_MALFORMED',
    ),
    attack(
      'dots with an escape',
      bent((token) => token.replaceAll('.', '%2E')),
      'TOKEN_MALFORMED',
    ),
    attack('30,000 letters', 'a'.repeat(30_000), 'TOKEN_MALFORMED'),
    attack('10,000 parts', 'e30.'.repeat(8_000), 'TOKEN_MALFORMED'),
  ];

  const BLANKS = [' ', '\t', '\n', '\r\n', '\0', '\u00a0', '\u200b', '\ufeff', '\u2028', '\u202e'];
  const BASE64: readonly Attack[] = [
    ...[0, 1, 2].flatMap((index) => [
      attack(
        `part ${index + 1} with padding`,
        inPart(index, (part) => `${part}=`),
        'TOKEN_MALFORMED',
      ),
      attack(
        `part ${index + 1} with an escape`,
        inPart(index, (part) => `${part.slice(0, 8)}%41${part.slice(9)}`),
        'TOKEN_MALFORMED',
      ),
      attack(
        `part ${index + 1} with a letter of the other alphabet`,
        inPart(index, (part) => `${part.slice(0, 8)}+/${part.slice(10)}`),
        'TOKEN_MALFORMED',
      ),
      attack(
        `part ${index + 1} with a letter too many`,
        inPart(index, (part) => part + 'A'.repeat(5 - (part.length % 4))),
        'TOKEN_MALFORMED',
      ),
      attack(
        `part ${index + 1} with letters that only look like it`,
        inPart(index, (part) => `${part.slice(0, 4)}А${part.slice(5)}`),
        'TOKEN_MALFORMED',
      ),
    ]),
    attack(
      'another spelling of the same signature',
      inPart(
        2,
        (part) =>
          part.slice(0, -1) +
          (part.endsWith('Q') ? 'R' : part.endsWith('g') ? 'h' : part.endsWith('w') ? 'x' : 'B'),
      ),
      'TOKEN_MALFORMED',
    ),
    ...BLANKS.flatMap((blank) => [
      attack(
        `${JSON.stringify(blank)} before it`,
        bent((token) => blank + token),
        'TOKEN_MALFORMED',
      ),
      attack(
        `${JSON.stringify(blank)} behind it`,
        bent((token) => token + blank),
        'TOKEN_MALFORMED',
      ),
      attack(
        `${JSON.stringify(blank)} within it`,
        bent((token) => `${token.slice(0, 40)}${blank}${token.slice(40)}`),
        'TOKEN_MALFORMED',
      ),
    ]),
    attack(
      '"Bearer" before it',
      bent((token) => `Bearer ${token}`),
      'TOKEN_MALFORMED',
    ),
  ];

  /** Bytes in the place of a value, after RFC 3629 §3 and the Unicode Standard, table 3-7. */
  const NO_UTF8: readonly (readonly [string, readonly number[]])[] = [
    ['a lone continuation', [0x80]],
    ['a byte that never occurs', [0xff]],
    ['a slash in two bytes', [0xc0, 0xaf]],
    ['a NUL in two bytes', [0xc0, 0x80]],
    ['a quote in two bytes', [0xc0, 0xa2]],
    ['a slash in three bytes', [0xe0, 0x80, 0xaf]],
    ['a slash in four bytes', [0xf0, 0x80, 0x80, 0xaf]],
    ['half a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a surrogate pair as two characters', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
    ['a character beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
    ['a character of five bytes', [0xf8, 0x88, 0x80, 0x80, 0x80]],
    ['a character that is cut off', [0xe2, 0x82]],
    ['Latin-1', [0xfc]],
  ];
  const CHARACTERS: readonly Attack[] = [
    ...NO_UTF8.flatMap(([what, wrong]) => [
      attack(
        `payload: ${what}`,
        () => signed(bytes(`{${members(',"x":"')}`, wrong, '"}')),
        'TOKEN_MALFORMED',
      ),
      attack(
        `header: ${what}`,
        () =>
          signedRaw(world.issuer.key, bytes(header(',"x":"').slice(0, -1), wrong, '"}'), `{${members()}}`),
        'TOKEN_MALFORMED',
      ),
    ]),
    attack('a byte order mark', () => signed(`\ufeff{${members()}}`), 'TOKEN_MALFORMED'),
    attack('UTF-16', () => signed(Buffer.from(`{${members()}}`, 'utf16le')), 'TOKEN_MALFORMED'),
    attack(
      'half a surrogate pair by escape',
      () => signed(`{${members(',"x":"\\udc00"')}}`),
      'TOKEN_MALFORMED',
    ),
    attack('half a pair as a name', () => signed(`{${members(',"\\ud800":1')}}`), 'TOKEN_MALFORMED'),
    attack(
      'a NUL by escape in a claim that nobody reads',
      () => signed(`{${members(',"x":"\\u0000"')}}`),
      'issued',
    ),
    attack(
      'all planes of Unicode in such a claim',
      () => signed(`{${members(',"x":"😀\u{10ffff}"')}}`),
      'issued',
    ),
  ];

  const JSON_TEXTS: readonly (readonly [string, () => string])[] = [
    ['nothing', () => ''],
    ['a text', () => '"x"'],
    ['a number', () => '1'],
    ['null', () => 'null'],
    ['a list', () => `[{${members()}}]`],
    ['two objects', () => `{${members()}}{}`],
    ['an object and a NUL', () => `{${members()}}\0`],
    ['a comma too many', () => `{${members(',')}}`],
    ['a comment', () => `{${members()}/* x */}`],
    ['names without quotes', () => `{${members(',x:1')}}`],
    ["names in '", () => `{${members(",'x':1")}}`],
    ['NaN', () => `{${members(',"x":NaN')}}`],
    ['Infinity', () => `{${members(',"x":Infinity')}}`],
    ['a hexadecimal number', () => `{${members(',"x":0x10')}}`],
    ['a number with a zero in front', () => `{${members(',"x":01')}}`],
    ['a number with a plus in front', () => `{${members(',"x":+1')}}`],
    ['a line break in a text', () => `{${members(',"x":"\n"')}}`],
    ['an escape that JSON has not', () => `{${members(',"x":"\\x41"')}}`],
    ['an object that breaks off', () => `{${members(',"x":{')}}`],
    ['a number beyond all doubles', () => `{${members(',"x":1e400')}}`],
    ['such a number deep inside', () => `{${members(',"x":[{"y":-1e999}]')}}`],
    ['a number of 20,000 digits', () => `{${members(`,"x":${'9'.repeat(20_000)}`)}}`],
    ['two audiences', () => `{${members(',"aud":"other"')}}`],
    ['two addresses', () => `{${members(',"email":"root@example.com"')}}`],
    ['two addresses, one by escapes', () => `{${members(',"\\u0065mail":"root@example.com"')}}`],
    ['two issuers', () => `{${members(',"iss":"https://accounts.google.com"')}}`],
    ['two members of one name deep inside', () => `{${members(',"x":[{"a":{"b":1,"b":1}}]')}}`],
    ['two prototypes', () => `{${members(',"__proto__":1,"__proto__":2')}}`],
    ['3,000 members of one name', () => `{${members(',"x":1'.repeat(3000))}}`],
  ];

  const nested = (open: string, close: string, depth: number): string =>
    open.repeat(depth) + '1' + close.repeat(depth);
  const SHAPES: readonly Attack[] = [
    ...JSON_TEXTS.map(([what, text]) => attack(`payload: ${what}`, () => signed(text()), 'TOKEN_MALFORMED')),
    ...(['{"a":', '['] as const).flatMap((open) => {
      const close = open === '[' ? ']' : '}';
      return [17, 1000, 4000].map((depth) => {
        const value = nested(open, close, depth);
        return attack(
          `payload: ${depth} times ${open}`,
          () => signed(`{${members(`,"x":${value}`)}}`),
          'TOKEN_MALFORMED',
        );
      });
    }),
    ...(['{"a":', '['] as const).map((open) =>
      attack(
        `header: 1,000 times ${open}`,
        () => signed(`{${members()}}`, header(`,"x":${nested(open, open === '[' ? ']' : '}', 1000)}`)),
        'TOKEN_MALFORMED',
      ),
    ),
    attack('payload: 20,000 brackets, all open', () => signed('['.repeat(20_000)), 'TOKEN_MALFORMED'),
    attack('header: two key ids', () => signed(`{${members()}}`, header(',"kid":"x"')), 'TOKEN_MALFORMED'),
    attack('header: a list', () => signed(`{${members()}}`, '[]'), 'TOKEN_MALFORMED'),
    attack(
      'a claim of 30 KB',
      () => signed(`{${members(`,"x":"${'x'.repeat(30_000)}"`)}}`),
      'TOKEN_TOO_LARGE',
    ),
    attack(
      'a claim of a megabyte',
      () => signed(`{${members(`,"x":"${'x'.repeat(1_000_000)}"`)}}`),
      'BODY_TOO_LARGE',
    ),
    attack(
      'a header of a megabyte',
      () => signed(`{${members()}}`, header(`,"x":"${'x'.repeat(1_000_000)}"`)),
      'BODY_TOO_LARGE',
    ),
    attack(
      '2,000 names',
      () => signed(`{${members(Array.from({ length: 2000 }, (_, i) => `,"${i}":0`).join(''))}}`),
      'issued',
    ),
    attack('a list of 10,000', () => signed(`{${members(`,"x":[${'1,'.repeat(9_999)}1]`)}}`), 'issued'),
    attack(
      'names that only objects have',
      () =>
        signed(
          `{${members(',"__proto__":{"email":"root@example.com"},"constructor":{"prototype":{"x":1}},"toString":null,"hasOwnProperty":1,"toJSON":"x","then":1')}}`,
        ),
      'issued',
    ),
  ];

  describe('dots', () => {
    itRefuses(() => world, DOTS);
  });
  describe('base64', () => {
    itRefuses(() => world, BASE64);
  });
  describe('UTF-8', () => {
    itRefuses(() => world, CHARACTERS);
  });
  describe('JSON', () => {
    itRefuses(() => world, SHAPES);

    it('of any token leaves nothing behind in objects', async () => {
      await outcomeOf(world, signed(`{${members(',"__proto__":{"polluted":1}')}}`));
      expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined);
    });
  });

  it('a body whose every level is open is refused, and so is one with a deep token in the wrong place', async () => {
    const deep = nested('[', ']', 100_000);
    for (const body of [
      '{"a":'.repeat(40_000),
      `{"credentials":${deep}}`,
      `{"credentials":{"oidcIdentityToken":${deep}}}`,
    ]) {
      const response = await fetch(`${world.service.url}/api/v2/signingCert`, { method: 'POST', body });
      expect(response.status).to.equal(400);
      expect((await refusalOf(response)).details[0].reason).to.equal('BODY_MALFORMED');
    }
    expect((await sendToken(world, await world.honest())).status).to.equal(200);
  });
});
