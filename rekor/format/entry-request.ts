/** Requests to log a signature, as stock clients send them. */
import { toBase64 } from '../../core/bytes.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import type { EntryDigest } from './entry-digest.ts';
import type { LoggedSignature } from './logged-signature.ts';
import { hashedrekord1, pemBase64 } from './rekor-v1-body.ts';
import { loggedDigest, verifierJson } from './rekor-v2-body.ts';

/** A request to log a signature. */
export interface EntryRequest {
  /** Of the entry that comes of it. */
  readonly kind: string;
  readonly version: string;
  /** What is sent: JSON text. */
  readonly text: string;
}

/** The request to a log that speaks that API of Rekor: for v1 a `hashedrekord` or a `dsse`, for v2 a `hashedrekord` always, of an envelope over its pre-authentication encoding.
 * Throws FormatError for a signature of which such a log has no entries. */
export async function entryRequest(
  api: 1 | 2,
  logged: LoggedSignature,
  digest: EntryDigest,
): Promise<EntryRequest> {
  if (api === 2)
    return {
      kind: 'hashedrekord',
      version: '0.0.2',
      text: JSON.stringify(await secondRequest(logged, digest)),
    };
  const { signed } = logged;
  const [kind, json] =
    signed.type === 'message'
      ? // Its body is what is sent.
        ['hashedrekord', hashedrekord1(logged)]
      : ['dsse', dsseRequest(logged, signed)];
  return { kind, version: '0.0.1', text: JSON.stringify(json) };
}

type SignedEnvelope = Extract<LoggedSignature['signed'], { readonly type: 'envelope' }>;

const dsseRequest = (
  { verifier, signature }: LoggedSignature,
  { payload, payloadType, keyId }: SignedEnvelope,
): JsonValue => ({
  apiVersion: '0.0.1',
  kind: 'dsse',
  spec: {
    proposedContent: {
      envelope: JSON.stringify({
        payload: toBase64(payload),
        payloadType,
        signatures: [{ sig: toBase64(signature), ...(keyId === '' ? {} : { keyid: keyId }) }],
      }),
      verifiers: [pemBase64(verifier)],
    },
  },
});

async function secondRequest(logged: LoggedSignature, digest: EntryDigest): Promise<JsonValue> {
  const { details, value } = await loggedDigest(logged, digest);
  const { keyDetails, ...verifier } = verifierJson(logged.verifier, details.keyDetails);
  return {
    hashedRekordRequestV002: {
      digest: toBase64(value),
      // Servers take the members in any order; this is that of Protobuf.
      signature: { content: toBase64(logged.signature), verifier: { ...verifier, keyDetails } },
    },
  };
}
