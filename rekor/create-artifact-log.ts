/** Makes logs of artifacts. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { utf8 } from '../core/bytes.ts';
import type { Clock } from '../core/clock.ts';
import { messageOf, systemCode } from '../core/errors.ts';
import type { Signer } from '../signers/signer.ts';
import { makeDirectory, syncDirectory } from '../storage/durable-file.ts';
import { naming } from '../storage/file-fault.ts';
import { makeUnfinished, removeUnfinished } from '../storage/make-directory.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { StorePlaces } from '../tlog/store/store-places.ts';
import { createLog } from '../tlog/create-log.ts';
import type { LoggedSignature } from './format/logged-signature.ts';
import { hashedrekord1 } from './format/rekor-v1-body.ts';
import { hashedrekord2 } from './format/rekor-v2-body.ts';
import {
  artifactLogIdentity,
  MAX_TREE_ID,
  type ArtifactApi,
  type ArtifactLogIdentity,
} from './log-identity.ts';
import { openArtifactLog } from './open-artifact-log.ts';

/** A log of artifacts to be made. */
export interface NewArtifactLog {
  /** Where it will be; must not exist, or be empty. */
  readonly directory: string;
  readonly api: ArtifactApi;
  /** Of the public URL. */
  readonly host: string;
  /** A key that no other log uses: ECDSA P-256 for the first API, Ed25519 for the second. */
  readonly signer: Signer;
  /** Entries of the trees of the first API before this one; default 0. */
  readonly firstLogIndex?: number | undefined;
  /** Where its stores are to be, in which there is nothing yet; default: in the directory. */
  readonly places?: StorePlaces | undefined;
  readonly clock: Clock;
}

/**
 * Makes the directory of a new log of artifacts, with an entry of its own at index 0: clients of today refuse bundles about the first entry of a
 * log, and about one that is alone. All or nothing: it is built beside, logged into, closed and renamed into place, so a crash leaves at most a directory
 * `.NAME-…` that nobody reads, and that the next call removes. Throws {@link LogError} `LOG_EXISTS` when something is there already, `LOG_BAD_ORIGIN`, `LOG_WRONG_KEY`, and what making and
 * opening a log throw.
 */
export async function createArtifactLog(log: NewArtifactLog): Promise<ArtifactLogIdentity> {
  const { directory, api, host, signer, firstLogIndex = 0, places, clock } = log;
  const { publicKey } = signer;
  const createdAt = clock();
  const ofFirstApi = api === 1 ? { treeId: newTreeId(), firstLogIndex } : {};
  const identity = artifactLogIdentity({ api, host, publicKey, createdAt, ...ofFirstApi });
  const parent = dirname(directory);
  const building = await makePlace(directory);
  try {
    const built = join(building, 'log');
    await createLog({ directory: built, identity, createdAt, places });
    await logFirstEntry(built, signer, clock);
    await naming(directory, 'renamed', rename(built, directory));
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw existsError(directory);
    throw error;
  } finally {
    await rm(building, { recursive: true, force: true }).catch(() => undefined);
  }
  // Each has a checkpoint of another tree, signed with the key that is that of the log now.
  await removeUnfinished(parent, basename(directory));
  await syncDirectory(parent);
  return identity;
}

async function makePlace(directory: string): Promise<string> {
  const parent = dirname(directory);
  try {
    await makeDirectory(parent);
    return await makeUnfinished(directory);
  } catch (cause) {
    throw new LogError('LOG_STORAGE', `a log cannot be made in ${parent}: ${messageOf(cause)}`, { cause });
  }
}

async function logFirstEntry(directory: string, signer: Signer, clock: Clock): Promise<void> {
  const log = await openArtifactLog({ directory, signer, clock });
  try {
    await log.add({ body: await firstBody(log.identity), namedDigests: [] });
  } finally {
    await log.close();
  }
  const { checkpointFailure } = log.status();
  if (checkpointFailure !== undefined) throw new LogError('LOG_STORAGE', checkpointFailure);
}

/** A signature by a key that nobody keeps over a text that names the log: no other log has this entry. */
async function firstBody({ api, origin }: ArtifactLogIdentity): Promise<Uint8Array> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const text = utf8(`The first entry of the log ${origin}\n`);
  const logged: LoggedSignature = {
    verifier: { spki: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })) },
    signature: sign('sha256', text, privateKey),
    signed: { type: 'message', hash: 'sha256', digest: sha256(text) },
  };
  const body = api === 1 ? hashedrekord1(logged) : await hashedrekord2(logged, (_, data) => sha256(data));
  return utf8(JSON.stringify(body));
}

function newTreeId(): bigint {
  for (;;) {
    const id = randomBytes(8).readBigUInt64BE() & MAX_TREE_ID;
    if (id !== 0n) return id;
  }
}

const existsError = (directory: string): LogError =>
  new LogError('LOG_EXISTS', `${directory} already holds something`, {
    hint: 'A log is never overwritten.',
  });
