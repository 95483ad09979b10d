/** The identity of a log whose commit store is of an older version: it keeps the log's id alone, and `log.json` can be
 * edited unseen by it. */
import { FormatError } from '../core/errors.ts';
import { parseCheckpoint } from '../tlog/format/checkpoint.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { IDENTITY_FILE } from '../tlog/core/log-identity.ts';
import type { IdentityEvidence } from '../tlog/log-kind.ts';
import { verifyCheckpoint } from '../tlog/tree/verify-head.ts';
import { parseTileLeaf } from './format/leaf.ts';
import type { CtLogIdentity, SctExtensions } from './log-identity.ts';
import { logKeys } from './log-keys.ts';

/** Holds log.json to what it will be bound to it with: the name on the signed checkpoint, and the extensions of an entry.
 * Returns what nothing confirms, a sentence each. Throws {@link LogError} `LOG_CORRUPT` when log.json was edited. */
export function requireUnedited(
  identity: CtLogIdentity,
  { checkpoint, entry, size, storeName }: IdentityEvidence,
): string[] {
  const origin = checkpoint === undefined ? undefined : signedOrigin(identity, checkpoint);
  if (origin !== undefined && origin !== identity.origin) throw unlike('origin', origin, 'checkpoint');
  const made = entry === undefined ? undefined : extensionsOf(entry);
  if (made !== undefined && made !== identity.sctExtensions) throw unlike('sctExtensions', made, 'entries');
  return [
    ...(origin === undefined ? [unconfirmed(storeName, 'origin', identity.origin)] : []),
    ...(made === undefined && size > 0
      ? [unconfirmed(storeName, 'sctExtensions', identity.sctExtensions)]
      : []),
  ];
}

/** Undefined when it cannot be read. */
function extensionsOf(entry: Uint8Array): SctExtensions | undefined {
  try {
    return parseTileLeaf(entry).extensions.length > 0 ? 'leaf_index' : 'none';
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

const unconfirmed = (storeName: string, field: string, value: string): string =>
  `${storeName} is of an older version and is bound to ${IDENTITY_FILE} from now on; that its ${field} is still ` +
  `"${value}" is shown by no other file of this log`;

/** The name on a checkpoint that this log's keys signed; undefined when they did not. */
function signedOrigin(identity: CtLogIdentity, checkpoint: Uint8Array): string | undefined {
  try {
    const { origin } = parseCheckpoint(checkpoint);
    return verifyCheckpoint(checkpoint, logKeys({ ...identity, origin })).origin;
  } catch {
    return undefined;
  }
}

const unlike = (field: string, was: string, where: string): LogError =>
  new LogError(
    'LOG_CORRUPT',
    `${IDENTITY_FILE} was edited: ${field} is "${was}" by the ${where} of this log`,
    {
      hint: `Write that into ${IDENTITY_FILE} again. Nothing was changed.`,
    },
  );
