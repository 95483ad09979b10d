/** Envelopes that are sent as a text of JSON inside the JSON of the request. */
import { FormatError } from '../../core/errors.ts';
import { firstJsonValueOf } from '../../core/go/json-syntax.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { requireFew, type SentEnvelope } from './signed-envelope.ts';
import { membersOf, refusal, requireOneCase, textAt, type Members } from './v1-members.ts';

/** The whole request is no longer. */
const LIMITS = { length: 64 * 1024 * 1024, depth: 8, parts: 1000 };

/** The envelope. Throws {@link EntryError} for a text that is none, and for one that a reader could see two envelopes in. */
export function parseEnvelopeText(text: string): SentEnvelope {
  const value = parse(text) ?? {};
  requireOneCase(value);
  const envelope = membersOf(value) ?? wrongType(value, 'value of type dsse.Envelope');
  const payloadType = textOf(envelope, 'payloadType', 'Envelope.payloadType');
  const payload = textOf(envelope, 'payload', 'Envelope.payload');
  const list = envelope['signatures'] ?? [];
  if (!Array.isArray(list))
    return wrongType(list, 'struct field Envelope.signatures of type []dsse.Signature');
  requireFew(list, 'signatures');
  return { payloadType, payload, signatures: (list as readonly JsonValue[]).map(signatureOf) };
}

function signatureOf(value: JsonValue): string {
  const signature =
    membersOf(value ?? {}) ?? wrongType(value, 'struct field Envelope.signatures of type dsse.Signature');
  textOf(signature, 'keyid', 'Signature.signatures.keyid');
  return textOf(signature, 'sig', 'Signature.signatures.sig');
}

function textOf(object: Members, name: string, goName: string): string {
  const value = object[name] ?? '';
  if (typeof value !== 'string') return wrongType(value, `struct field ${goName} of type string`);
  return textAt(object, name) ?? '';
}

function wrongType(value: JsonValue, where: string): never {
  const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  throw refusal('ENTRY_MALFORMED', 'a part of the envelope is of another type than envelopes have', {
    stock: `json: cannot unmarshal ${found} into Go ${where}`,
  });
}

function parse(text: string): JsonValue {
  try {
    return parseStrictJson(text, LIMITS);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw refusal('ENTRY_MALFORMED', `the envelope could not be read: ${cause.message}`, {
      cause,
      // What has very many parts is not looked at again.
      stock: cause.code === 'MALFORMED' ? syntaxFault(text) : undefined,
    });
  }
}

/** What Go says of a text that is to be one value as a whole. */
function syntaxFault(text: string): string | undefined {
  const first = firstJsonValueOf(text);
  if (first.type === 'nothing') return 'unexpected end of JSON input';
  if (first.type === 'value') {
    const next = /\S/.exec(text.slice(first.end))?.[0];
    return next === undefined ? undefined : `invalid character '${next}' after top-level value`;
  }
  return first.message === 'unexpected EOF' ? 'unexpected end of JSON input' : first.message;
}
