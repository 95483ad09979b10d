/** What the server of transit keys answers, decoded strictly: refusals as {@link SignerError}, and each kind of answer that is used. */
import { FormatError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { SignerError, type SignerReason } from '../signer-error.ts';
import type { TransitAnswer } from './transit-http.ts';

/** Who answered, to what. */
export interface Asked {
  /** The server as sentences name it. */
  readonly server: string;
  /** What its variables begin with. */
  readonly prefix: string;
  /** What was sent that no message may repeat. */
  readonly secrets: readonly string[];
}

/** A JSON object. */
export type JsonObject = Readonly<Record<string, JsonValue>>;

const LIMITS = { length: 1 << 20, depth: 16, parts: 20_000 } as const;

/** The object of an answer that is none of a refusal. Throws {@link SignerError}. */
export function answeredObject(answer: TransitAnswer, asked: Asked): JsonObject {
  if (answer.status !== 200 && answer.status !== 204) throw refusalOf(answer, asked);
  if (answer.status === 204) return {};
  const value = jsonOf(answer.text);
  if (isObject(value)) return value;
  throw unintelligible(asked, 'no JSON object');
}

/** The member `name` of an answer, which must be an object. Throws {@link SignerError}. */
export function objectIn(value: JsonObject, name: string, asked: Asked): JsonObject {
  const found = own(value, name);
  if (isObject(found)) return found;
  throw unintelligible(asked, `without "${name}"`);
}

/** A member of its own; undefined where there is none. */
export const own = (value: JsonObject, name: string): JsonValue | undefined =>
  Object.hasOwn(value, name) ? value[name] : undefined;

/** Whether it is neither an array nor a bare value. */
export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An answer that may be of something else than the server, or cut: another one may be right. */
export const unintelligible = ({ server, prefix }: Asked, what: string): SignerError =>
  new SignerError('SIGNER_UNAVAILABLE', `${server} answers with what cannot be understood: ${what}`, {
    hint: `Something else may answer in its place: compare ${prefix}_ADDR, and what stands between.`,
  });

function jsonOf(text: string): JsonValue | undefined {
  try {
    return parseStrictJson(text, LIMITS);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** What a refusal comes to: a code, what is wrong, what to do. */
interface Meaning {
  readonly code: SignerReason;
  readonly sentence: string;
  readonly hint: string;
}

/** By what the server says, whatever the status: OpenBao answers 500 to some of these. */
const BY_TEXT: readonly (readonly [text: RegExp, meaning: Meaning])[] = [
  [
    /less than the minimum encryption key version|higher than the latest key version|is not a valid key version/i,
    {
      code: 'SIGNER_KEY_GONE',
      sentence: 'does not sign with the version of the key that was opened',
      hint: 'Lower min_encryption_version (and min_decryption_version) of the key: certificates and logs stay bound to the version that they were made with.',
    },
  ],
  [
    /soft-deleted/i,
    {
      code: 'SIGNER_KEY_GONE',
      sentence: 'does not sign: the key is soft-deleted',
      hint: 'Restore it: bao write -f transit/keys/KEY/soft-delete-restore.',
    },
  ],
  [
    /key not found|no existing key/i,
    {
      code: 'SIGNER_KEY_GONE',
      sentence: 'has no such key',
      hint: 'Compare the name of the key, TRANSIT_SECRET_ENGINE_PATH and the namespace.',
    },
  ],
  [
    /no handler for route|unsupported path|namespace not found/i,
    {
      code: 'SIGNER_KEY_GONE',
      sentence: 'has nothing mounted there',
      hint: 'Compare TRANSIT_SECRET_ENGINE_PATH, the mount of the login and the namespace with the lists of mounts.',
    },
  ],
  [
    /missing client token|invalid token|permission denied/i,
    { code: 'SIGNER_DENIED', sentence: 'refuses the token, or what it asks for', hint: '' },
  ],
  [
    /\bis sealed\b/i,
    { code: 'SIGNER_UNAVAILABLE', sentence: 'is sealed', hint: 'Unseal it; signing goes on by itself.' },
  ],
];

const AGAIN = 'Signing goes on by itself when it answers again.';
const STANDBY: Meaning = {
  code: 'SIGNER_UNAVAILABLE',
  sentence: 'is a standby that passes nothing on',
  hint: 'Name the active node, or a load balancer that asks /v1/sys/health. To another host the token is not sent.',
};

const BY_STATUS: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [401, { code: 'SIGNER_DENIED', sentence: 'refuses the token', hint: '' }],
  [403, { code: 'SIGNER_DENIED', sentence: 'refuses the token, or what it asks for', hint: '' }],
  [
    404,
    {
      code: 'SIGNER_KEY_GONE',
      sentence: 'has no such key',
      hint: 'Compare the name of the key, TRANSIT_SECRET_ENGINE_PATH and the namespace.',
    },
  ],
  [412, { code: 'SIGNER_UNAVAILABLE', sentence: 'does not know the token yet', hint: AGAIN }],
  [
    429,
    { code: 'SIGNER_THROTTLED', sentence: 'takes no more for a moment', hint: 'Raise its rate limit quota.' },
  ],
  [472, STANDBY],
  [473, STANDBY],
  [503, { code: 'SIGNER_UNAVAILABLE', sentence: 'is sealed or not ready', hint: AGAIN }],
]);

function meaningOf(status: number, text: string): Meaning {
  const known = BY_TEXT.find(([pattern]) => pattern.test(text))?.[1] ?? BY_STATUS.get(status);
  if (known !== undefined) return known;
  if (status >= 500)
    return { code: 'SIGNER_UNAVAILABLE', sentence: `fails with status ${status}`, hint: AGAIN };
  if (status >= 300 && status < 400) return STANDBY;
  return {
    code: 'SIGNER_REFUSED',
    sentence: `refuses with status ${status}`,
    hint: 'Compare the kind of the key with docs/transit.md, and the address with the one of the server.',
  };
}

/** What a refusal means, by its status and what it says. */
export function refusalOf({ status, text, retryAfterMs }: TransitAnswer, asked: Asked): SignerError {
  return meant(status, errorsIn(text), asked, retryAfterMs);
}

/** The same of one part of an answer to several. */
export const partRefusal = (said: string, asked: Asked): SignerError => meant(400, said, asked, undefined);

function meant(status: number, said: string, asked: Asked, retryAfterMs: number | undefined): SignerError {
  const { code, sentence, hint } = meaningOf(status, said);
  return new SignerError(code, `${asked.server} ${sentence}${quotation(said, asked)}`, {
    hint: hint === '' ? undefined : hint,
    retryAfterMs,
  });
}

const MAX_QUOTED = 200;

/** Its own words, but for those that repeat a part of what must not be shown. */
function quotation(said: string, { secrets }: Asked): string {
  const words = printable(said.replace(/\s+/g, ' ').trim().slice(0, MAX_QUOTED));
  return words === '' || secrets.some((secret) => repeats(said, secret)) ? '' : `: "${words}"`;
}

/** As much as says something about a secret. */
const PIECE = 8;

function repeats(text: string, secret: string): boolean {
  const last = Math.max(0, secret.length - PIECE);
  for (let at = 0; at <= last; at++) if (text.includes(secret.slice(at, at + PIECE))) return secret !== '';
  return false;
}

/** The texts of `{"errors":[…]}`; empty where it has another form. */
function errorsIn(text: string): string {
  const value = jsonOf(text);
  const errors = isObject(value) ? own(value, 'errors') : undefined;
  if (!Array.isArray(errors)) return '';
  const texts = (errors as readonly JsonValue[]).filter((one) => typeof one === 'string');
  return texts
    .join('; ')
    .replace(/^\d+ errors? occurred:/, '')
    .replace(/\* /g, '');
}

/** What a login or a renewal returns. */
export interface TokenLease {
  readonly token: string;
  /** Milliseconds that it lasts; 0: for ever. */
  readonly lastsMs: number;
  readonly isRenewable: boolean;
}

const MAX_TOKEN = 16 * 1024;

/** The token of a login or renewal. Throws {@link SignerError}. */
export function leaseIn(answer: JsonObject, asked: Asked): TokenLease {
  const auth = objectIn(answer, 'auth', asked);
  const [token, seconds] = [own(auth, 'client_token'), own(auth, 'lease_duration')];
  if (!isToken(token) || !isSeconds(seconds)) throw unintelligible(asked, 'a login without a token');
  return { token, lastsMs: seconds * 1_000, isRenewable: own(auth, 'renewable') === true };
}

/** Whether it can stand in a header. */
export const isToken = (token: unknown): token is string =>
  typeof token === 'string' && token.length <= MAX_TOKEN && /^[\x21-\x7e]+$/.test(token);

/** Whether it is a number of seconds below a thousand years. */
export const isSeconds = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value < 32e9;

const SIGNATURE = /^vault:v([1-9]\d{0,8}):([A-Za-z0-9+/]{1,1400}={0,2})$/;

/** The bytes of `vault:vN:…`, and its N. Throws {@link SignerError}. */
export function signatureIn(
  part: JsonValue | undefined,
  asked: Asked,
): { readonly version: string; readonly bytes: Uint8Array } {
  if (!isObject(part)) throw unintelligible(asked, 'no signature');
  const error = own(part, 'error');
  if (typeof error === 'string' && error !== '') throw partRefusal(error, asked);
  const text = own(part, 'signature');
  const [, version, base64 = ''] = SIGNATURE.exec(typeof text === 'string' ? text : '') ?? [];
  const bytes = Buffer.from(base64, 'base64');
  // What was read otherwise than it was written is not what was meant.
  if (version === undefined || bytes.toString('base64') !== base64)
    throw unintelligible(asked, 'no signature');
  return { version, bytes };
}
