/** New metadata, not signed yet. */
import { MetaFile, Metadata, Root, Snapshot, Targets, Timestamp, type Key } from '@tufjs/models';
import { hash } from 'node:crypto';
import { rfc3339 } from '../../core/clock.ts';
import { encodeMetadata, type MetadataOf } from './metadata.ts';
import { LIFETIMES, ROLES, type RoleName } from './roles.ts';
import { describeTargets, TARGET_HASHES, type TargetContents } from './target-contents.ts';
import { TufError } from './tuf-error.ts';

/** TUF's version that the metadata follows. */
const SPEC_VERSION = '1.0.31';

/** The keys of a role, and how many of them have to sign. */
export interface RoleKeys {
  readonly keys: readonly Key[];
  readonly threshold: number;
}

/** Role → its keys. */
export type KeysOfRoles = Readonly<Record<RoleName, RoleKeys>>;

/** What all metadata begins with. */
const head = (
  role: RoleName,
  version: number,
  now: number,
): { version: number; specVersion: string; expires: string } => ({
  version,
  specVersion: SPEC_VERSION,
  expires: rfc3339(now + LIFETIMES[role]),
});

/** A version that is higher than `last` and than every version that was published before, also by a directory of which a backup
 * was restored: seconds since the epoch, as long as the clock and `last` allow it. Throws {@link TufError} when there is none. */
export function nextVersion(last: number | undefined, now: number): number {
  const version = Math.max((last ?? 0) + 1, Math.floor(now / 1000));
  if (Number.isSafeInteger(version)) return version;
  throw new TufError('TUF_REFUSED', `there is no version after ${last ?? 0}`, {
    hint: 'Give the repository another online key: `mayfly trust tuf stage --new-online-key`. Versions of snapshot and timestamp begin anew with it; those of targets do not.',
  });
}

/** The highest version that targets may have by a clock that says `now`, and may be a day behind. After a higher one there could be none for a long time, or ever. */
export const highestVersion = (now: number): number => Math.floor((now + CLOCK_TOLERANCE) / 1000);

/** The latest end that metadata of the role may have by such a clock, in milliseconds since the epoch. */
export const latestEnd = (role: RoleName, now: number): number => now + LIFETIMES[role] + CLOCK_TOLERANCE;

/** Milliseconds by which the clocks of those who stage, sign and import may differ. */
const CLOCK_TOLERANCE = 86_400_000;

/** Whether the metadata has what {@link newRoot} and {@link newTargets} put into it, and nothing else, which would be signed unseen. */
export function hasOnlyKnownMembers(signed: Root | Targets): boolean {
  const parts: readonly WithMembers[] =
    signed instanceof Targets ? [] : [...Object.values(signed.keys), ...Object.values(signed.roles)];
  return signed.specVersion === SPEC_VERSION && [signed, ...parts].every(hasOwnMembersAlone);
}

/** As the library reads it. */
interface WithMembers {
  readonly unrecognizedFields?: object;
}

/** The library leaves the type of metadata, which it has compared, among those that it does not know. */
const hasOwnMembersAlone = ({ unrecognizedFields = {} }: WithMembers): boolean =>
  Object.keys(unrecognizedFields).every((name) => name === '_type');

/** Root metadata. Its versions have no gaps: clients ask for one after the other. */
export function newRoot(version: number, keys: KeysOfRoles, now: number): MetadataOf<'root'> {
  const root = new Root(head('root', version, now));
  for (const role of ROLES) {
    for (const key of keys[role].keys) root.addKey(key, role);
    Object.assign(root.roles[role] ?? {}, { threshold: keys[role].threshold });
  }
  return new Metadata(root);
}

/** The keys that root metadata names. */
export function keysOf(root: Root): KeysOfRoles {
  const of = (role: RoleName): RoleKeys => ({
    keys: (root.roles[role]?.keyIDs ?? []).flatMap((id) => root.keys[id] ?? []),
    threshold: root.roles[role]?.threshold ?? 1,
  });
  return { root: of('root'), targets: of('targets'), snapshot: of('snapshot'), timestamp: of('timestamp') };
}

/** Targets metadata for `contents`. */
export const newTargets = (version: number, contents: TargetContents, now: number): MetadataOf<'targets'> =>
  new Metadata(new Targets({ ...head('targets', version, now), targets: describeTargets(contents) }));

/** Snapshot metadata for signed `targets`. */
export const newSnapshot = (
  version: number,
  targets: MetadataOf<'targets'>,
  now: number,
): MetadataOf<'snapshot'> =>
  new Metadata(
    new Snapshot({ ...head('snapshot', version, now), meta: { 'targets.json': metaFile(targets) } }),
  );

/** Timestamp metadata for a signed `snapshot`. */
export const newTimestamp = (
  version: number,
  snapshot: MetadataOf<'snapshot'>,
  now: number,
): MetadataOf<'timestamp'> =>
  new Metadata(new Timestamp({ ...head('timestamp', version, now), snapshotMeta: metaFile(snapshot) }));

function metaFile(metadata: MetadataOf<'targets'> | MetadataOf<'snapshot'>): MetaFile {
  const bytes = encodeMetadata(metadata);
  return new MetaFile({
    version: metadata.signed.version,
    length: bytes.length,
    hashes: Object.fromEntries(TARGET_HASHES.map((algorithm) => [algorithm, hash(algorithm, bytes, 'hex')])),
  });
}
