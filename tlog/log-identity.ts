import { join } from 'node:path';
import { equalBytes, fromBase64, toBase64, utf8, utf8Text } from '../core/bytes.ts';
import { parseRfc3339 } from '../core/clock.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { LogError, messageOf } from './log-error.ts';
import { readLogFile } from './store/log-file.ts';
import { logKeys } from './log-keys.ts';
import { sha256 } from './sha256.ts';

/** Whether SCTs say where their entry stands (static-ct-api), or carry no extension (plain RFC 6962). */
export type SctExtensions = 'leaf_index' | 'none';

/** What a log is, for good. Kept in `log.json`, written once when the log is created. */
export interface LogIdentity {
  /** Lower-case submission prefix without scheme and trailing slash, e.g. `localhost/log/2026`. */
  readonly origin: string;
  /** Last component of the origin; names the log's directory and keys. */
  readonly name: string;
  /** SHA-256 of `publicKey`, 32 bytes. */
  readonly logId: Uint8Array;
  /** DER SubjectPublicKeyInfo of the ECDSA P-256 key that signs SCTs and tree heads. */
  readonly publicKey: Uint8Array;
  /** The raw Ed25519 key of the second checkpoint signature, 32 bytes. */
  readonly ed25519PublicKey: Uint8Array;
  readonly sctExtensions: SctExtensions;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** Name of the identity's file inside a log's directory. */
export const IDENTITY_FILE = 'log.json';

const COMPONENT = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const HOST = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?$/;

/** The name of the log with this origin. Throws {@link LogError} when the origin is not `host[:port]/path` in lower
 * case without scheme and trailing slash: clients derive the key's id from these very letters. */
export function nameOfOrigin(origin: string): string {
  const [host = '', ...path] = origin.split('/');
  const name = path.at(-1);
  if (name === undefined || !HOST.test(host) || !path.every((part) => COMPONENT.test(part))) {
    throw new LogError('LOG_BAD_ORIGIN', `"${origin}" cannot be the origin of a log`, {
      hint: 'An origin looks like ca.example.org/log/2026: lower case, no scheme, no slash at the end.',
    });
  }
  return name;
}

/** The text of `log.json`: the same for the same identity. */
export function identityText(identity: LogIdentity): string {
  const fields = {
    version: 1,
    origin: identity.origin,
    logId: toBase64(identity.logId),
    publicKey: toBase64(identity.publicKey),
    ed25519PublicKey: toBase64(identity.ed25519PublicKey),
    sctExtensions: identity.sctExtensions,
    createdAt: new Date(identity.createdAt).toISOString(),
  };
  return `${JSON.stringify(fields, undefined, 2)}\n`;
}

/** Writes the identity of a new log into `directory`. */
export async function writeIdentity(directory: string, identity: LogIdentity): Promise<void> {
  await writeDurably(join(directory, IDENTITY_FILE), utf8(identityText(identity)), 0o644);
}

/** Reads the identity of the log in `directory`; throws {@link LogError} `LOG_MISSING` or `LOG_CORRUPT`. */
export async function readIdentity(directory: string): Promise<LogIdentity> {
  const path = join(directory, IDENTITY_FILE);
  const bytes = await readLogFile(directory, IDENTITY_FILE).catch((cause: unknown) => {
    throw new LogError('LOG_STORAGE', messageOf(cause), { cause });
  });
  if (bytes === undefined)
    throw new LogError('LOG_MISSING', `there is no log in ${directory}`, {
      hint: 'Make one with `mayfly init`, or name the directory that holds it.',
    });
  try {
    return parseIdentity(fieldsOf(utf8Text(bytes)));
  } catch (error) {
    throw new LogError('LOG_CORRUPT', `${path} is damaged: ${messageOf(error)}`, {
      hint: 'Restore log.json from a copy; it never changes after the log is created.',
    });
  }
}

function fieldsOf(text: string): Map<string, unknown> {
  const value: unknown = JSON.parse(text);
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
}

function parseIdentity(fields: ReadonlyMap<string, unknown>): LogIdentity {
  const text = (key: string): string => {
    const field = fields.get(key);
    if (typeof field !== 'string') throw new Error(`${key} is missing`);
    return field;
  };
  const bytes = (key: string, length?: number): Uint8Array => {
    const decoded = fromBase64(text(key));
    if (length !== undefined && decoded.length !== length)
      throw new Error(`${key} does not have ${length} bytes`);
    return decoded;
  };
  if (fields.get('version') !== 1) throw new Error('its version is unknown');
  const sctExtensions = text('sctExtensions');
  if (sctExtensions !== 'leaf_index' && sctExtensions !== 'none') throw new Error('sctExtensions is unknown');
  const createdAt = parseRfc3339(text('createdAt'));
  if (createdAt === undefined) throw new Error('createdAt is not a time');
  const origin = text('origin');
  const [publicKey, logId] = [bytes('publicKey'), bytes('logId', 32)];
  if (!equalBytes(sha256(publicKey), logId)) throw new Error('logId is not the SHA-256 of publicKey');
  const identity: LogIdentity = {
    ...{ origin, name: nameOfOrigin(origin), sctExtensions, createdAt },
    ...{ logId, publicKey, ed25519PublicKey: bytes('ed25519PublicKey', 32) },
  };
  // Throws for keys that nobody may use.
  logKeys(identity);
  return identity;
}

/** The names of the fields in which two texts of `log.json` differ. */
export function identityDifferences(bound: string, file: string): string[] {
  const [was, is] = [fieldsOf(bound), fieldsOf(file)];
  return [...new Set([...was.keys(), ...is.keys()])].filter((key) => was.get(key) !== is.get(key));
}
