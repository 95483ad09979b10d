/** Attacks by issuers, or by attackers on the network path: documents that lie, that are bombs, or that never come. */
import type { KeyObject } from 'node:crypto';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { emailDefinition } from '../support/issuer-definitions.ts';
import { signatureOf, tokenPart } from '../support/raw-token.ts';
import type { Reason } from '../../server/reasons/problem.ts';
import { outcomeOf } from './support/attack.ts';
import { EvilIssuers, json, patched, respond, streamed, type Answer } from './support/evil-issuers.ts';
import { issuerBlock, startWorld, type World } from './support/world.ts';

interface Evil {
  readonly what: string;
  readonly discovery?: Answer;
  readonly jwks?: Answer;
  readonly outcome: Reason | 'issued';
  /** The header and the signature of the token, instead of honest ones. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly sign?: (input: string) => Buffer;
}

const head = (...headers: string[]): string =>
  `HTTP/1.1 200 OK\r\n${headers.map((line) => `${line}\r\n`).join('')}`;
const redirect =
  (to: string, status = '302 Found', body = ''): Answer =>
  ({ socket, issuer }) => {
    respond(socket, status, [`location: ${to.replace('{issuer}', issuer)}`], body);
  };
const raw =
  (bytes: string): Answer =>
  ({ socket }) => {
    socket.end(bytes);
  };
const BOMB = gzipSync(Buffer.alloc(100 * 1024 * 1024, 0x20));
const MEGABYTE = Buffer.alloc(1024 * 1024, 0x20);
const DOWN: Reason = 'ISSUER_UNREACHABLE';
const BAD: Reason = 'ISSUER_METADATA_INVALID';

const rsa = (bits: number): { jwk: Record<string, unknown>; key: KeyObject } => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  return { jwk: { ...publicKey.export({ format: 'jwk' }), kid: 'k', use: 'sig' }, key: privateKey };
};
const WEAK = rsa(1024);
const GOOD = rsa(2048);
const base64url = (bytes: Buffer): string => bytes.toString('base64url');

/** What a signature of `input` is before it is taken to a power (RFC 8017 §9.2): with the exponent 1, the signature. */
function padded(input: string): Buffer {
  const hash = createHash('sha256').update(input).digest();
  const info = Buffer.concat([Buffer.from('003031300d060960864801650304020105000420', 'hex'), hash]);
  return Buffer.concat([Buffer.of(0, 1), Buffer.alloc(256 - 2 - info.length, 255), info]);
}

const TRANSPORT: readonly Evil[] = [
  { what: 'nothing at all', discovery: () => undefined, outcome: DOWN },
  { what: 'a closed connection', discovery: ({ socket }) => socket.destroy(), outcome: DOWN },
  { what: 'a head, letter by letter', discovery: streamed('HTTP/1.1 200 OK\r\n', 'a', 5), outcome: DOWN },
  { what: 'a head, line by line', discovery: streamed('HTTP/1.1 200 OK\r\n', 'x: y\r\n', 5), outcome: DOWN },
  {
    what: 'a head without end',
    discovery: streamed('HTTP/1.1 200 OK\r\n', 'x: y\r\n'.repeat(1000)),
    outcome: DOWN,
  },
  {
    what: 'a header without end',
    discovery: streamed('HTTP/1.1 200 OK\r\nx: ', 'y'.repeat(10_000)),
    outcome: DOWN,
  },
  {
    what: 'a body, blank by blank',
    discovery: streamed(head('content-length: 9999') + '\r\n', ' ', 5),
    outcome: DOWN,
  },
  {
    what: 'chunks, blank by blank',
    jwks: streamed(head('transfer-encoding: chunked') + '\r\n', '1\r\n \r\n', 5),
    outcome: DOWN,
  },
  {
    what: 'interim answers without end',
    discovery: streamed('', 'HTTP/1.1 103 Early Hints\r\n\r\n', 1),
    outcome: DOWN,
  },
  {
    what: '4 GB in chunks',
    jwks: streamed(
      head('transfer-encoding: chunked') + '\r\n',
      Buffer.concat([Buffer.from('100000\r\n'), MEGABYTE, Buffer.from('\r\n')]),
    ),
    outcome: BAD,
  },
  {
    what: '4 GB at once',
    discovery: streamed(head('content-length: 4294967296') + '\r\n', MEGABYTE),
    outcome: BAD,
  },
  {
    what: 'a body without a length and an end',
    jwks: streamed(head('connection: close') + '\r\n', MEGABYTE),
    outcome: BAD,
  },
  {
    what: 'an error page without end',
    discovery: streamed('HTTP/1.1 500 x\r\ntransfer-encoding: chunked\r\n\r\n', '10\r\n0123456789abcdef\r\n'),
    outcome: DOWN,
  },
  {
    what: 'a redirect with a body without end',
    discovery: streamed('HTTP/1.1 302 x\r\nlocation: /a\r\ntransfer-encoding: chunked\r\n\r\n', '1\r\n \r\n'),
    outcome: BAD,
  },
  {
    what: 'a chunk beyond all numbers',
    jwks: raw(`${head('transfer-encoding: chunked')}\r\nffffffffffffffffff\r\n{}`),
    outcome: DOWN,
  },
  {
    what: 'two lengths',
    jwks: raw(`${head('content-length: 2', 'content-length: 20')}\r\n{}`),
    outcome: DOWN,
  },
  { what: 'a negative length', jwks: raw(`${head('content-length: -1')}\r\n{}`), outcome: DOWN },
  { what: 'less than its length', jwks: raw(`${head('content-length: 100')}\r\n{"keys":[]}`), outcome: DOWN },
  { what: 'no HTTP', discovery: raw('SSH-2.0-OpenSSH_9.9\r\n'), outcome: DOWN },
  { what: 'HTTP/2', discovery: raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), outcome: DOWN },
  {
    what: 'another protocol',
    discovery: raw('HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'),
    outcome: DOWN,
  },
  { what: '100 MB of blanks in gzip', discovery: json(BOMB, 'content-encoding: gzip'), outcome: BAD },
  {
    what: 'half a megabyte of gzip that is 512 MB',
    jwks: json(Buffer.concat(Array.from({ length: 5 }, () => BOMB)), 'content-encoding: gzip'),
    outcome: BAD,
  },
  { what: '100 MB of blanks in gzip as keys', jwks: json(BOMB, 'content-encoding: gzip'), outcome: BAD },
  { what: 'gzip in gzip', jwks: json(gzipSync(BOMB), 'content-encoding: gzip, gzip'), outcome: BAD },
  {
    what: 'a good document in gzip',
    discovery: json(
      ({ truth }: { truth: unknown }) => gzipSync(JSON.stringify(truth)),
      'content-encoding: gzip',
    ),
    outcome: 'issued',
  },
];

