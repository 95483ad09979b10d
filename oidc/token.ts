/**
 * Parses a compact JWS (RFC 7515 §7.1) whose signature is not verified yet. Everything is bounded before it is decoded, and
 * no error repeats any part of the token.
 */
import { isUtf8 } from 'node:buffer';
import { isAlgorithm } from './core/algorithms.ts';
import type { Algorithm } from './core/algorithms.ts';
import { claim } from './core/claims.ts';
import type { Claims } from './core/claims.ts';
import { TokenError } from './core/token-error.ts';

/** Longest token that is read, in characters. */
export const MAX_TOKEN_LENGTH = 32 * 1024;
const MAX_DEPTH = 16;
const MAX_KEY_ID_LENGTH = 1024;

/** A token whose signature is not checked yet. */
export interface UnverifiedToken {
  /** The whole token. */
  readonly compact: string;
  readonly algorithm: Algorithm;
  readonly keyId: string | undefined;
  /** `iss`: for finding the keys, and for nothing else. */
  readonly issuer: string;
  /** The payload. Not to be trusted before the signature is verified. */
  readonly claims: Claims;
}

const AS_GIVEN = 'Send the ID token as the issuer gave it: three base64url parts with dots between them.';

const malformed = (sentence: string, hint = AS_GIVEN): TokenError =>
  new TokenError('TOKEN_MALFORMED', sentence, { hint });

/** Frequent mistakes in sending a token, recognized by how it begins or ends. The messages do not repeat it. */
const SLIPS: readonly (readonly [pattern: RegExp, sentence: string, hint: string])[] = [
  [
    /^bearer(\s|$)/i,
    'the token begins with the word "Bearer"',
    'The header is "Authorization: Bearer TOKEN", with a capital B, one blank and the word once; Fulcio takes no other spelling.',
  ],
  [
    /^(basic|token|dpop|negotiate)\s/i,
    'the token begins with the name of another scheme of authorization than Bearer',
    'The header is "Authorization: Bearer TOKEN".',
  ],
  [
    /^\s|\s$/,
    'there are blanks or line breaks around the token',
    'Take them off: some programs end what they print with one.',
  ],
  [/^["'`]|["'`]$/, 'the token stands in quotation marks', 'Take them off: jq prints without them by -r.'],
  [
    /^\{/,
    'what was sent is JSON, not a token',
    'Send the value of the member that holds the token, often "value" or "id_token".',
  ],
];

/** Takes a compact token apart. Throws {@link TokenError}. */
export function parseToken(compact: string): UnverifiedToken {
  if (compact === '') {
    throw new TokenError('TOKEN_MISSING', 'the request carries no identity token', {
      hint: 'Send it as "Authorization: Bearer …" or as credentials.oidcIdentityToken.',
    });
  }
  if (compact.length > MAX_TOKEN_LENGTH) {
    throw new TokenError('TOKEN_TOO_LARGE', `the token is longer than ${MAX_TOKEN_LENGTH} characters`, {
      hint: 'Ask the issuer for a token with fewer claims.',
    });
  }
  try {
    return takeApart(compact);
  } catch (error) {
    const slip = SLIPS.find(([pattern]) => pattern.test(compact));
    throw slip !== undefined && isMalformed(error) ? malformed(slip[1], slip[2]) : error;
  }
}

const isMalformed = (error: unknown): boolean =>
  error instanceof TokenError && error.code === 'TOKEN_MALFORMED';

function takeApart(compact: string): UnverifiedToken {
  const [head, body] = splitParts(compact);
  const header = parsePart(head, 'header');
  const claims = parsePart(body, 'payload');
  const { algorithm, keyId } = readHeader(header);
  return { compact, algorithm, keyId, issuer: readIssuer(claims), claims };
}

function splitParts(compact: string): [string, string] {
  const first = compact.indexOf('.');
  const second = compact.indexOf('.', first + 1);
  if (first < 0 || second < 0) throw malformed('the token does not have three parts');
  if (compact.includes('.', second + 1)) {
    throw malformed('the token has more than three parts; an encrypted token cannot be used');
  }
  const signature = compact.slice(second + 1);
  if (signature === '') {
    throw new TokenError('ALGORITHM_REFUSED', 'the token is not signed', {
      hint: 'Only signed tokens are accepted.',
    });
  }
  checkBase64Url(signature, 'signature');
  return [compact.slice(0, first), compact.slice(first + 1, second)];
}

const BASE64URL = /^[\w-]+$/;
const LAST_OF_TWO = /[AQgw]$/;
const LAST_OF_THREE = /[AEIMQUYcgkosw048]$/;

// One spelling only (RFC 4648 §3.5): the bits behind the last byte are zero, and there is no padding.
function checkBase64Url(text: string, part: string): void {
  const rest = text.length % 4;
  const canonical =
    rest === 0 || (rest === 2 && LAST_OF_TWO.test(text)) || (rest === 3 && LAST_OF_THREE.test(text));
  if (!canonical || !BASE64URL.test(text)) throw malformed(`the token's ${part} is not base64url`);
}

function parsePart(text: string, part: string): Claims {
  checkBase64Url(text, part);
  const bytes = Buffer.from(text, 'base64url');
  if (!isUtf8(bytes)) throw malformed(`the token's ${part} is not UTF-8`);
  const json = bytes.toString();
  const value = parseJson(json, part);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`the token's ${part} is not a JSON object`);
  }
  // Two programs could each read another one of two members of one name (RFC 7519 §4).
  if (checkValue(value, part, 0) !== namesWritten(json)) {
    throw malformed(`the token's ${part} has two members of one name`);
  }
  // In valid UTF-8 only an escape can make one.
  if (json.includes('\\u') && !isWellFormed(value)) {
    throw malformed(`the token's ${part} has half a surrogate pair`);
  }
  return value as Claims;
}

function parseJson(text: string, part: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words would repeat the token.
    throw malformed(`the token's ${part} is not JSON`);
  }
}

