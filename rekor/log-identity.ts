import { equalBytes, fromBase64, toBase64 } from '../core/bytes.ts';
import { parseRfc3339 } from '../core/clock.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { readIdentityFile, type LogIdentity } from '../tlog/core/log-identity.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { keyHash, noteKeyHash } from './format/log-key-id.ts';

/** The version of Rekor's API that the clients of a log speak. */
export type ArtifactApi = 1 | 2;

/** What a log of artifacts is, for good. Kept in `log.json`. */
export interface ArtifactLogIdentity extends LogIdentity {
  readonly api: ArtifactApi;
  /** Of the first API `host - tree id`, of the second the host alone. */
  readonly origin: string;
  /** What stands on the signature lines of checkpoints, and what clients compare with the host of the log's URL: no port, no path, lower case. */
  readonly host: string;
  /** What clients call the log: of the first API SHA-256 of `publicKey`, of the second the hash that the key has in signed notes. 32 bytes. */
  readonly logId: Uint8Array;
  /** DER SubjectPublicKeyInfo: ECDSA P-256 in the first API, Ed25519 in the second. */
  readonly publicKey: Uint8Array;
  /** Positive, 63 bits; undefined in the second API. */
  readonly treeId: bigint | undefined;
  /** Entries of the trees of the first API before this one: what is added to an index of this tree for clients. 0 in the second API. */
  readonly firstLogIndex: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** Of which the rest follows. */
export type ArtifactLogFields = Pick<ArtifactLogIdentity, 'api' | 'host' | 'publicKey' | 'createdAt'> &
  Partial<Pick<ArtifactLogIdentity, 'treeId' | 'firstLogIndex'>>;

const HOST = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Whether a log can have this host in its name; not one that is an address of IPv6. */
export const isArtifactLogHost = (host: string): boolean => HOST.test(host);
/** The largest id of a tree, and a mask for one. */
export const MAX_TREE_ID = 2n ** 63n - 1n;

/** The identity with these fields. Throws LogError `LOG_BAD_ORIGIN` for a host that clients would not find, `LOG_WRONG_KEY` for a key of another kind than clients of that API
 * take. */
export function artifactLogIdentity(fields: ArtifactLogFields): ArtifactLogIdentity {
  const { api, host, publicKey, createdAt, treeId, firstLogIndex = 0 } = fields;
  requireHostAndKey(fields);
  if ((api === 1) !== (treeId !== undefined)) throw new TypeError('logs of the first API have a tree id');
  const origin = treeId === undefined ? host : `${host} - ${treeId}`;
  const logId = artifactLogId({ api, host, publicKey });
  const identity = { api, origin, host, logId, publicKey, treeId, firstLogIndex, createdAt };
  return { ...identity, text: identityText(identity) };
}

/** Throws LogError as {@link artifactLogIdentity} does, for a host or a key that a log of that API cannot have. */
export function requireHostAndKey({
  api,
  host,
  publicKey,
}: Pick<ArtifactLogIdentity, 'api' | 'host' | 'publicKey'>): void {
  if (!isArtifactLogHost(host))
    throw new LogError('LOG_BAD_ORIGIN', `"${host}" cannot be the origin of a log of artifacts`, {
      hint: 'It is the host of the public URL, such as ca.example.org: lower case, no port, no path.',
    });
  const key = parsePublicKey(publicKey);
  const isRight = api === 1 ? key.type === 'ec' && key.curve === 'P-256' : key.type === 'ed25519';
  if (isRight) return;
  throw new LogError(
    'LOG_WRONG_KEY',
    `a log of artifacts for API ${api} has ${KEY_NAMES[api]} key, not this one`,
  );
}

/** What clients call a log with that key. Throws FormatError for a key that is none. */
export const artifactLogId = ({
  api,
  host,
  publicKey,
}: Pick<ArtifactLogIdentity, 'api' | 'host' | 'publicKey'>): Uint8Array =>
  api === 1 ? keyHash(sha256, publicKey) : noteKeyHash(sha256, host, publicKey);

/** With article. */
const KEY_NAMES: Readonly<Record<ArtifactApi, string>> = { 1: 'an ECDSA P-256', 2: 'an Ed25519' };

function identityText(identity: Omit<ArtifactLogIdentity, 'text'>): string {
  const { api, origin, host, treeId, firstLogIndex, logId, publicKey, createdAt } = identity;
  const fields = {
    version: 1,
    kind: 'artifacts',
    api,
    origin,
    host,
    ...(treeId === undefined ? {} : { treeId: treeId.toString(), firstLogIndex }),
    logId: toBase64(logId),
    publicKey: toBase64(publicKey),
    createdAt: new Date(createdAt).toISOString(),
  };
  return `${JSON.stringify(fields, undefined, 2)}\n`;
}

/** Reads the identity of the log in `directory`; throws LogError `LOG_MISSING` or `LOG_CORRUPT`. */
export const readArtifactLogIdentity = (directory: string): Promise<ArtifactLogIdentity> =>
  readIdentityFile(directory, parseArtifactIdentity);

/** The identity that the fields of a `log.json` say; throws for what is none. */
export function parseArtifactIdentity(fields: ReadonlyMap<string, unknown>): ArtifactLogIdentity {
  const text = (key: string): string => {
    const field = fields.get(key);
    if (typeof field !== 'string') throw new Error(`${key} is missing`);
    return field;
  };
  if (fields.get('version') !== 1) throw new Error('its version is unknown');
  if (fields.get('kind') !== 'artifacts') throw new Error('it is of another kind of log');
  const api = fields.get('api');
  if (api !== 1 && api !== 2) throw new Error('its api is unknown');
  const createdAt = parseRfc3339(text('createdAt'));
  if (createdAt === undefined) throw new Error('createdAt is not a time');
  const identity = artifactLogIdentity({
    api,
    host: text('host'),
    publicKey: fromBase64(text('publicKey')),
    createdAt,
    ...(api === 1
      ? { treeId: treeIdOf(text('treeId')), firstLogIndex: countOf(fields.get('firstLogIndex')) }
      : {}),
  });
  if (identity.origin !== text('origin')) throw new Error('origin does not follow from the other fields');
  if (!equalBytes(identity.logId, fromBase64(text('logId'))))
    throw new Error('logId is not that of publicKey');
  return identity;
}

function treeIdOf(text: string): bigint {
  const id = /^[1-9]\d{0,18}$/.test(text) ? BigInt(text) : 0n;
  if (id === 0n || id > MAX_TREE_ID) throw new Error('treeId is none');
  return id;
}

function countOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error('firstLogIndex is not a count');
}
