import { equalBytes, fromBase64, toBase64 } from '../core/bytes.ts';
import { parseRfc3339 } from '../core/clock.ts';
import { nameOfOrigin, readIdentityFile, type LogIdentity } from '../tlog/core/log-identity.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { logKeys } from './log-keys.ts';

/** Whether SCTs say where their entry stands (static-ct-api), or carry no extension (plain RFC 6962). */
export type SctExtensions = 'leaf_index' | 'none';

/** What a certificate log is, for good. Kept in `log.json`. */
export interface CtLogIdentity extends LogIdentity {
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

/** The identity with these fields. Throws LogError for an origin that cannot be, and FormatError for keys that nobody may
 * use. */
export function ctLogIdentity(
  fields: Pick<CtLogIdentity, 'origin' | 'publicKey' | 'ed25519PublicKey' | 'sctExtensions' | 'createdAt'>,
): CtLogIdentity {
  const { origin, publicKey, ed25519PublicKey, sctExtensions, createdAt } = fields;
  const logId = sha256(publicKey);
  const name = nameOfOrigin(origin);
  const text = identityText({ origin, logId, publicKey, ed25519PublicKey, sctExtensions, createdAt });
  return { origin, name, logId, publicKey, ed25519PublicKey, sctExtensions, createdAt, text };
}

function identityText(identity: Omit<CtLogIdentity, 'name' | 'text'>): string {
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

/** Reads the identity of the log in `directory`; throws LogError `LOG_MISSING` or `LOG_CORRUPT`. */
export const readIdentity = (directory: string): Promise<CtLogIdentity> =>
  readIdentityFile(directory, parseIdentity);

/** The identity that the fields of a `log.json` say; throws for what is none. */
export function parseIdentity(fields: ReadonlyMap<string, unknown>): CtLogIdentity {
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
  const ed25519PublicKey = bytes('ed25519PublicKey', 32);
  const identity = ctLogIdentity({ origin, publicKey, ed25519PublicKey, sctExtensions, createdAt });
  // Throws for keys that nobody may use.
  logKeys(identity);
  return identity;
}
