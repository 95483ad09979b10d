/** Messages of gRPC as they are sent: five bytes of head, and the message. */
import { TransportError } from '../http/transport-error.ts';

const HEAD = 5;

const malformed = (sentence: string, hint?: string): TransportError =>
  new TransportError('BODY_MALFORMED', sentence, { hint });

/** A message as it is sent, not compressed. */
export function messageFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEAD);
  return frame;
}

/** The one message of a body. Throws TransportError: nothing is decompressed, so that no message is longer than it was sent. */
export function onlyMessage(body: Buffer): Buffer {
  const first = firstMessage(body);
  if (first === undefined) throw malformed('the request has no whole message');
  if (first.rest.length > 0) throw malformed('the request has more than one message');
  return first.message;
}

/** The first message of what came, and what follows it; undefined while it is not complete. Throws TransportError. */
export function firstMessage(
  bytes: Buffer,
  longest = Number.MAX_SAFE_INTEGER,
): { readonly message: Buffer; readonly rest: Buffer } | undefined {
  if (bytes.length < HEAD) return undefined;
  if (bytes[0] !== 0)
    throw malformed('the message is compressed', 'Send it as it is, with no grpc-encoding.');
  const end = HEAD + bytes.readUInt32BE(1);
  if (end - HEAD > longest) throw malformed(`the message is longer than ${longest} bytes`);
  if (bytes.length < end) return undefined;
  return { message: bytes.subarray(HEAD, end), rest: bytes.subarray(end) };
}
