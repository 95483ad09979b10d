/** `intoto` 0.0.1: the signature of an envelope, by one key, which itself is not logged. */
import { createHash } from 'node:crypto';
import { toBase64, utf8 } from '../../core/bytes.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { EntryError } from './entry-error.ts';
import type { EntryKey } from './entry-key.ts';
import { readNamedDigests } from './named-digests.ts';
import { requireStandard, verifySentEnvelope } from './signed-envelope.ts';
import type { SignatureChecks } from './signature-checks.ts';
import { parseEnvelopeText } from './v1-envelope-text.ts';
import {
  bytesAt,
  invalidParts,
  objectAt,
  refusal,
  sha256At,
  sha256Json,
  textAt,
  type Members,
} from './v1-members.ts';
import type { ReadEntry } from './v1-read-entry.ts';
import { canonicalPem, readV1Verifier } from './v1-verifier.ts';

const sha256Hex = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** How Rekor calls the content. */
const CONTENT = 'content.content';

/** Reads `spec`, where the envelope is a text. Throws {@link EntryError}. */
export function readIntoto1(spec: Members, checks: SignatureChecks): ReadEntry {
  const content = objectAt(spec, 'content');
  const pem = bytesAt(spec, 'publicKey', 'public key');
  const logged = {
    hash: sha256At(content, 'hash', `${CONTENT}.hash.content.hash`),
    payloadHash: sha256At(content, 'payloadHash', `${CONTENT}.payloadHash.content.payloadHash`),
  };
  const faults = content === undefined ? ['content in body is required'] : [];
  if (pem === undefined) faults.push('publicKey in body is required');
  if (pem === undefined || faults.length > 0) throw invalidParts(faults);
  const key = readV1Verifier(pem);
  const text = textAt(content, 'envelope') ?? '';
  const publicKey = toBase64(utf8(canonicalPem(key)));
  if (text === '') {
    const { hash, payloadHash } = logged;
    if (hash === undefined) throw refusal('ENTRY_MALFORMED', 'missing hash value for envelope');
    const body = intoto1Body(hash, payloadHash, publicKey);
    return { body, verifiers: [], namedDigests: [], missing: 'missing envelope content' };
  }
  const envelope = parseEnvelopeText(text);
  if (envelope.signatures.length !== 1)
    throw refusal('ENTRY_UNSUPPORTED', 'the envelope does not have exactly one signature', {
      hint: 'An entry of this version has one key: log the envelope as dsse 0.0.1.',
      stock: envelope.signatures.length === 0 ? 'no signature found' : undefined,
    });
  const { payload } = verifyOne(envelope, key, checks);
  requireStandard(envelope.payload);
  return {
    body: intoto1Body(sha256Hex(text), sha256Hex(payload), publicKey),
    verifiers: [key.verifier],
    namedDigests: checks.areRequired ? readNamedDigests(envelope.payloadType, payload) : [],
    missing: undefined,
  };
}

/** Rekor leaves out the beginning of its sentences here. */
function verifyOne(
  envelope: Parameters<typeof verifySentEnvelope>[0],
  key: EntryKey,
  checks: SignatureChecks,
): ReturnType<typeof verifySentEnvelope> {
  try {
    return verifySentEnvelope(envelope, [() => key], true, checks);
  } catch (error) {
    if (!(error instanceof EntryError) || error.code === 'ENTRY_NOT_ADMITTED') throw error;
    const { code, message, hint, cause, stock } = error;
    throw refusal(code, message, {
      ...(hint === undefined ? {} : { hint }),
      cause,
      stock: stock?.message.replace('could not verify envelope: ', ''),
    });
  }
}

const intoto1Body = (hash: string, payloadHash: string | undefined, publicKey: string): JsonValue => ({
  apiVersion: '0.0.1',
  kind: 'intoto',
  spec: {
    content: {
      hash: sha256Json(hash),
      ...(payloadHash === undefined ? {} : { payloadHash: sha256Json(payloadHash) }),
    },
    publicKey,
  },
});