const REDIRECTS: readonly Evil[] = [
  ...[
    ...[
      'http://169.254.169.254/latest/meta-data/',
      'http://localhost/',
      'http://[::1]/',
      'http://0.0.0.0/',
      'http://2130706433:1/',
    ],
    ...[
      'https://127.0.0.1/',
      '//evil.example/',
      'http:\\\\evil.example\\',
      'file:///etc/passwd',
      'gopher://127.0.0.1:6379/',
    ],
    ...[
      'data:application/json,{}',
      'javascript:0',
      'http://127.0.0.1:1/',
      'http://user@evil.example/',
      'http://[',
      'http://evil.example%00/',
    ],
  ].flatMap((to) => [
    { what: `discovery to ${to}`, discovery: redirect(to), outcome: BAD } as const,
    { what: `keys to ${to}`, jwks: redirect(to, '307 Temporary Redirect'), outcome: BAD } as const,
  ]),
  { what: 'to itself', discovery: redirect('{issuer}/.well-known/openid-configuration'), outcome: BAD },
  { what: 'to 15 KB', discovery: redirect(`http://evil.example/${'a'.repeat(15_000)}`), outcome: BAD },
  { what: 'to nowhere', discovery: raw('HTTP/1.1 302 x\r\ncontent-length: 0\r\n\r\n'), outcome: DOWN },
];

