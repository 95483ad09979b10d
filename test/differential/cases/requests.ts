/** What stands beside a good token: keys, proofs and certificate requests, good and bad. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { csrOf } from '../../ca/support/csr.ts';
import { freshKey, KEY_TYPES, proofOf, testKey, type TestKey } from '../../ca/support/keys.ts';
import type { SigningCall } from '../both-services.ts';
import type { DifferentialCase } from '../differential-case.ts';

/** A request for the address of {@link ADDRESS}; everything but the credentials. */
export interface RequestCase extends Pick<DifferentialCase, 'differs'> {
  readonly title: string;
  readonly body: () => Readonly<Record<string, unknown>>;
}

/** Whom the token speaks for. */
export const ADDRESS = 'sue@example.com';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const spki = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' }).toString();

const keyRequest = (
  content: unknown,
  proofOfPossession: unknown,
  algorithm = 'ECDSA',
): Record<string, unknown> => ({
  publicKeyRequest: { publicKey: { algorithm, content }, proofOfPossession },
});
const proven = (key: TestKey, text = ADDRESS): Record<string, unknown> =>
  keyRequest(spki(key.publicKey), base64(proofOf(key, text)));
const request = (csr: Uint8Array): Record<string, unknown> => ({ certificateSigningRequest: base64(csr) });

const p256 = (): TestKey => testKey('P-256');
const odd = (pair: { publicKey: KeyObject; privateKey: KeyObject }, hash: string | null = 'sha256') =>
  keyRequest(spki(pair.publicKey), base64(sign(hash, Buffer.from(ADDRESS), pair.privateKey)));

const keyCases: readonly RequestCase[] = [
  ...KEY_TYPES.map((type) => ({ title: `a key ${type}`, body: () => proven(testKey(type)) })),
  ...(['P-384', 'P-521'] as const).map((type) => ({
    title: `a key ${type} whose proof is made with SHA-256`,
    body: () => odd(testKey(type)),
  })),
  {
    title: 'a key whose proof is two numbers in a row',
    body: () => {
      const { privateKey, publicKey } = p256();
      const proof = sign('sha256', Buffer.from(ADDRESS), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return keyRequest(spki(publicKey), base64(proof));
    },
  },
  {
    title: 'an RSA key whose proof is PSS',
    body: () => {
      const { privateKey, publicKey } = testKey('RSA-2048');
      return keyRequest(
        spki(publicKey),
        base64(sign('sha256', Buffer.from(ADDRESS), { key: privateKey, padding: 6 })),
      );
    },
  },
  { title: 'a proof over another text', body: () => proven(p256(), 'eve@example.com') },
  { title: 'a proof over the subject', body: () => proven(p256(), 'subject') },
  {
    title: 'a proof by another key',
    body: () => keyRequest(spki(p256().publicKey), base64(proofOf(freshKey('P-256'), ADDRESS))),
  },
  { title: 'an empty proof', body: () => keyRequest(spki(p256().publicKey), '') },
  { title: 'a proof that is no signature', body: () => keyRequest(spki(p256().publicKey), 'AAAA') },
  { title: 'no proof', body: () => keyRequest(spki(p256().publicKey), undefined) },
  { title: 'no key', body: () => keyRequest(undefined, 'AAAA') },
  { title: 'an empty key', body: () => keyRequest('', 'AAAA') },
  { title: 'a text as key', body: () => keyRequest('key', 'AAAA') },
  { title: 'nothing but a token', body: () => ({}) },
  { title: 'an empty key request', body: () => ({ publicKeyRequest: {} }) },
  {
    title: 'another algorithm named',
    body: () => ({ ...keyRequest(spki(p256().publicKey), base64(proofOf(p256(), ADDRESS)), 'ED25519') }),
  },
  {
    title: 'a private key',
    body: () =>
      keyRequest(
        p256().privateKey.export({ format: 'pem', type: 'pkcs8' }),
        base64(proofOf(p256(), ADDRESS)),
      ),
  },
  {
    title: 'a key of PKCS#1',
    body: () => {
      const key = testKey('RSA-2048');
      return keyRequest(
        key.publicKey.export({ format: 'pem', type: 'pkcs1' }),
        base64(proofOf(key, ADDRESS)),
      );
    },
  },
  {
    title: 'a key with text around it',
    body: () => keyRequest(`x\n${spki(p256().publicKey)}y\n`, base64(proofOf(p256(), ADDRESS))),
  },
  { title: 'an RSA key of 1024 bits', body: () => odd(generateKeyPairSync('rsa', { modulusLength: 1024 })) },
  { title: 'an RSA key of 2056 bits', body: () => odd(generateKeyPairSync('rsa', { modulusLength: 2056 })) },
  {
    title: 'an RSA key with the exponent 3',
    body: () => odd(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })),
  },
  { title: 'a key on P-224', body: () => odd(generateKeyPairSync('ec', { namedCurve: 'P-224' })) },
];

