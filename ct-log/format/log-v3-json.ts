/** `log.v3.json`: what a static-ct-api log says of itself, with the fields of Sunlight and of Chrome's log list.
 * No specification binds it, so readers take only what they need. */
import { equalBytes, fromBase64, toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { FormatError } from '../../core/errors.ts';
import type { Sha256 } from '../../core/hash.ts';

/** What a log knows of itself. */
export interface LogDescription {
  readonly origin: string;
  /** 32 bytes. */
  readonly logId: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Prefix under which the log is served, with its scheme, with or without a slash at the end. */
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Whether others may rely on it. */
  readonly intendedUse: 'production' | 'test';
  readonly software: { readonly name: string; readonly version: string };
  /** The last head of a log that has ended. */
  readonly final?: FinalHead | undefined;
}

/** The last head of a log. Times are milliseconds since the epoch. */
interface FinalHead {
  readonly size: number;
  readonly root: Uint8Array;
  readonly timestamp: number;
  /** When the log ended. */
  readonly frozenAt: number;
}

/** The merge delay that the log promises, in seconds. Entries are in the tree before their SCT leaves. The promise
 * allows for clients that take it for the age that a head may have. */
const MMD_SECONDS = 60;

/** The object to serve as `log.v3.json`. */
export function logV3Json(log: LogDescription): Record<string, unknown> {
  const url = `${log.url.replace(/(?<!\/)\/+$/, '')}/`;
  return {
    description: log.origin,
    friendly_name: log.origin,
    log_id: toBase64(log.logId),
    key: toBase64(log.publicKey),
    mmd: MMD_SECONDS,
    mmd_seconds: MMD_SECONDS,
    // Nothing can be submitted; but readers of log lists expect both URLs of a static-ct-api log.
    submission_url: url,
    monitoring_url: url,
    log_spec: 'static-ct-api',
    tls_only: url.startsWith('https:'),
    intended_use: log.intendedUse,
    ...stateOf(log),
    submission_endpoint: { url },
    monitoring_endpoint: { url },
    log_software: log.software,
  };
}

function stateOf({ createdAt, final }: LogDescription): Record<string, unknown> {
  if (final === undefined) return { status: 'active', status_timestamp: rfc3339(createdAt) };
  const { size, root, timestamp, frozenAt } = final;
  return {
    status: 'readonly',
    status_timestamp: rfc3339(frozenAt),
    final_tree_head: { sha256_root_hash: toBase64(root), tree_size: size, timestamp },
  };
}

/** The identity of a log, out of its `log.v3.json`. */
interface LogV3Identity {
  readonly origin: string;
  readonly logId: Uint8Array;
  readonly publicKey: Uint8Array;
  /** What it says of its last head, where it says that it has ended. */
  readonly final: { readonly size: number; readonly root: string } | undefined;
}

/** Reads the identity out of the text of a `log.v3.json`; throws {@link FormatError}, also when the log id is not
 * the SHA-256 of the key. */
export function parseLogV3Json(sha256: Sha256, text: string): LogV3Identity {
  const fields = new Map(Object.entries(parseObject(text)));
  const origin = textField(fields, 'description');
  const logId = fromBase64(textField(fields, 'log_id'));
  const publicKey = fromBase64(textField(fields, 'key'));
  if (!equalBytes(logId, sha256(publicKey))) {
    throw new FormatError('MALFORMED', 'the log id of a log.v3.json is not that of its key');
  }
  return { origin, logId, publicKey, final: finalHeadOf(fields.get('final_tree_head')) };
}

/** The root in base64, as it stands there. */
function finalHeadOf(value: unknown): LogV3Identity['final'] {
  if (typeof value !== 'object' || value === null) return undefined;
  const { tree_size: size, sha256_root_hash: root } = value as Readonly<Record<string, unknown>>;
  return typeof size === 'number' && typeof root === 'string' ? { size, root } : undefined;
}

function parseObject(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FormatError('MALFORMED', 'a log.v3.json is not JSON');
  }
  if (typeof value !== 'object' || value === null) {
    throw new FormatError('MALFORMED', 'a log.v3.json does not hold an object');
  }
  return value;
}

function textField(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name);
  if (typeof value !== 'string') throw new FormatError('MALFORMED', `a log.v3.json lacks the text "${name}"`);
  return value;
}