const uris: readonly unknown[] = [
  ...[
    'file:///etc/passwd',
    'data:application/json,{"keys":[]}',
    'ftp://127.0.0.1/jwks',
    'javascript:0',
    '/jwks',
    'jwks',
    '',
    '//127.0.0.1/jwks',
  ],
  ...[
    'http://169.254.169.254/jwks',
    'http://10.0.0.1/jwks',
    'http://localhost/jwks',
    'http://[::1]/jwks',
    'http://[::ffff:7f00:1]/jwks',
  ],
  ...[
    'http://0/jwks',
    'http://0177.0.0.2/jwks',
    'http://[fd00::1]/jwks',
    'http://[64:ff9b::7f00:1]/jwks',
    'http://100.100.100.200/jwks',
  ],
  ...['http://user:password@127.0.0.1/jwks', null, 7, {}, [], `https://example.com/${'a'.repeat(200_000)}`],
];
const keys = (...list: readonly unknown[]): Answer => patched(() => ({ keys: list }));
const RS256 = { alg: 'RS256', kid: 'k' };
/** A token that holds, by the algorithm that an issuer means which announces none. */
const SIGNED = {
  jwks: keys(GOOD.jwk),
  header: RS256,
  sign: (input: string) => sign('sha256', Buffer.from(input), GOOD.key),
};
const LIES: readonly Evil[] = [
  ...['https://accounts.google.com', '', null, 7, [], {}, true].map((issuer) => ({
    what: `issuer ${JSON.stringify(issuer)}`,
    discovery: patched(() => ({ issuer })),
    outcome: BAD,
  })),
  {
    what: 'its own name in a list',
    discovery: patched(({ issuer }) => ({ issuer: [issuer] })),
    outcome: BAD,
  },
  {
    what: 'its own name with a slash',
    discovery: patched(({ issuer }) => ({ issuer: `${issuer}/` })),
    outcome: BAD,
  },
  {
    what: 'its own name in capitals',
    discovery: patched(({ issuer }) => ({ issuer: issuer.toUpperCase() })),
    outcome: BAD,
  },
  {
    what: 'its own name with a port',
    discovery: patched(({ issuer }) => ({ issuer: issuer.replace('127.0.0.1', '127.0.0.1:80') })),
    outcome: BAD,
  },
  { what: 'no name', discovery: patched(() => ({ issuer: undefined })), outcome: BAD },
  {
    what: 'its name in the prototype',
    discovery: json(({ truth }: { truth: unknown }) => `{"__proto__":${JSON.stringify(truth)}}`),
    outcome: BAD,
  },
  ...uris.map((jwks_uri) => ({
    what: `keys at ${JSON.stringify(jwks_uri).slice(0, 60)}`,
    discovery: patched(() => ({ jwks_uri })),
    outcome: BAD,
  })),
  { what: 'half a million brackets', discovery: json('['.repeat(200_000)), outcome: BAD },
  { what: '100,000 levels', discovery: json(`${'['.repeat(100_000)}${']'.repeat(100_000)}`), outcome: BAD },
  {
    what: 'only algorithms that nobody should use',
    discovery: patched(() => ({ id_token_signing_alg_values_supported: ['none', 'HS256'] })),
    ...SIGNED,
    outcome: 'ALGORITHM_REFUSED',
  },
  {
    what: 'no algorithm at all, which means RS256',
    discovery: patched(() => ({ id_token_signing_alg_values_supported: [] })),
    ...SIGNED,
    outcome: 'issued',
  },
  {
    what: '10,000 algorithms, a good one among them',
    discovery: patched(() => ({
      id_token_signing_alg_values_supported: [...Array<string>(10_000).fill('none'), 'ES256'],
    })),
    outcome: 'issued',
  },
];