/** How many members all objects in `value` have. Throws {@link TokenError} for what no token should hold. */
function checkValue(value: unknown, part: string, depth: number): number {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw malformed(`the token's ${part} has a number that is out of range`);
  } else if (typeof value === 'object' && value !== null) {
    if (depth === MAX_DEPTH) throw malformed(`the token's ${part} is nested too deeply`);
    if (Array.isArray(value)) return checkAll(value, part, depth);
    const inner = Object.values(value) as unknown[];
    return inner.length + checkAll(inner, part, depth);
  }
  return 0;
}

function checkAll(values: readonly unknown[], part: string, depth: number): number {
  let members = 0;
  for (const one of values) members += checkValue(one, part, depth + 1);
  return members;
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, inner]) => name.isWellFormed() && isWellFormed(inner));
}

/** How many names of members stand in a text that is JSON: strings with a colon behind them. */
function namesWritten(json: string): number {
  let names = 0;
  for (let quote = json.indexOf('"'); quote >= 0; quote = json.indexOf('"', quote + 1)) {
    quote = endOfString(json, quote);
    let next = quote + 1;
    while (json.charCodeAt(next) <= 0x20) next++;
    if (json[next] === ':') names++;
  }
  return names;
}

/** Where the string ends that begins at `start`. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let backslashes = end;
    while (json[backslashes - 1] === '\\') backslashes--;
    if ((end - backslashes) % 2 === 0) return end;
  }
  return json.length;
}

function readHeader(header: Claims): { algorithm: Algorithm; keyId: string | undefined } {
  const algorithm = claim(header, 'alg');
  const keyId = claim(header, 'kid');
  if (Object.hasOwn(header, 'crit')) throw malformed('the token demands extensions that nobody here knows');
  if (Object.hasOwn(header, 'enc')) throw malformed('the token is encrypted');
  if (typeof algorithm !== 'string' || !isAlgorithm(algorithm)) {
    throw new TokenError(
      'ALGORITHM_REFUSED',
      "the token's algorithm is none that an issuer may sign with here",
      {
        hint: 'Have the issuer sign with RS, PS or ES 256, 384 or 512, or EdDSA.',
      },
    );
  }
  // As Go reads it, an empty one names no key.
  if (keyId === undefined || keyId === '') return { algorithm, keyId: undefined };
  if (typeof keyId !== 'string' || keyId.length > MAX_KEY_ID_LENGTH) {
    throw malformed("the token's key id is not a short text");
  }
  return { algorithm, keyId };
}

function readIssuer(claims: Claims): string {
  const issuer = claim(claims, 'iss');
  if (typeof issuer !== 'string') {
    throw new TokenError('CLAIM_MISSING', 'the token does not say who issued it', {
      hint: 'An ID token carries the issuer in "iss". Is this one an access token or a secret?',
      metadata: { claim: 'iss' },
    });
  }
  return issuer;
}
