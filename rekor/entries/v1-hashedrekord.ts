/** `hashedrekord` 0.0.1: the signature over the digest of an artifact. */
import { fromHex } from '../../core/bytes.ts';
import type { PublicKeyInfo } from '../../core/public-key.ts';
import { hashedrekord1 } from '../format/rekor-v1-body.ts';
import { keyDetailsOf } from '../format/rekor-v2-body.ts';
import { verifyDigest } from './digest-signature.ts';
import type { SignatureChecks } from './signature-checks.ts';
import { bytesAt, invalidParts, objectAt, refusal, textAt, type Members } from './v1-members.ts';
import type { ReadEntry } from './v1-read-entry.ts';
import { readV1Verifier } from './v1-verifier.ts';

type Hash = 'sha256' | 'sha384' | 'sha512';

/** Digits of each. */
const HASHES: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

/** Reads `spec`, and verifies the signature where that is required. Throws {@link EntryError}. */
export async function readHashedrekord1(spec: Members, checks: SignatureChecks): Promise<ReadEntry> {
  const signature = objectAt(spec, 'signature');
  const content = bytesAt(signature, 'content', 'signature content');
  const publicKey = objectAt(signature, 'publicKey');
  const pem = bytesAt(publicKey, 'content', 'public key content');
  const hash = objectAt(objectAt(spec, 'data'), 'hash');
  requireParts(spec, hash);
  if (publicKey === undefined) throw refusal('ENTRY_MALFORMED', 'missing public key');
  const key = readV1Verifier(pem ?? new Uint8Array(0));
  const [algorithm, digest] = readDigest(hash);
  const scheme = { keyType: key.info.type, hash: algorithm };
  if (content === undefined) throw badSignature(key.info.type, true);
  checks.admit(key.verifier);
  if (checks.areRequired && !(await verifyDigest(scheme, key.verifier.spki, digest, content)))
    throw badSignature(key.info.type, false);
  // Rekor looks at the pair of key and hash last.
  if (keyDetailsOf(key.info).hash !== algorithm)
    throw refusal('ENTRY_UNSUPPORTED', 'the hash is not the one that such a key signs with', {
      hint: 'P-256 and RSA sign with SHA-256, P-384 with SHA-384, P-521 and Ed25519 (as Ed25519ph) with SHA-512.',
      stock: 'entry algorithms are not allowed',
    });
  const body = hashedrekord1({
    verifier: key.verifier,
    signature: content,
    signed: { type: 'message', hash: algorithm, digest },
  });
  return { body, verifiers: [key.verifier], namedDigests: [], missing: undefined };
}

function requireParts(spec: Members, hash: Members | undefined): void {
  const signature = objectAt(spec, 'signature') === undefined ? 'signature in body is required' : undefined;
  const faults = [faultOfHash(hash), signature].filter((fault) => fault !== undefined);
  if (faults.length > 0) throw invalidParts(faults);
}

function faultOfHash(hash: Members | undefined): string | undefined {
  const at = 'data.data.hash.data.hash';
  if (hash === undefined) return 'data in body is required';
  const algorithm = textAt(hash, 'algorithm');
  if (algorithm === undefined) return `${at}.algorithm in body is required`;
  if (!HASHES.has(algorithm)) return `${at}.algorithm in body should be one of [sha256 sha384 sha512]`;
  return textAt(hash, 'value') === undefined ? `${at}.value in body is required` : undefined;
}

/** In lower case, whatever was sent: two spellings of one digest would be two entries. */
function readDigest(hash: Members | undefined): [Hash, Uint8Array] {
  const algorithm = textAt(hash, 'algorithm') ?? '';
  const value = textAt(hash, 'value') ?? '';
  if (value.length !== HASHES.get(algorithm))
    throw refusal('ENTRY_MALFORMED', 'the hash does not have the length of its algorithm', {
      stock: 'invalid value for hash',
    });
  const bad = /[^0-9a-fA-F]/.exec(value)?.[0];
  if (bad === undefined) return [algorithm as Hash, fromHex(value)];
  const code = (bad.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  throw refusal('ENTRY_MALFORMED', 'the hash is not hexadecimal', {
    stock: `encoding/hex: invalid byte: U+${code} '${bad}'`,
  });
}

const STOCK_SENTENCES: Readonly<Record<PublicKeyInfo['type'], string>> = {
  ec: 'invalid signature when validating ASN.1 encoded signature',
  rsa: 'crypto/rsa: verification error',
  ed25519: 'failed to verify signature: ed25519: invalid signature',
};

const badSignature = (type: PublicKeyInfo['type'], isEmpty: boolean): Error =>
  refusal('ENTRY_SIGNATURE_INVALID', 'the signature is not one by the key over the digest', {
    hint: 'ECDSA in DER, RSA PKCS#1 v1.5, or Ed25519ph with an empty context.',
    stock: `verifying signature: ${isEmpty ? 'X509 signature has not been initialized' : STOCK_SENTENCES[type]}`,
  });
