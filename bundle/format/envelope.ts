/** DSSE envelopes (Dead Simple Signing Envelope): a typed payload and the signature over both. */
import { concat, utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import type { MessageReader } from '../../trust/format/message-reader.ts';

/** The payload type of in-toto statements. */
export const IN_TOTO_PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** An envelope with its only signature. Nothing in it is verified. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** A hint at the key. Nothing signs it. */
  readonly keyId: string;
}

/** Reads the message `io.intoto.Envelope`; throws {@link FormatError}, for another number of signatures than one too: it would not be said which
 * of them the rest of the bundle is about. */
export function readEnvelope(reader: MessageReader): Envelope {
  const payloadType = reader.text('payloadType');
  const payload = reader.bytes('payload');
  const [first, ...more] = reader.messages('signatures', (inner) => ({
    signature: inner.bytes('sig'),
    keyId: inner.optionalText('keyid') ?? '',
  }));
  if (first === undefined || more.length > 0)
    throw new FormatError('MALFORMED', 'the envelope in the bundle does not have exactly one signature');
  if (first.signature.length === 0)
    throw new FormatError('MALFORMED', 'the signature of the envelope in the bundle is empty');
  return { payloadType, payload, ...first };
}

/** What the signature of an envelope is over (DSSE's pre-authentication encoding). */
export function preAuthenticationEncoding({
  payloadType,
  payload,
}: Pick<Envelope, 'payloadType' | 'payload'>): Uint8Array {
  const type = utf8(payloadType);
  return concat([utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload]);
}
