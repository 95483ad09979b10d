/**
 * What a log of Rekor's kind holds of a signature: the canonical body of its entry, rebuilt from the signature itself. Two entries are about the same
 * signature if and only if their bodies are the same, to the byte; no part of a body is looked at alone.
 */
import { equalBytes, fromBase64, toBase64, toHex, utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { encodePem } from '../../core/pem.ts';
import { printable } from '../../core/printable.ts';
import { parsePublicKey, type PublicKeyInfo } from '../../core/public-key.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';

/** Hashes of what is signed. */
export type EntryHash = 'sha256' | 'sha384' | 'sha512';

/** The digest of `data`. */
export type EntryDigest = (hash: EntryHash, data: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** A signature, as an entry is to be about it. */
export interface LoggedSignature {
  /** DER: the certificate that came with it, or the SubjectPublicKeyInfo of the key alone. */
  readonly verifier:
    | { readonly certificate: Uint8Array; readonly spki: Uint8Array }
    | { readonly certificate?: undefined; readonly spki: Uint8Array };
  readonly signature: Uint8Array;
  readonly signed:
    | {
        readonly type: 'message';
        readonly hash: EntryHash;
        /** Of the artifact, by that hash. */
        readonly digest: Uint8Array;
      }
    | {
        readonly type: 'envelope';
        readonly payloadType: string;
        readonly payload: Uint8Array;
        readonly keyId: string;
        /** DSSE's pre-authentication encoding of both. */
        readonly preAuthenticationEncoding: Uint8Array;
      };
}

/** An entry of a kind. */
interface KindRow {
  /** Of Rekor's API: 1 with signed entry timestamps, 2 with tiles. */
  readonly api: 1 | 2;
  /** The body that the entry must have, in one of the forms in which such bodies are written: in that of `found`, the one that it has. */
  readonly rebuild: (
    signature: LoggedSignature,
    digest: EntryDigest,
    found: FoundBody,
  ) => JsonValue | Promise<JsonValue>;
}

/** `kind version` → how its bodies are made. Members stand in the order of RFC 8785. */
const KINDS: ReadonlyMap<string, KindRow> = new Map<string, KindRow>([
  ['hashedrekord 0.0.1', { api: 1, rebuild: hashedrekord1 }],
  ['dsse 0.0.1', { api: 1, rebuild: dsse1 }],
  ['intoto 0.0.2', { api: 1, rebuild: intoto2 }],
  ['hashedrekord 0.0.2', { api: 2, rebuild: hashedrekord2 }],
]);

/** The version of Rekor's API whose logs have entries of that kind; undefined for a kind that is not known. */
export const apiOfKind = (kind: string, version: string): 1 | 2 | undefined =>
  KINDS.get(`${kind} ${version}`)?.api;

/** A body in which everything else than a signature and what it is over is fixed is short; envelopes are not in bodies. */
const LIMITS = { length: 1024 * 1024, depth: 16 };

/** The same digests, each computed once for the same array of bytes: the entries of a bundle are about one payload. */
export function rememberedDigest(digest: EntryDigest): EntryDigest {
  const known = new Map<EntryHash, Map<Uint8Array, ReturnType<EntryDigest>>>();
  return (hash, data) => {
    const ofHash = known.get(hash) ?? new Map<Uint8Array, ReturnType<EntryDigest>>();
    const found = ofHash.get(data) ?? digest(hash, data);
    known.set(hash, ofHash.set(data, found));
    return found;
  };
}

/** Throws {@link FormatError} unless `body` is the body of an entry of that kind about that signature, to the byte. Its sentence names the first
 * part that differs. */
export async function requireBodyOf(
  { kind, version, body }: { readonly kind: string; readonly version: string; readonly body: Uint8Array },
  signature: LoggedSignature,
  digest: EntryDigest,
): Promise<void> {
  const row = KINDS.get(`${kind} ${version}`);
  if (row === undefined)
    throw new FormatError('UNSUPPORTED', 'the log entry is of a kind that is not known here');
  const found = parseStrictJson(utf8Text(body), LIMITS);
  const expected = await row.rebuild(signature, digest, new FoundBody(found));
  if (equalBytes(utf8(JSON.stringify(expected)), body)) return;
  const path = firstDifference(expected, found) ?? [];
  const sentence =
    path.length === 0
      ? 'the body of the log entry is not in its canonical form'
      : `the log entry is about another ${partOf(path)} than the bundle: ${path.join('.')} differs`;
  throw new FormatError('MALFORMED', sentence);
}

/** What the parts of bodies are to people, from the end of their paths. */
const PARTS: readonly (readonly [RegExp, string])[] = [
  [/^(?:apiVersion|kind)$/, 'kind'],
  [/\b(?:publicKey|verifier|x509Certificate)\b/, 'certificate or key'],
  [/\.(?:content|sig|signature|keyid)$/, 'signature'],
  [/\b(?:hash|data|payloadHash|payloadType)\b/, 'artifact'],
];

const partOf = (path: readonly string[]): string =>
  PARTS.find(([pattern]) => pattern.test(path.join('.')))?.[1] ?? 'thing';

/** The way to the first part that differs; empty where only the spelling does. */
function firstDifference(expected: JsonValue, found: JsonValue | undefined): readonly string[] | undefined {
  if (typeof expected !== 'object' || expected === null) return expected === found ? undefined : [];
  const other: Readonly<Record<string, JsonValue>> =
    typeof found === 'object' && found !== null ? (found as Readonly<Record<string, JsonValue>>) : {};
  const own = expected as Readonly<Record<string, JsonValue>>;
  for (const [name, value] of Object.entries(own)) {
    const member = Object.hasOwn(other, name) ? other[name] : undefined;
    const below = firstDifference(value, member);
    if (below !== undefined) return [name, ...below];
  }
  const extra = Object.keys(other).find((name) => !Object.hasOwn(own, name));
  return extra === undefined ? undefined : [printable(extra.slice(0, 80))];
}

/** A body as it was found, asked for what a bundle does not say. */
class FoundBody {
  readonly #body: JsonValue;

  constructor(body: JsonValue) {
    this.#body = body;
  }

  /** The text that stands there, if one does. */
  text(...path: readonly string[]): string | undefined {
    let value: JsonValue | undefined = this.#body;
    for (const name of path)
      value =
        typeof value === 'object' && value !== null && Object.hasOwn(value, name)
          ? (value as Readonly<Record<string, JsonValue>>)[name]
          : undefined;
    return typeof value === 'string' ? value : undefined;
  }

  /** The hash, in hexadecimal, of a text that is in no bundle. */
  sha256(...path: readonly string[]): string {
    const text = this.text(...path);
    if (text !== undefined && /^[0-9a-f]{64}$/.test(text)) return text;
    throw new FormatError('MALFORMED', `the log entry has no SHA-256 at ${path.join('.')}`);
  }
}

type Verifier = LoggedSignature['verifier'];

const pemOf = ({ certificate, spki }: Verifier): string =>
  certificate === undefined ? encodePem('PUBLIC KEY', spki) : encodePem('CERTIFICATE', certificate);

/** Rekor v1 keeps both as PEM, and that in base64. */
const pemBase64 = (verifier: Verifier): string => toBase64(utf8(pemOf(verifier)));

const unfit = (): FormatError =>
  new FormatError('MALFORMED', 'the log entry is of a kind for something else than the bundle holds');

function hashedrekord1({ verifier, signature, signed }: LoggedSignature): JsonValue {
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

async function dsse1(
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

async function intoto2(
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

async function hashedrekord2(
  { verifier, signature, signed }: LoggedSignature,
  digest: EntryDigest,
): Promise<JsonValue> {
  const { keyDetails, hash } = detailsOf(verifier.spki);
  if (signed.type === 'message' && signed.hash !== hash)
    throw new FormatError(
      'MALFORMED',
      `a log entry of such a key is by ${hash}, the signature is by ${signed.hash}`,
    );
  const value =
    signed.type === 'message' ? signed.digest : await digest(hash, signed.preAuthenticationEncoding);
  return {
    apiVersion: '0.0.2',
    kind: 'hashedrekord',
    spec: {
      hashedRekordV002: {
        data: { algorithm: HASH_NAMES[hash], digest: toBase64(value) },
        signature: { content: toBase64(signature), verifier: verifierJson(verifier, keyDetails) },
      },
    },
  };
}

const HASH_NAMES: Readonly<Record<EntryHash, string>> = {
  sha256: 'SHA2_256',
  sha384: 'SHA2_384',
  sha512: 'SHA2_512',
};

const verifierJson = ({ certificate, spki }: Verifier, keyDetails: string): JsonValue =>
  certificate === undefined
    ? { keyDetails, publicKey: { rawBytes: toBase64(spki) } }
    : { keyDetails, x509Certificate: { rawBytes: toBase64(certificate) } };

interface KeyDetails {
  readonly keyDetails: string;
  readonly hash: EntryHash;
}

const EC_DETAILS: Readonly<Record<'P-256' | 'P-384' | 'P-521', KeyDetails>> = {
  'P-256': { keyDetails: 'PKIX_ECDSA_P256_SHA_256', hash: 'sha256' },
  'P-384': { keyDetails: 'PKIX_ECDSA_P384_SHA_384', hash: 'sha384' },
  'P-521': { keyDetails: 'PKIX_ECDSA_P521_SHA_512', hash: 'sha512' },
};

/** How Rekor v2 calls a key that signs as such keys do by default, which alone is verified of it. */
function detailsOf(spki: Uint8Array): KeyDetails {
  const key: PublicKeyInfo = parsePublicKey(spki);
  if (key.type === 'ec') return EC_DETAILS[key.curve];
  if (key.type === 'ed25519') return { keyDetails: 'PKIX_ED25519_PH', hash: 'sha512' };
  if ([2048, 3072, 4096].includes(key.bits))
    return { keyDetails: `PKIX_RSA_PKCS1V15_${key.bits}_SHA256`, hash: 'sha256' };
  throw new FormatError('UNSUPPORTED', `no log of artifacts has entries of RSA keys of ${key.bits} bits`);
}
