/**
 * Where a commit store was used last, as it notes itself: machine, file and path. By that a start notices that it has a copy: where files were copied to another machine it is refused, and
 * where less is certain it is said. Only what stays the same in place is compared, so that a restart is never refused. A copy of a whole disk on the same machine has nothing that differs.
 */
import { realpathSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { fileIdentity } from '../../storage/place-identity.ts';
import { LogError } from '../core/log-error.ts';

/** Where a commit store is used. What the system does not say is absent. */
export interface StoreLocation {
  /** Absolute, without symbolic links. */
  readonly path: string;
  /** As {@link fileIdentity} names the file. */
  readonly file?: string | undefined;
  /** As `machineId` names the machine. */
  readonly machine?: string | undefined;
}

/** Where it was used last. */
export interface NotedLocation extends StoreLocation {
  /** When an operator took this copy into use, RFC 3339; absent once a start has said so. */
  readonly adopted?: string | undefined;
}

/** What a store says of where it was used last; undefined where it says nothing. */
export type Noted = NotedLocation | 'damaged' | undefined;

/** A store that a copy of the log's directory takes along. */
export interface LocatedStore {
  /** Where it is; `machine` is the id of the machine. */
  here(machine: string | undefined): StoreLocation;
  /** Whether the store at that path is being written, by this process or another one. */
  isInUse(path: string): boolean;
  /** Notes where it is used, once it may be written. Durable when it resolves. */
  note(location: NotedLocation): Promise<void>;
}

/** The location of the store at `path` on the machine of that id. Rejects with the system's error when there is no file. */
export function locationOf(path: string, machine: string | undefined): StoreLocation {
  const real = realpathSync(path);
  return { path: real, file: fileIdentity(real), machine };
}

/** What a store keeps of it: the CRC-32 of the rest, and that. */
export function textOfLocation({ path, file, machine, adopted }: NotedLocation): string {
  const text = JSON.stringify({ path, file, machine, adopted });
  return `${crc32(text)} ${text}`;
}

/** Of what a store keeps. */
export function locationFrom(noted: string): NotedLocation | 'damaged' {
  const [sum = '', text = ''] = split(noted);
  if (sum !== String(crc32(text))) return 'damaged';
  try {
    const { path, file, machine, adopted } = JSON.parse(text) as Record<string, unknown>;
    if (typeof path !== 'string') return 'damaged';
    return { path, file: textOr(file), machine: textOr(machine), adopted: textOr(adopted) };
  } catch {
    return 'damaged';
  }
}

const split = (text: string): readonly string[] => {
  const at = text.indexOf(' ');
  return at < 0 ? [] : [text.slice(0, at), text.slice(at + 1)];
};

const textOr = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Whether nothing is to be written. */
export const isSameLocation = (noted: Noted, here: StoreLocation): boolean =>
  noted !== undefined && noted !== 'damaged' && textOfLocation(noted) === textOfLocation(here);

/** How the location of a store differs from the one that it notes. Of what is not known on both sides nothing is said. */
export interface LocationChange {
  readonly isOtherMachine: boolean;
  /** Another file: files were copied, and not a disk moved. */
  readonly isOtherFile: boolean;
}

/** What changed since the store noted that. */
export function changeOf(noted: NotedLocation, here: StoreLocation): LocationChange {
  const differs = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && a !== b;
  return {
    isOtherMachine: differs(noted.machine, here.machine),
    isOtherFile: differs(noted.file, here.file),
  };
}

/** What a store says of itself. */
interface Stored {
  readonly noted?: Noted;
  readonly frozenAt?: number | undefined;
}

/** Where the store of a log that goes on is, and what should be known of that, a sentence each. Throws {@link LogError} `LOG_COPIED`. */
export function judgeStore(
  { noted, frozenAt }: Stored,
  location: LocatedStore | undefined,
  machine: string | undefined,
): { readonly here: StoreLocation | undefined; readonly copied: readonly string[] } {
  if (location === undefined || frozenAt !== undefined) return { here: undefined, copied: [] };
  const here = location.here(machine);
  return { here, copied: judgeLocation(noted, here, (path) => location.isInUse(path)) };
}

/**
 * Judges a store that was used at `noted` and is at `here` now; `isInUse` says whether the store of a path is being written. Resolves with what should be known, a sentence each. Throws {@link LogError} `LOG_COPIED` when files were copied
 * to another machine, or the store that they were copied from is in use beside it.
 */
function judgeLocation(noted: Noted, here: StoreLocation, isInUse: (path: string) => boolean): string[] {
  if (noted === undefined) return [];
  if (noted === 'damaged') return [damaged(here)];
  const { isOtherMachine, isOtherFile } = changeOf(noted, here);
  if (isOtherFile) refuseBeside(noted, here, isInUse);
  if (isOtherMachine && isOtherFile) throw copied(here, 'it was in use on another machine before', ADOPT);
  const adopted =
    noted.adopted === undefined
      ? []
      : [`${here.path} was taken into use by \`mayfly log adopt\` at ${noted.adopted}`];
  if (isOtherMachine) return [...adopted, otherMachine(here)];
  return isOtherFile ? [...adopted, otherFile(here)] : adopted;
}

/** Throws {@link LogError} `LOG_COPIED` while the store that another file was copied from is in use, where this process can see that. */
export function refuseBeside(
  noted: NotedLocation,
  here: StoreLocation,
  isInUse: (path: string) => boolean,
): void {
  if (isOriginalInUse(noted, here, isInUse))
    throw copied(here, `the log that it was copied from is in use: ${noted.path}`, COPY_AGAIN);
}

/** On this machine, and there still. */
const isOriginalInUse = (
  { path, file }: NotedLocation,
  here: StoreLocation,
  isInUse: (path: string) => boolean,
): boolean => path !== here.path && fileIdentity(path) === file && isInUse(path);

const copied = ({ path }: StoreLocation, why: string, what: string): LogError =>
  new LogError('LOG_COPIED', `${path} is a copy: ${why}`, {
    hint: `Nothing was changed. Two copies that both go on make the log contradict itself. ${what} docs/keys-and-backups.md, "Moving to another machine".`,
  });

const ADOPT =
  'Is this the copy that was made last, with the service stopped, and will the other one never be started again? Then take it into use: `mayfly log adopt --data DIR`.';

/** What was logged there since is in no copy yet. */
const COPY_AGAIN =
  'Stop the service there, then copy the directory again: this copy may lack what was logged since.';

const damaged = ({ path }: StoreLocation): string =>
  `what ${path} says of where it was used last is damaged, and noted anew now: whether it is a copy is not known. ${FORKS}`;

const FORKS =
  'If anything was logged after the copy was made, or the other one may be started again, stop this service: the log would contradict itself; docs/keys-and-backups.md, "Why an old commit store must not be restored". This is said once';

const otherFile = ({ path }: StoreLocation): string =>
  `${path} is not the file that was in use last, but a copy: a backup that was put back, or a directory that was copied. ${FORKS}`;

const otherMachine = ({ path }: StoreLocation): string =>
  `${path} was in use on another machine last, and the disk is the same one, or a clone of it. If that machine was cloned and may still run, stop one of the two: the log would contradict itself; ` +
  'docs/keys-and-backups.md, "Moving to another machine". This is said once';