const number = (bytes: number): string => base64url(Buffer.alloc(bytes, 255));
const KEYS: readonly Evil[] = [
  { what: '10,000 keys', jwks: keys(...Array<unknown>(10_000).fill({ kty: 'RSA' })), outcome: BAD },
  {
    what: '101 keys',
    jwks: patched(({ truth }) => ({ keys: Array<unknown>(101).fill((truth['keys'] as unknown[])[0]) })),
    outcome: BAD,
  },
  ...[null, {}, 'keys', 7, { length: 1, 0: {} }].map((list) => ({
    what: `keys ${JSON.stringify(list)}`,
    jwks: patched(() => ({ keys: list })),
    outcome: BAD,
  })),
  {
    what: '100,000 levels',
    jwks: json(`{"keys":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
    outcome: 'KEY_UNKNOWN',
  },
  {
    what: 'keys that are none',
    jwks: keys(null, 7, 'k', [], [[]], {}, { kty: null }, { kty: '__proto__' }, { kty: 'constructor' }),
    outcome: 'KEY_UNKNOWN',
  },
  {
    what: 'RSA with 16,384 bits',
    jwks: keys({ kty: 'RSA', kid: 'k', n: number(2048), e: 'AQAB' }),
    header: RS256,
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'RSA with three million bits',
    jwks: keys({ kty: 'RSA', kid: 'k', n: number(350_000), e: 'AQAB' }),
    header: RS256,
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'RSA with 1,024 bits and a right signature',
    jwks: keys(WEAK.jwk),
    header: RS256,
    sign: (input) => sign('sha256', Buffer.from(input), WEAK.key),
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'RSA with 2,048 bits and a right signature',
    ...SIGNED,
    outcome: 'issued',
  },
  {
    what: 'RSA with the exponent 1, which needs no key',
    jwks: keys({ ...GOOD.jwk, e: 'AQ' }),
    header: RS256,
    sign: padded,
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'RSA with the exponent 2',
    jwks: keys({ ...GOOD.jwk, e: 'Ag' }),
    header: RS256,
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'RSA with an exponent of 2,048 bits',
    jwks: keys({ ...GOOD.jwk, e: number(256) }),
    header: RS256,
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'RSA with an even modulus',
    jwks: keys({ ...GOOD.jwk, n: base64url(Buffer.alloc(256, 0xfe)) }),
    header: RS256,
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'a shared secret',
    jwks: keys({ kty: 'oct', kid: 'k', k: 'c2VjcmV0', alg: 'HS256' }),
    header: { alg: 'HS256', kid: 'k' },
    outcome: 'ALGORITHM_REFUSED',
  },
  {
    what: 'a shared secret under another name',
    jwks: keys({ kty: 'oct', kid: 'k', k: 'c2VjcmV0', alg: 'ES256' }),
    header: { alg: 'ES256', kid: 'k' },
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'a point beside the curve',
    jwks: patched(({ truth }) => ({ keys: [{ ...(truth['keys'] as [object])[0], x: number(32) }] })),
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'a point at zero',
    jwks: patched(({ truth }) => ({ keys: [{ ...(truth['keys'] as [object])[0], x: 'AA', y: 'AA' }] })),
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'a point of 100 KB',
    jwks: patched(({ truth }) => ({ keys: [{ ...(truth['keys'] as [object])[0], y: number(100_000) }] })),
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'another curve',
    jwks: patched(({ truth }) => ({ keys: [{ ...(truth['keys'] as [object])[0], crv: 'secp256k1' }] })),
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'a key for encryption',
    jwks: patched(({ truth }) => ({ keys: [{ ...(truth['keys'] as [object])[0], use: 'enc' }] })),
    outcome: 'KEY_UNUSABLE',
  },
  {
    what: 'a key id that is a list',
    jwks: patched(({ truth }) => ({ keys: [{ ...(truth['keys'] as [object])[0], kid: ['x'] }] })),
    outcome: 'KEY_UNKNOWN',
  },
];

const FAMILIES = { TRANSPORT, REDIRECTS, LIES, KEYS } as const;
/** Connections to one host at a time; see `oidc/keys/fetch-document.ts`. */
const MOST_CONNECTIONS = 4;

describe('hostile: documents of issuers', () => {
  let evil: EvilIssuers;
  let world: World;
  /** For what is awaited in vain. Elsewhere nothing is slow but a busy machine. */
  let hasty: World;
  const named = Object.entries(FAMILIES).flatMap(([family, rows]) =>
    rows.map((row, i) => ({ family, row, name: `${family.toLowerCase()}-${i}` })),
  );

  before(async () => {
    evil = await EvilIssuers.start();
    for (const { name, row } of named) evil.set(name, row);
    const start = (timeout: number): Promise<World> =>
      startWorld({
        context: { timeout },
        issuers: (own) =>
          [own, ...named.map(({ name }) => evil.url(name))].map((url) =>
            issuerBlock(emailDefinition(url, { name: url })),
          ),
      });
    [world, hasty] = [await start(15_000), await start(500)];
  });
  after(async () => {
    await world.close();
    await hasty.close();
    await evil.close();
  });

  const tokenOf = (name: string, { header, sign: made }: Evil): string => {
    const claims = {
      iss: evil.url(name),
      aud: 'sigstore',
      sub: 's',
      exp: Math.floor(Date.now() / 1000) + 300,
    };
    const payload = { ...claims, email: 'alice@example.com', email_verified: true };
    const input = `${tokenPart(header ?? { alg: 'ES256', kid: evil.key.kid })}.${tokenPart(payload)}`;
    const signature = made === undefined ? signatureOf(evil.key, input) : made(input);
    return `${input}.${base64url(signature)}`;
  };

  for (const { family, name, row } of named) {
    it(`${family.toLowerCase()}: ${row.what}: ${row.outcome}`, async () => {
      const asked = row.outcome === DOWN ? hasty : world;
      const [lines, sent] = [asked.service.lines.length, evil.sent];
      expect(await outcomeOf(asked, tokenOf(name, row))).to.equal(row.outcome);
      expect(evil.open).to.be.at.most(2 * MOST_CONNECTIONS);
      // What is in the buffers of both sockets counts too.
      expect(evil.sent - sent).to.be.lessThan(48 * 1024 * 1024);
      expect(JSON.stringify(asked.service.lines.slice(lines)).length).to.be.lessThan(40_000);
    });
  }

  it('cost no more than these connections and requests, and stop nobody else', async () => {
    expect(evil.sent).to.be.lessThan(256 * 1024 * 1024);
    // Of both services.
    expect(evil.mostOpen).to.be.at.most(2 * MOST_CONNECTIONS);
    for (const path of new Set(evil.asked)) {
      const times = evil.asked.filter((one) => one === path).length;
      expect(times, path).to.be.at.most(path.startsWith('/redirects') ? 6 : 3);
    }
    expect(await outcomeOf(world, await world.honest())).to.equal('issued');
  });
});
