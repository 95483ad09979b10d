/** Makes the log that is to follow the one in use. */
import { rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { rfc3339, type Clock } from '../core/clock.ts';
import { createCtLog } from '../ct-log/create-log.ts';
import { openCtLog } from '../ct-log/ct-log.ts';
import { shareOwner, syncDirectory } from '../storage/durable-file.ts';
import { isMissing } from '../storage/read-whole.ts';
import { placesLike } from '../tlog/store/store-places.ts';
import { nameOfOrigin } from '../tlog/core/log-identity.ts';
import { readTrust } from '../trust/ledger.ts';
import { OWN_PATHS } from '../trust/public-urls.ts';
import { setCurrentLog } from './certificate-logs.ts';
import { systemFault } from './data-directory-error.ts';
import { openDataDirectory } from './data-directory.ts';
import { certificateLogPaths, type CertificateLogPaths, type DataPaths } from './data-paths.ts';
import { readLogHistory, type KnownLog, type LogHistory } from './known-logs.ts';
import { writeLogKeys } from './log-key-files.ts';
import { openLogKeys } from './open-key.ts';
import { isKeyEncrypted, passphraseForNewKey } from './private-key-file.ts';
import { RotationError } from './rotation-error.ts';
import { shareOwnerOfAll } from './share-owner.ts';
import { requireTrustedLog, stagedLog, unnamedKeys } from './staged-log.ts';

/** What is to be made. */
interface StageRequest {
  /** The data directory. */
  readonly data: string;
  /** The CA chain, DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  /** Opens the keys of the log in use, and encrypts the new ones if those are. */
  readonly passphrase: string | undefined;
  /** Default: that of the log in use with the year in the place of its name. */
  readonly origin?: string | undefined;
  /** In the place of that default: names of which the first that is free is taken, as the last part of its origin. */
  readonly names?: readonly string[] | undefined;
  readonly clock: Clock;
}

/** A log that is staged. */
interface StagedLog extends KnownLog {
  readonly current: KnownLog;
  /** False when it was staged before. */
  readonly isNew: boolean;
  /** As {@link LogHistory} has it. */
  readonly unreadable: readonly string[];
}

/**
 * Makes the log that is to follow the one in use, with keys of its own, and signs its empty head: so that it can be served and watched
 * before it is used, by processes that have no key. Takes no lock of the log in use, so that a service may run. Each step is durable, and after
 * a crash the same call finishes: the name of the log in use, the keys under names of their own, the log, the keys under their right
 * names, the signed head. Rejects with {@link RotationError}, and with what making and opening a log reject with.
 */
export async function stageLog(request: StageRequest): Promise<StagedLog> {
  const { paths } = await openDataDirectory(request.data, { write: true });
  const history = await historyOf(request.data);
  const { current } = history;
  const begun = stagedLog(history);
  if (begun !== undefined) {
    requireSame(begun, request.origin);
    await requireTrustedLog(begun, paths, request.clock());
  } else await makeLog(request, paths, history);
  const [log] = begun === undefined ? (await historyOf(request.data)).staged : [begun];
  if (log === undefined) throw new TypeError('the staged log is not among the logs');
  await nameKeys(log.paths, paths);
  await signFirstHead(log, request);
  await shareOwnerOfAll(log.paths.directory, current.paths.directory);
  return { ...log, current, isNew: begun === undefined, unreadable: history.unreadable };
}

const historyOf = async (data: string): Promise<LogHistory> => readLogHistory(await openDataDirectory(data));

function requireSame({ identity }: KnownLog, origin = identity.origin): void {
  if (origin === identity.origin) return;
  throw new RotationError('REFUSED', `${identity.origin} is staged already`, {
    hint: 'Put that one in use with --switch, and stage the next one after it; or give it up with --discard.',
  });
}

async function makeLog(request: StageRequest, paths: DataPaths, { current }: LogHistory): Promise<void> {
  const { clock, passphrase } = request;
  const isFree = await freeNames(paths);
  const names = request.names ?? namesOfYear(clock());
  const origin = request.origin ?? (await freeOrigin(current, names, isFree));
  const log = certificateLogPaths(paths, nameOfOrigin(origin));
  if (!(await isFree(log.name)))
    throw new RotationError('REFUSED', `there is a log called ${log.name} already, or there was one`, {
      hint: 'A name is used once, with its keys. Give another one: --origin HOST/log/NAME.',
    });
  if (clock() <= current.identity.createdAt) throw clockBehind(current);
  const shared = await passphraseLike(current.paths, paths, passphrase);
  // Before there is a second log: from then on nothing else says which is in use.
  if (await isMissing(paths.currentLog)) await setCurrentLog(paths, current.paths.name);
  await shareOwner(paths.currentLog, paths.logs);
  const unnamed = unnamedKeys(log);
  // What an interrupted call left is of no log: its log would be there.
  for (const file of Object.values(unnamed)) await rm(file, { force: true });
  const publicKeys = await writeLogKeys(unnamed, shared);
  for (const file of Object.values(unnamed)) await shareOwner(file, paths.keys);
  await syncDirectory(paths.keys);
  const { sctExtensions } = current.identity;
  const places = await placesLike(current.paths.directory, log.name);
  await createCtLog({ directory: log.directory, origin, sctExtensions, ...publicKeys, places, clock });
}

/** The passphrase for the new keys: that of the log in use if there is one, which is tried before a key has another one. Where a key of that log is elsewhere, the other keys of the directory decide. */
async function passphraseLike(
  { ecdsaKey, ed25519Key }: CertificateLogPaths,
  paths: DataPaths,
  passphrase: string | undefined,
): Promise<string | undefined> {
  if ((await isMissing(ecdsaKey)) || (await isMissing(ed25519Key)))
    return passphraseForNewKey(paths, ecdsaKey, passphrase);
  await openLogKeys({ ecdsaKey, ed25519Key }, passphrase);
  return (await isKeyEncrypted(ecdsaKey)) ? passphrase : undefined;
}

const clockBehind = ({ identity }: KnownLog): RotationError =>
  new RotationError(
    'REFUSED',
    `the clock is behind ${rfc3339(identity.createdAt)}, when ${identity.origin} was made`,
    {
      hint: 'Set the clock, and stage the log again.',
    },
  );

/** The year, with a letter when it is taken. */
const namesOfYear = (now: number): readonly string[] =>
  ['', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((letter) => `${new Date(now).getUTCFullYear()}${letter}`);

/** The origin of the log in use with the first name that is free in the place of its own. */
async function freeOrigin({ identity }: KnownLog, names: readonly string[], isFree: IsFree): Promise<string> {
  const above = identity.origin.slice(0, -identity.name.length);
  for (const name of names) if (await isFree(name)) return `${above}${name}`;
  throw new RotationError('REFUSED', `every name for a log of ${names[0] ?? ''} is taken`, {
    hint: 'Give one: --origin HOST/log/NAME.',
  });
}

type IsFree = (name: string) => Promise<boolean>;

/** Whether no log has or had a name. One that was moved away leaves its keys, or at least stands among what verifiers trust: a second log of
 * its name would have its origin and its URL. */
async function freeNames(paths: DataPaths): Promise<IsFree> {
  const { root } = await readTrust(paths);
  const urls = root.certificateLogs.map(({ baseUrl }) => (baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`));
  return async (name) => {
    const { directory, ecdsaKey, ed25519Key } = certificateLogPaths(paths, name);
    if (urls.some((url) => url.endsWith(OWN_PATHS.log(name)))) return false;
    for (const path of [directory, ecdsaKey, ed25519Key]) if (!(await isMissing(path))) return false;
    return true;
  };
}

/** Puts the keys of a log that is there in their place. */
async function nameKeys(log: CertificateLogPaths, { keys }: DataPaths): Promise<void> {
  const unnamed = unnamedKeys(log);
  for (const [file, from] of [
    [log.ecdsaKey, unnamed.ecdsaKey],
    [log.ed25519Key, unnamed.ed25519Key],
  ] as const) {
    if (!(await isMissing(file))) continue;
    await rename(from, file).catch((error: unknown) => {
      throw systemFault(basename(file), 'write', error);
    });
  }
  await syncDirectory(keys);
}

async function signFirstHead({ paths }: KnownLog, { chain, passphrase, clock }: StageRequest): Promise<void> {
  const signers = await openLogKeys(paths, passphrase);
  const log = await openCtLog({ directory: paths.directory, signers, chain, clock });
  await log.close();
}
