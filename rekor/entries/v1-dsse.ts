/** `dsse` 0.0.1: the signatures of an envelope, which itself is not logged. */
import { createHash } from 'node:crypto';
import { toBase64, utf8 } from '../../core/bytes.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { entryKeysOf } from './v1-verifier.ts';
import { readNamedDigests } from './named-digests.ts';
import { requireFew, verifySentEnvelope } from './signed-envelope.ts';
import type { SignatureChecks } from './signature-checks.ts';
import { parseEnvelopeText } from './v1-envelope-text.ts';
import {
  base64,
  invalidParts,
  listAt,
  membersOf,
  objectAt,
  refusal,
  sha256At,
  sha256Json,
  textAt,
  type Members,
} from './v1-members.ts';
import type { ReadEntry } from './v1-read-entry.ts';
import { canonicalPem } from './v1-verifier.ts';

const EITHER = 'either proposedContent or envelopeHash, payloadHash, and signatures must be present';

/** Reads `spec`: what is proposed, with the signatures that `checks` verify, or what a log has of it. Throws {@link EntryError}. */
export function readDsse1(spec: Members, checks: SignatureChecks): ReadEntry {
  const proposed = objectAt(spec, 'proposedContent');
  const envelopeHash = sha256At(spec, 'envelopeHash', 'envelopeHash.envelopeHash');
  const payloadHash = sha256At(spec, 'payloadHash', 'payloadHash.payloadHash');
  const list = listAt(spec, 'signatures');
  if (list?.length === 0) throw invalidParts(['signatures in body should have at least 1 items']);
  const logged = list ?? [];
  requireFew(logged, 'signatures');
  if (proposed !== undefined) {
    if (envelopeHash !== undefined || payloadHash !== undefined || logged.length > 0)
      throw refusal('ENTRY_MALFORMED', `${EITHER} but not both`);
    return readProposed(proposed, checks);
  }
  if (envelopeHash === undefined || payloadHash === undefined || logged.length === 0)
    throw refusal('ENTRY_MALFORMED', EITHER);
  const signatures = logged.map((one) => signatureJson(membersOf(one)));
  return {
    body: bodyOf(envelopeHash, payloadHash, signatures),
    verifiers: [],
    namedDigests: [],
    missing: 'missing proposed content',
  };
}

function readProposed(proposed: Members, checks: SignatureChecks): ReadEntry {
  const text = textAt(proposed, 'envelope');
  const list = listAt(proposed, 'verifiers');
  const pems = (list ?? [])
    .filter((one) => typeof one === 'string' && one !== '')
    .map((one) => base64(one as string, 'verifier'));
  if (text === undefined || list === undefined || pems.length === 0) throw missingParts(text, list);
  requireFew(pems, 'keys');
  const envelope = parseEnvelopeText(text);
  if (envelope.signatures.length === 0)
    throw refusal('ENTRY_MALFORMED', 'DSSE envelope must contain 1 or more signatures');
  const { payload, signers } = verifySentEnvelope(envelope, entryKeysOf(pems), false, checks);
  const signatures = [...signers].map(([signature, key]) => ({
    signature: standard(signature),
    verifier: toBase64(utf8(canonicalPem(key))),
  }));
  return {
    body: bodyOf(sha256Hex(text), sha256Hex(payload), signatures),
    verifiers: [...signers].sort(bySignature).map(([, { verifier }]) => verifier),
    namedDigests: checks.areRequired ? readNamedDigests(envelope.payloadType, payload) : [],
    missing: undefined,
  };
}

function missingParts(text: string | undefined, list: readonly JsonValue[] | undefined): Error {
  const at = 'proposedContent.proposedContent';
  if (text === undefined) return invalidParts([`${at}.envelope in body is required`]);
  const fault = list === undefined ? 'is required' : 'should have at least 1 items';
  return invalidParts([`${at}.verifiers in body ${fault}`]);
}

const sha256Hex = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

interface SignatureJson {
  readonly signature: string;
  readonly verifier: string;
}

/** The order of their texts is the order in which Rekor logs them. */
const bySignature = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number =>
  one < other ? -1 : 1;

const bodyOf = (
  envelopeHash: string,
  payloadHash: string,
  signatures: readonly SignatureJson[],
): JsonValue => ({
  apiVersion: '0.0.1',
  kind: 'dsse',
  spec: {
    envelopeHash: sha256Json(envelopeHash),
    payloadHash: sha256Json(payloadHash),
    signatures: signatures
      .map(({ signature, verifier }) => [signature, { signature, verifier }] as const)
      .sort(bySignature)
      .map(([, json]) => json),
  },
});

/** Of an entry that is logged: its verifier stays as it is. */
const signatureJson = (signature: Members | undefined): SignatureJson => ({
  signature: standard(textAt(signature, 'signature') ?? ''),
  verifier: standard(textAt(signature, 'verifier') ?? '', 'signature verifier'),
});

/** Bodies with other spellings of base64 violate the schema of the kind, so that clients refuse them. */
function standard(text: string, what = 'signature'): string {
  const bytes = base64(text, what);
  if (text !== '' && toBase64(bytes) === text) return text;
  throw refusal('ENTRY_MALFORMED', 'a signature of the envelope is not in canonical standard base64', {
    hint: 'Send it padded, on one line, and not URL-safe.',
  });
}
