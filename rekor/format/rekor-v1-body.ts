/** The bodies of entries of Rekor v1. Members stand in the order of RFC 8785. */
import { equalBytes, fromBase64, toBase64, toHex, utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { encodePem } from '../../core/pem.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import type { EntryDigest } from './entry-digest.ts';
import type { FoundBody } from './found-body.ts';
import type { LoggedSignature } from './logged-signature.ts';

type Verifier = LoggedSignature['verifier'];

const pemOf = ({ certificate, spki }: Verifier): string =>
  certificate === undefined ? encodePem('PUBLIC KEY', spki) : encodePem('CERTIFICATE', certificate);

/** A key or certificate as Rekor v1 keeps both: as PEM, and that in base64. */
export const pemBase64 = (verifier: Verifier): string => toBase64(utf8(pemOf(verifier)));

const unfit = (): FormatError =>
  new FormatError('MALFORMED', 'the log entry is of a kind for something else than the bundle holds');

/** Of a `hashedrekord` 0.0.1. Throws {@link FormatError} for an envelope. */
export function hashedrekord1({ verifier, signature, signed }: LoggedSignature): JsonValue {
  if (signed.type !== 'message') throw unfit();
  return {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: signed.hash, value: toHex(signed.digest) } },
      signature: { content: toBase64(signature), publicKey: { content: pemBase64(verifier) } },
    },
  };
}

/** Of a `dsse` 0.0.1. Throws {@link FormatError} for what is no envelope, and where the body found has no hash of the text of one. */
export async function dsse1(
  { verifier, signature, signed }: LoggedSignature,
  digest: EntryDigest,
  found: FoundBody,
): Promise<JsonValue> {
  if (signed.type !== 'envelope') throw unfit();
  return {
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      // Of the JSON text that the client sent, whose white space nobody keeps.
      envelopeHash: sha256Json(found.sha256('spec', 'envelopeHash', 'value')),
      payloadHash: sha256Json(toHex(await digest('sha256', signed.payload))),
      signatures: [{ signature: toBase64(signature), verifier: pemBase64(verifier) }],
    },
  };
}

/** Of an `intoto` 0.0.2. Throws {@link FormatError} as {@link dsse1} does, and for another payload in it. */
export async function intoto2(
  { verifier, signature, signed }: LoggedSignature,
  digest: EntryDigest,
  found: FoundBody,
): Promise<JsonValue> {
  if (signed.type !== 'envelope') throw unfit();
  const { keyId, payload, payloadType } = signed;
  const envelope = ['spec', 'content', 'envelope'] as const;
  // Rekor leaves the payload out; a log that does not has it as it has signatures.
  const sent = found.text(...envelope, 'payload');
  return {
    apiVersion: '0.0.2',
    kind: 'intoto',
    spec: {
      content: {
        envelope: {
          ...(sent === undefined ? {} : { payload: payloadAsSent(payload, sent) }),
          payloadType,
          signatures: [
            {
              ...(keyId === '' ? {} : { keyid: keyId }),
              publicKey: pemAsSent(verifier, found.text(...envelope, 'signatures', '0', 'publicKey')),
              sig: twice(signature),
            },
          ],
        },
        hash: sha256Json(found.sha256('spec', 'content', 'hash', 'value')),
        payloadHash: sha256Json(toHex(await digest('sha256', payload))),
      },
    },
  };
}

/** This kind keeps the PEM as the client sent it, and clients break its lines where they like. */
function pemAsSent(verifier: Verifier, sent: string | undefined): string {
  const canonical = pemBase64(verifier);
  if (sent === undefined || sent === canonical) return canonical;
  const bare = (text: string): string => text.replaceAll(/\s/g, '');
  return bare(utf8Text(fromBase64(sent))) === bare(pemOf(verifier)) ? sent : canonical;
}

/** The payload as it stands there, compared by decoding it: to encode a long one takes ten times as long. The text of another length, which is nearly every other, is not even
 * decoded. Base64 is canonical here, so that no two texts are the same payload. */
function payloadAsSent(payload: Uint8Array, sent: string): string {
  if (sent.length === lengthInBase64(lengthInBase64(payload.length)) && isTwice(payload, sent)) return sent;
  const sentence =
    'the log entry is about another artifact than the bundle: spec.content.envelope.payload differs';
  throw new FormatError('MALFORMED', sentence);
}

const lengthInBase64 = (length: number): number => 4 * Math.ceil(length / 3);

function isTwice(bytes: Uint8Array, text: string): boolean {
  try {
    return equalBytes(fromBase64(utf8Text(fromBase64(text))), bytes);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** Rekor takes the base64 text of an envelope for the bytes. */
const twice = (bytes: Uint8Array): string => toBase64(utf8(toBase64(bytes)));

const sha256Json = (value: string): JsonValue => ({ algorithm: 'sha256', value });
