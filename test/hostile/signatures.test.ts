/** Attacks on what a signature is, and with which key it is checked (RFC 8725 §2, CVE-2015-9235, CVE-2022-21449). */
import { createHmac, createPublicKey, KeyObject, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import { partsOf, rawToken, signatureOf, signedRaw, tokenWith } from '../support/raw-token.ts';
import { makeIssuerKey, type IssuerKey } from '../support/oidc-issuer.ts';
import { attack, itRefuses, shown, type Attack } from './support/attack.ts';
import { startWorld, type World } from './support/world.ts';

const ANNOUNCED = ['RS256', 'PS256', 'ES256', 'EdDSA', 'HS256', 'none'];
/** The order of P-256 (SEC 2 §2.4.2). */
const ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');

describe('hostile: signatures', () => {
  let world: World;
  let rsa: IssuerKey;
  let ec: IssuerKey;
  let unpublished: IssuerKey;
  let trap: Server;
  let trapUrl: string;
  let trapped = 0;

  before(async () => {
    world = await startWorld({ issuer: { alg: 'RS256', algorithms: ANNOUNCED } });
    rsa = world.issuer.key;
    ec = await makeIssuerKey('ES256');
    unpublished = await makeIssuerKey('RS256');
    world.issuer.published.push(ec);
    trap = createServer((_request, response) => {
      trapped++;
      response.end(JSON.stringify({ keys: [unpublished.publicJwk] }));
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    trapUrl = `http://127.0.0.1:${(trap.address() as AddressInfo).port}/`;
  });
  after(async () => {
    await world.close();
    trap.close();
  });

  const payload = (): Record<string, unknown> => ({
    iss: world.issuer.url,
    aud: 'sigstore',
    sub: 's',
    exp: Math.floor(Date.now() / 1000) + 300,
    email: 'alice@example.com',
    email_verified: true,
  });
  const withAlg = (alg: unknown, signature?: string): string =>
    rawToken({ alg, kid: rsa.kid }, payload(), signature);
  const publicKey = (): KeyObject => KeyObject.from(rsa.privateKey);
  const hmac = (alg: string, secret: () => string | Buffer) => (): string => {
    const input = partsOf(withAlg(alg)).slice(0, 2).join('.');
    return `${input}.${createHmac(alg.replace('HS', 'sha'), secret()).update(input).digest('base64url')}`;
  };
  const spki = (format: 'pem' | 'der'): string | Buffer => {
    const jwk = { key: rsa.publicJwk as Record<string, unknown>, format: 'jwk' } as const;
    const key = createPublicKey(jwk);
    return format === 'pem'
      ? key.export({ type: 'spki', format: 'pem' })
      : key.export({ type: 'spki', format: 'der' });
  };
  /** The honest payload under this header, with this signature. */
  const signed = (header: Record<string, unknown>, signature: Buffer): string =>
    rawToken(header, payload(), signature.toString('base64url'));
  const ecToken = (signature: Buffer): string => signed({ alg: 'ES256', kid: ec.kid }, signature);
  const rsaToken = (signature: Buffer): string => signed({ alg: 'RS256', kid: rsa.kid }, signature);
  const foreign = (header: Record<string, unknown>): string =>
    signedRaw(unpublished, { alg: 'RS256', ...header }, payload());
  const number = (value: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    bytes.writeUInt32BE(value, length - 4);
    return bytes;
  };

  const ALGORITHMS: readonly Attack[] = [
    ...['none', 'None', 'NONE', 'nOnE', 'none ', ''].map((alg) =>
      attack(`the algorithm ${JSON.stringify(alg)}, not signed`, () => withAlg(alg, ''), 'ALGORITHM_REFUSED'),
    ),
    attack('the algorithm none, signed all the same', () => withAlg('none'), 'ALGORITHM_REFUSED'),
    attack('no signature under a good algorithm', () => withAlg('RS256', ''), 'ALGORITHM_REFUSED'),
    attack(
      'a good token relabelled none',
      async (w) => tokenWith(await w.honest(), { alg: 'none' }),
      'ALGORITHM_REFUSED',
    ),
    ...[undefined, null, 256, true, ['RS256'], { RS256: 1 }, '__proto__', 'constructor', 'RS256\0'].map(
      (alg) => attack(`the algorithm ${shown(alg)}`, () => withAlg(alg), 'ALGORITHM_REFUSED'),
    ),
    ...['rs256', 'RS256 ', 'ＲＳ256', 'RS1', 'ES256K', 'ES384', 'Ed448', 'RSA1_5', 'A256KW'].map((alg) =>
      attack(`the algorithm ${alg}`, () => withAlg(alg), 'ALGORITHM_REFUSED'),
    ),
    attack('two algorithms', () => rawToken('{"alg":"none","alg":"RS256"}', payload()), 'TOKEN_MALFORMED'),
  ];

  const SECRETS: readonly (readonly [string, () => string | Buffer])[] = [
    ['the PEM of the public key', () => spki('pem')],
    ['the PEM without its last line break', () => spki('pem').toString().trimEnd()],
    ['the DER of the public key', () => spki('der')],
    ['the JWK of the public key', () => JSON.stringify(rsa.publicJwk)],
    ['the modulus', () => Buffer.from(String(rsa.publicJwk.n), 'base64url')],
    ['the key id', () => rsa.kid],
    ['an empty secret', () => ''],
  ];

  const SWAPPED: readonly Attack[] = [
    attack(
      'an RSA signature under ES256 and the RSA key',
      () => signed({ alg: 'ES256', kid: rsa.kid }, signatureOf(rsa, 'x')),
      'KEY_UNKNOWN',
    ),
    attack(
      'an RSA signature under PS256, though the key is for RS256',
      () => signed({ alg: 'PS256', kid: rsa.kid }, signatureOf(rsa, 'x')),
      'KEY_UNKNOWN',
    ),
    attack(
      'an EC key under RS256',
      () => signedRaw(ec, { alg: 'RS256', kid: ec.kid }, payload()),
      'KEY_UNKNOWN',
    ),
    attack(
      "an EC signature under the RSA key's name",
      () => signedRaw(ec, { alg: 'RS256', kid: rsa.kid }, payload()),
      'TOKEN_SIGNATURE_INVALID',
    ),
    attack(
      'an RSA signature under ES256 without key id',
      () => signedRaw(rsa, { alg: 'ES256' }, payload()),
      'TOKEN_SIGNATURE_INVALID',
    ),
    attack(
      'an EC signature under EdDSA without key id',
      () => signedRaw(ec, { alg: 'EdDSA' }, payload()),
      'KEY_UNKNOWN',
    ),
    attack(
      'a PSS signature under RS256',
      () => {
        const [header, body] = partsOf(withAlg('RS256'));
        const key = { key: publicKey(), padding: 6, saltLength: 32 };
        return `${header}.${body}.${sign('sha256', Buffer.from(`${header}.${body}`), key).toString('base64url')}`;
      },
      'TOKEN_SIGNATURE_INVALID',
    ),
  ];

  const NUMBERS: readonly Attack[] = [
    ...(
      [
        ['r and s zero', Buffer.alloc(64)],
        ['r and s one', Buffer.concat([number(1, 32), number(1, 32)])],
        ['r and s the order', Buffer.concat([ORDER, ORDER])],
        ['r zero', Buffer.concat([Buffer.alloc(32), number(1, 32)])],
        ['r and s above all numbers', Buffer.alloc(64, 255)],
        ['one byte', Buffer.alloc(1)],
        ['63 bytes', Buffer.alloc(63, 1)],
        ['65 bytes', Buffer.alloc(65, 1)],
        ['20,000 bytes', Buffer.alloc(20_000, 1)],
      ] as const
    ).map(([what, bytes]) => attack(`ECDSA: ${what}`, () => ecToken(bytes), 'TOKEN_SIGNATURE_INVALID')),
    attack(
      'ECDSA: a right signature in DER',
      () => {
        const input = partsOf(ecToken(Buffer.alloc(1)))
          .slice(0, 2)
          .join('.');
        const der = sign('sha256', Buffer.from(input), KeyObject.from(ec.privateKey));
        return `${input}.${der.toString('base64url')}`;
      },
      'TOKEN_SIGNATURE_INVALID',
    ),
    attack(
      'ECDSA: a right signature with zeros in front of both numbers',
      () => {
        const token = signedRaw(ec, { alg: 'ES256', kid: ec.kid }, payload());
        const [header, body, signature] = partsOf(token);
        const bytes = Buffer.from(signature, 'base64url');
        const zero = Buffer.alloc(1);
        const longer = Buffer.concat([zero, bytes.subarray(0, 32), zero, bytes.subarray(32)]);
        return `${header}.${body}.${longer.toString('base64url')}`;
      },
      'TOKEN_SIGNATURE_INVALID',
    ),
    ...(
      [
        ['zero', () => Buffer.alloc(256)],
        ['one', () => number(1, 256)],
        ['the modulus', () => Buffer.from(String(rsa.publicJwk.n), 'base64url')],
        ['above the modulus', () => Buffer.alloc(256, 255)],
        ['20,000 bytes', () => Buffer.alloc(20_000, 1)],
      ] as const
    ).map(([what, bytes]) => attack(`RSA: ${what}`, () => rsaToken(bytes()), 'TOKEN_SIGNATURE_INVALID')),
    attack('one flipped bit', async (w) => tokenWith(await w.honest(), {}), 'TOKEN_SIGNATURE_INVALID'),
    attack(
      'the signature of another token',
      async (w) => {
        const [header, body] = partsOf(await w.honest({ email: 'root@example.com' }));
        return `${header}.${body}.${partsOf(await w.honest())[2]}`;
      },
      'TOKEN_SIGNATURE_INVALID',
    ),
  ];

  const BROUGHT_ALONG: readonly Attack[] = [
    ...(['own', 'issuer', 'none'] as const).flatMap((name) => {
      const kid = (): string | undefined =>
        ({ own: unpublished.kid, issuer: rsa.kid, none: undefined })[name];
      const outcome = name === 'own' ? 'KEY_UNKNOWN' : 'TOKEN_SIGNATURE_INVALID';
      const headers: readonly (readonly [string, () => Record<string, unknown>])[] = [
        ['jwk', () => ({ jwk: unpublished.publicJwk })],
        ['jku', () => ({ jku: `${trapUrl}jwks` })],
        ['x5u', () => ({ x5u: `${trapUrl}chain.pem` })],
        ['x5c', () => ({ x5c: ['MIIB'], x5t: 'AAAA', 'x5t#S256': 'AAAA' })],
        ['all of them', () => ({ jwk: unpublished.publicJwk, jku: trapUrl, x5u: trapUrl, x5c: ['MIIB'] })],
      ];
      return headers.map(([what, header]) =>
        attack(`${what} with the key id: ${name}`, () => foreign({ ...header(), kid: kid() }), outcome),
      );
    }),
    attack(
      'jku and jwk beside a right signature',
      () =>
        signedRaw(rsa, { alg: 'RS256', kid: rsa.kid, jku: trapUrl, jwk: unpublished.publicJwk }, payload()),
      'issued',
    ),
  ];

  const EXTENSIONS: readonly Attack[] = [
    ...[['b64'], ['exp'], [], ['alg'], 'b64', null, 0, [[]], ['b64', 'b64']].map((crit) =>
      attack(
        `crit ${JSON.stringify(crit)}`,
        () => signedRaw(rsa, { alg: 'RS256', kid: rsa.kid, crit, b64: false }, payload()),
        'TOKEN_MALFORMED',
      ),
    ),
    attack(
      'b64 without crit, signed over the payload as it is',
      () => {
        const [header, body] = partsOf(rawToken({ alg: 'RS256', kid: rsa.kid, b64: false }, payload()));
        const signature = signatureOf(rsa, `${header}.${JSON.stringify(payload())}`);
        return `${header}.${body}.${signature.toString('base64url')}`;
      },
      'TOKEN_SIGNATURE_INVALID',
    ),
    attack(
      'a compressed payload',
      () => {
        const small = deflateRawSync(JSON.stringify(payload()));
        return signedRaw(rsa, { alg: 'RS256', kid: rsa.kid, zip: 'DEF' }, small);
      },
      'TOKEN_MALFORMED',
    ),
    attack(
      'a token in a token',
      async (w) => signedRaw(rsa, { alg: 'RS256', kid: rsa.kid, cty: 'JWT' }, await w.honest()),
      'TOKEN_MALFORMED',
    ),
    attack(
      'a token whose payload is elsewhere',
      async (w) => (await w.honest()).replace(/\..*\./, '..'),
      'TOKEN_MALFORMED',
    ),
    attack(
      'an encrypted token',
      () => rawToken({ alg: 'dir', enc: 'A256GCM', kid: rsa.kid }, payload()) + '.AAAA.AAAA',
      'TOKEN_MALFORMED',
    ),
    attack(
      'encryption in three parts',
      () => signedRaw(rsa, { alg: 'RS256', kid: rsa.kid, enc: 'A256GCM' }, payload()),
      'TOKEN_MALFORMED',
    ),
    attack(
      'the JSON form of a JWS',
      async (w) => {
        const [header, body, signature] = partsOf(await w.honest());
        return JSON.stringify({ payload: body, signatures: [{ protected: header, signature }] });
      },
      'TOKEN_MALFORMED',
    ),
  ];

  describe('refuses another algorithm', () => {
    itRefuses(() => world, ALGORITHMS);
  });
  describe('takes nothing public for a secret', () => {
    const rows = SECRETS.flatMap(([what, secret]) =>
      ['HS256', 'HS512'].map((alg) => attack(`${alg} with ${what}`, hmac(alg, secret), 'ALGORITHM_REFUSED')),
    );
    itRefuses(() => world, rows);
  });
  describe('keeps keys and algorithms together', () => {
    itRefuses(() => world, SWAPPED);
  });
  describe('refuses numbers that are no signature', () => {
    itRefuses(() => world, NUMBERS);
  });
  describe('believes no key that a token brings along', () => {
    itRefuses(() => world, BROUGHT_ALONG);
  });
  describe('knows no extension of the format', () => {
    itRefuses(() => world, EXTENSIONS);
  });

  describe('costs little', () => {
    it('asks nobody but the issuer for all that, and the issuer no more than once in an interval', () => {
      expect(trapped).to.equal(0);
      expect(world.issuer.requests.discovery).to.equal(1);
      // The first fetch, and a look for unknown keys every ten seconds.
      expect(world.issuer.requests.jwks).to.be.lessThan(7);
    });
  });
});
