/** Requests to a log of the second API: `POST /api/v2/log/entries`. */
import { createHash } from 'node:crypto';
import { utf8, utf8Text } from '../../core/bytes.ts';
import { hasTooManyValues, MAX_VALUES } from '../../core/json-bounds.ts';
import { FormatError } from '../../core/errors.ts';
import { preAuthenticationEncoding } from '../../bundle/format/envelope.ts';
import { hashedrekord2Of, keyDetailsOf, type KeyDetails } from '../format/rekor-v2-body.ts';
import { verifyDigest } from './digest-signature.ts';
import { EntryError, type StockRefusal } from './entry-error.ts';
import { entryKeyOfCertificate, entryKeyOfSpki, type EntryKey } from './entry-key.ts';
import { readNamedDigests } from './named-digests.ts';
import { MAX_BODY, type AdmitVerifier, type ProposedEntry } from './proposed-entry.ts';
import { ProtoJsonFault, readProtoJson, type ProtoMessage } from './proto-json.ts';
import { CREATE_ENTRY_REQUEST, KEY_DETAILS } from './v2-request.ts';

/** Bytes of a request: Rekor's own limit. */
export const MAX_V2_REQUEST = 4 * 1024 * 1024;

/** Of everything that is wrong with the message itself, Rekor says only this. */
const INVALID: StockRefusal = {
  status: 400,
  code: 3,
  message: 'invalid hashedrekord request',
  by: 'handler',
};
const WRONG_TYPE: StockRefusal = { ...INVALID, message: 'invalid type, must be hashedrekord' };
const UNINTEGRATED: StockRefusal = { ...INVALID, status: 500, code: 2, message: 'failed to integrate entry' };

/** The entry that a request proposes, its signature verified. Throws {@link EntryError} and nothing else but what `admit` throws. */
export async function readV2Proposal(
  request: Uint8Array,
  admit: AdmitVerifier = () => undefined,
): Promise<ProposedEntry> {
  if (request.length > MAX_V2_REQUEST)
    throw new EntryError('ENTRY_TOO_LARGE', `the request has more than ${MAX_V2_REQUEST} bytes`, {
      stock: { ...INVALID, message: 'http: request body too large' },
    });
  if (hasTooManyValues(request))
    throw new EntryError('ENTRY_MALFORMED', `the request has more than ${MAX_VALUES} values`, {
      stock: WRONG_TYPE,
    });
  const message = parse(request);
  const hashed = submessage(message, 'hashedRekordRequestV002');
  const dsse = submessage(message, 'dsseRequestV002');
  if (hashed === undefined && dsse === undefined)
    throw new EntryError('ENTRY_MALFORMED', 'the request has no hashedRekordRequestV002', {
      hint: 'Send {"hashedRekordRequestV002": {"digest": …, "signature": …}}.',
      stock: WRONG_TYPE,
    });
  try {
    return await (hashed === undefined
      ? proposeEnvelope(dsse ?? NOTHING, admit)
      : proposeDigest(hashed, admit));
  } catch (error) {
    if (!(error instanceof EntryError) || error.code === 'ENTRY_NOT_ADMITTED') throw error;
    const usual = hashed === undefined ? WRONG_TYPE : INVALID;
    throw withStock(error, error.stock === UNINTEGRATED ? UNINTEGRATED : usual);
  }
}

const NOTHING: ProtoMessage = new Map();

const withStock = ({ code, message, hint, cause }: EntryError, stock: StockRefusal): EntryError =>
  new EntryError(code, message, { hint, cause, stock });

function parse(request: Uint8Array): ProtoMessage {
  try {
    return readProtoJson(utf8Text(request), CREATE_ENTRY_REQUEST);
  } catch (cause) {
    if (cause instanceof ProtoJsonFault) throw notReadable(cause.message, cause);
    if (cause instanceof FormatError) throw notReadable('proto: syntax error: invalid UTF-8', cause);
    throw cause;
  }
}

const notReadable = (message: string, cause: unknown): EntryError =>
  new EntryError('ENTRY_MALFORMED', 'the request is not the JSON of a CreateEntryRequest', {
    hint: 'The message of the answer says where: names and values are those of dev.sigstore.rekor.v2, and nothing else may stand there.',
    stock: { ...INVALID, message },
    cause,
  });

function submessage(message: ProtoMessage, name: string): ProtoMessage | undefined {
  const value = message.get(name);
  return value instanceof Map ? (value as ProtoMessage) : undefined;
}

const bytesOf = (message: ProtoMessage | undefined, name: string): Uint8Array | undefined => {
  const value = message?.get(name);
  return value instanceof Uint8Array && value.length > 0 ? value : undefined;
};