const csrCases: readonly RequestCase[] = [
  ...KEY_TYPES.map((type) => ({
    title: `a request by a key ${type}`,
    body: () => request(csrOf(testKey(type))),
  })),
  {
    title: 'a request by P-384 with SHA-256',
    body: () => request(csrOf(testKey('P-384'), { hash: 'sha256' })),
  },
  { title: 'a request by P-256 with SHA-512', body: () => request(csrOf(p256(), { hash: 'sha512' })) },
  {
    title: 'a request by RSA with SHA-384',
    body: () => request(csrOf(testKey('RSA-2048'), { hash: 'sha384' })),
  },
  {
    title: 'a request under its old label',
    body: () => request(csrOf(p256(), { label: 'NEW CERTIFICATE REQUEST' })),
  },
  { title: 'a request under a label of its own', body: () => request(csrOf(p256(), { label: 'REQUEST' })) },
  {
    title: 'a request that was changed',
    body: () => request(csrOf(p256(), { edit: (der) => der.with(der.length - 1, (der.at(-1) ?? 0) ^ 1) })),
  },
  {
    title: 'a request that is none',
    body: () => ({ certificateSigningRequest: base64(Buffer.from('invalid')) }),
  },
  {
    title: 'a request that is cut off',
    body: () => request(csrOf(p256(), { edit: (der) => der.subarray(0, -5) })),
  },
];

const UNREADABLE_KEY = { status: 400, message: 'The public key supplied in the request could not be parsed' };
const INSECURE_KEY = { status: 400, message: 'The public key supplied in the request is insecure' };
const UNREADABLE_CSR = { status: 400, message: 'The certificate signing request could not be parsed' };

const differingCases: readonly RequestCase[] = [
  {
    title: 'a key on secp256k1',
    body: () => odd(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
    differs: ['kinds', { fulcio: UNREADABLE_KEY, mayfly: INSECURE_KEY }],
  },
  {
    title: 'a key Ed448',
    body: () => odd(generateKeyPairSync('ed448'), null),
    differs: ['kinds', { fulcio: UNREADABLE_KEY, mayfly: INSECURE_KEY }],
  },
  {
    title: 'an empty request',
    body: () => ({ certificateSigningRequest: '' }),
    differs: ['emptyRequest', { fulcio: UNREADABLE_KEY, mayfly: UNREADABLE_CSR }],
  },
  {
    title: 'a request of another version',
    body: () => request(csrOf(p256(), { version: 1 })),
    differs: ['requestVersion', { fulcio: { status: 200 }, mayfly: UNREADABLE_CSR }],
  },
];

export const requestCases: readonly RequestCase[] = [...keyCases, ...csrCases, ...differingCases];

/** A call as older clients make it, and as others do that send the token in a header. */
export interface HeaderCase {
  readonly title: string;
  readonly request: (token: string) => SigningCall;
}

const bearer = (authorization: string): Readonly<Record<string, string>> => ({ authorization });
const oldBody = (text = ADDRESS): Record<string, unknown> => ({
  publicKey: { algorithm: 'ecdsa', content: base64(Buffer.from(spki(p256().publicKey))) },
  signedEmailAddress: base64(proofOf(p256(), text)),
});
const old = (headers: Readonly<Record<string, string>> | undefined, body: unknown): SigningCall => ({
  path: 'v1',
  headers,
  body,
});

export const headerCases: readonly HeaderCase[] = [
  { title: 'v1', request: (token) => old(bearer(`Bearer ${token}`), oldBody()) },
  { title: 'v1 without Bearer', request: (token) => old(bearer(token), oldBody()) },
  { title: 'v1 with bearer in small letters', request: (token) => old(bearer(`bearer ${token}`), oldBody()) },
  { title: 'v1 with Basic', request: (token) => old(bearer(`Basic ${token}`), oldBody()) },
  { title: 'v1 without a token', request: () => old(undefined, oldBody()) },
  { title: 'v1 with a bad token', request: () => old(bearer('Bearer x.y.z'), oldBody()) },
  {
    title: 'v1 with another proof',
    request: (token) => old(bearer(`Bearer ${token}`), oldBody('eve@example.com')),
  },
  { title: 'v1 without a key', request: (token) => old(bearer(`Bearer ${token}`), {}) },
  {
    title: 'v1 with a request',
    request: (token) => old(bearer(`Bearer ${token}`), { certificateSigningRequest: base64(csrOf(p256())) }),
  },
  {
    title: 'v2 in a header',
    request: (token) => ({ path: 'v2', headers: bearer(`Bearer ${token}`), body: proven(p256()) }),
  },
  {
    title: 'v2 in a header, beside an empty one',
    request: (token) => ({
      path: 'v2',
      headers: bearer(`Bearer ${token}`),
      body: { credentials: { oidcIdentityToken: '' }, ...proven(p256()) },
    }),
  },
  {
    title: 'v2 in the body, with another in a header',
    request: (token) => ({
      path: 'v2',
      headers: bearer('Bearer x.y.z'),
      body: { credentials: { oidcIdentityToken: token }, ...proven(p256()) },
    }),
  },
  { title: 'v2 without a token', request: () => ({ path: 'v2', body: proven(p256()) }) },
];
