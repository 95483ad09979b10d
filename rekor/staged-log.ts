/** A log of artifacts that is to follow another one: it has a key, which verifiers may trust already, and no tree. Where its first entry stands among those of the
 * first API is known only when the one before it has ended. */
import { readFile } from 'node:fs/promises';
import { fromBase64, toBase64, utf8 } from '../core/bytes.ts';
import { parseRfc3339 } from '../core/clock.ts';
import { messageOf, systemCode } from '../core/errors.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { artifactLogId, requireHostAndKey, type ArtifactLogIdentity } from './log-identity.ts';

/** What is known of it. */
export type StagedArtifactLog = Pick<
  ArtifactLogIdentity,
  'api' | 'host' | 'publicKey' | 'logId' | 'createdAt'
>;

/** Writes it to `file`. Durable when it resolves; throws LogError `LOG_BAD_ORIGIN` and `LOG_WRONG_KEY` as `artifactLogIdentity` does, and the system's error. */
export async function writeStagedLog(
  file: string,
  fields: Omit<StagedArtifactLog, 'logId'>,
): Promise<StagedArtifactLog> {
  requireHostAndKey(fields);
  const { api, host, publicKey, createdAt } = fields;
  const times = { createdAt: new Date(createdAt).toISOString() };
  const text = JSON.stringify(
    { version: 1, kind: 'staged-artifacts', api, host, publicKey: toBase64(publicKey), ...times },
    undefined,
    2,
  );
  await writeDurably(file, utf8(`${text}\n`), 0o644);
  return { api, host, publicKey, createdAt, logId: artifactLogId(fields) };
}

/** What `file` says; undefined where it is not there. Throws LogError `LOG_STORAGE` and `LOG_CORRUPT`. */
export async function readStagedLog(file: string): Promise<StagedArtifactLog | undefined> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    if (systemCode(cause) === 'ENOENT') return undefined;
    throw new LogError('LOG_STORAGE', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  });
  if (text === undefined) return undefined;
  try {
    return parseStaged(new Map(Object.entries(JSON.parse(text) as object)));
  } catch (cause) {
    throw new LogError('LOG_CORRUPT', `${file} is damaged: ${messageOf(cause)}`, {
      hint: 'Restore it from a copy, or give up the log that is staged: `mayfly rekor rotate --discard`.',
      cause,
    });
  }
}

function parseStaged(fields: ReadonlyMap<string, unknown>): StagedArtifactLog {
  const [api, host, key, time] = ['api', 'host', 'publicKey', 'createdAt'].map((name) => fields.get(name));
  if (fields.get('version') !== 1 || fields.get('kind') !== 'staged-artifacts')
    throw new Error('its version is unknown');
  if (api !== 1 && api !== 2) throw new Error('its api is unknown');
  if (typeof host !== 'string' || typeof key !== 'string' || typeof time !== 'string')
    throw new Error('a field is missing');
  const createdAt = parseRfc3339(time);
  if (createdAt === undefined) throw new Error('createdAt is not a time');
  const publicKey = fromBase64(key);
  requireHostAndKey({ api, host, publicKey });
  return { api, host, publicKey, createdAt, logId: artifactLogId({ api, host, publicKey }) };
}