async function proposeDigest(request: ProtoMessage, admit: AdmitVerifier): Promise<ProposedEntry> {
  const signature = submessage(request, 'signature');
  const content = bytesOf(signature, 'content') ?? missing('signature.content');
  const verifier = (signature && submessage(signature, 'verifier')) ?? missing('signature.verifier');
  const digest = bytesOf(request, 'digest') ?? missing('digest');
  const [key, details] = readVerifier(verifier, admit);
  return propose({ key, details, content, digest }, []);
}

/** sigstore-js asks to log envelopes as such. The log has one kind of entries: over the digest of what the signature of the envelope is over. */
async function proposeEnvelope(request: ProtoMessage, admit: AdmitVerifier): Promise<ProposedEntry> {
  const envelope = submessage(request, 'envelope') ?? missing('envelope');
  const signature = only(envelope, 'signatures');
  const content = bytesOf(signature, 'sig') ?? missing('envelope.signatures.sig');
  const payload = bytesOf(envelope, 'payload') ?? missing('envelope.payload');
  const payloadType = envelope.get('payloadType');
  const type = typeof payloadType === 'string' ? payloadType : missing('envelope.payloadType');
  const [key, details] = readVerifier(only(request, 'verifiers'), admit);
  const signed = preAuthenticationEncoding({ payloadType: type, payload });
  const digest = createHash(details.hash).update(signed).digest();
  return propose({ key, details, content, digest }, recordedDigests(type, payload));
}

/** The log keeps none of them, so that an entry is logged also where they are too many for one of the first API. */
function recordedDigests(type: string, payload: Uint8Array): readonly string[] {
  try {
    return readNamedDigests(type, payload);
  } catch (error) {
    if (error instanceof EntryError) return [];
    throw error;
  }
}

/** The only element of a list: of two signatures there would have to be two entries. */
function only(message: ProtoMessage, name: string): ProtoMessage {
  const list = message.get(name);
  const elements = Array.isArray(list) ? (list as readonly ProtoMessage[]) : [];
  const [first] = elements;
  if (first !== undefined && elements.length === 1) return first;
  throw new EntryError('ENTRY_UNSUPPORTED', `${name} does not have exactly one element`, {
    hint: 'Log each signature of the envelope for itself.',
  });
}

function missing(name: string): never {
  throw new EntryError('ENTRY_MALFORMED', `the request has no ${name}`, {
    hint: 'A request has digest, signature.content and signature.verifier.',
  });
}

function readVerifier(verifier: ProtoMessage, admit: AdmitVerifier): [EntryKey, KeyDetails] {
  const spki = bytesOf(submessage(verifier, 'publicKey'), 'rawBytes');
  const certificate = bytesOf(submessage(verifier, 'x509Certificate'), 'rawBytes');
  const key =
    spki === undefined
      ? entryKeyOfCertificate(certificate ?? missing('publicKey.rawBytes and no x509Certificate.rawBytes'))
      : entryKeyOfSpki(spki);
  const details = keyDetailsOf(key.info);
  if (verifier.get('keyDetails') !== KEY_DETAILS.get(details.keyDetails))
    throw new EntryError('ENTRY_KEY_REFUSED', 'keyDetails is not that of the key', {
      hint: `Of this key it is ${details.keyDetails}: verifiers rebuild the entry with no other.`,
    });
  admit(key.verifier);
  return [key, details];
}

interface SignedDigest {
  readonly key: EntryKey;
  readonly details: KeyDetails;
  readonly content: Uint8Array;
  readonly digest: Uint8Array;
}

const DIGEST_LENGTHS = { sha256: 32, sha384: 48, sha512: 64 } as const;

async function propose(signed: SignedDigest, namedDigests: readonly string[]): Promise<ProposedEntry> {
  const { key, details, content, digest } = signed;
  if (digest.length !== DIGEST_LENGTHS[details.hash])
    throw new EntryError('ENTRY_MALFORMED', `the digest has ${digest.length} bytes`, {
      hint: `A key of this kind signs by ${details.hash}, with ${DIGEST_LENGTHS[details.hash]} bytes.`,
    });
  const scheme = { keyType: key.info.type, hash: details.hash };
  if (!(await verifyDigest(scheme, key.verifier.spki, digest, content)))
    throw new EntryError('ENTRY_SIGNATURE_INVALID', 'the signature is not one by the key over the digest', {
      hint: 'ECDSA in DER, RSA PKCS#1 v1.5, or Ed25519ph with an empty context.',
    });
  const body = utf8(JSON.stringify(hashedrekord2Of(key.verifier, details, digest, content)));
  if (body.length > MAX_BODY)
    throw new EntryError('ENTRY_TOO_LARGE', `the entry would have ${body.length} bytes`, {
      hint: `An entry has at most ${MAX_BODY} bytes; only a very long certificate makes more.`,
      stock: UNINTEGRATED,
    });
  return { kind: 'hashedrekord', version: '0.0.2', body, verifiers: [key.verifier], namedDigests };
}
