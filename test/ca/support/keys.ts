import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { ClientKeyType, ProofHash } from '../../../ca/signing-algorithms.ts';

export interface TestKey {
  readonly type: ClientKeyType;
  readonly hash: ProofHash;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const GENERATORS: Readonly<
  Record<ClientKeyType, readonly [ProofHash, () => { privateKey: KeyObject; publicKey: KeyObject }]>
> = {
  'P-256': ['sha256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  'P-384': ['sha384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
  'P-521': ['sha512', () => generateKeyPairSync('ec', { namedCurve: 'P-521' })],
  'RSA-2048': ['sha256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
  'RSA-3072': ['sha256', () => generateKeyPairSync('rsa', { modulusLength: 3072 })],
  'RSA-4096': ['sha256', () => generateKeyPairSync('rsa', { modulusLength: 4096 })],
  Ed25519: [undefined, () => generateKeyPairSync('ed25519')],
};

export const KEY_TYPES = Object.keys(GENERATORS) as ClientKeyType[];

const made = new Map<ClientKeyType, TestKey>();

/** A key of that type; the same one for each caller, because RSA keys are slow to make. */
export function testKey(type: ClientKeyType): TestKey {
  const known = made.get(type) ?? freshKey(type);
  made.set(type, known);
  return known;
}

export function freshKey(type: ClientKeyType): TestKey {
  const [hash, generate] = GENERATORS[type];
  return { type, hash, ...generate() };
}

/** What a client sends as proof: DER for ECDSA, PKCS#1 v1.5 for RSA. */
export const proofOf = (key: TestKey, text: string): Uint8Array =>
  new Uint8Array(sign(key.hash ?? null, Buffer.from(text), key.privateKey));
