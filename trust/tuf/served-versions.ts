/** What clients may have seen of a repository: its versions, and whether they would follow another state of it. */
import type { OnlineVersions } from './online-metadata.ts';
import { hasOtherOnlineKeys, type Repository } from './repository.ts';
import { OFFLINE_ROLES, ONLINE_ROLES } from './roles.ts';

/** Version of the metadata of each role. */
export interface TufVersions {
  readonly root: number;
  readonly targets: number;
  readonly snapshot: number;
  readonly timestamp: number;
}

/** The versions of a repository. */
export const versionsIn = ({ root, targets, snapshot, timestamp }: Repository): TufVersions => ({
  root: root.signed.version,
  targets: targets.signed.version,
  snapshot: snapshot.signed.version,
  timestamp: timestamp.signed.version,
});

/** What was served last, and under which root. */
export type Served = Pick<Repository, 'root' | 'snapshot' | 'timestamp'>;

/** The versions that the online key signed. */
const onlineVersions = ({ snapshot, timestamp }: Served): OnlineVersions => ({
  snapshot: snapshot.signed.version,
  timestamp: timestamp.signed.version,
});

/** Clients forget versions with the keys that signed them. */
const hasSameOnlineKeys = (a: Served, b: Served): boolean =>
  !hasOtherOnlineKeys(a.root.signed, b.root.signed);

/** Whether clients that have seen `seen` refuse `repository`. */
export const isLower = (repository: Served, seen: Served): boolean =>
  hasSameOnlineKeys(repository, seen) &&
  ONLINE_ROLES.some((role) => repository[role].signed.version < seen[role].signed.version);

/** How a state of a repository is beside another one of the same. `apart`: of root and targets, one is older and one is newer. */
export type StateOrder = 'earlier' | 'same' | 'later' | 'apart';

/** How `state` is beside `other`, by the versions that people sign, and by the others where those are the same: so of any two states one is the earlier wherever they are compared. */
export function compareStates(state: Repository, other: Repository): StateOrder {
  const [a, b] = [versionsIn(state), versionsIn(other)];
  const steps = OFFLINE_ROLES.map((role) => Math.sign(a[role] - b[role]));
  if (steps.includes(1) && steps.includes(-1)) return 'apart';
  const step = steps.find((one) => one !== 0) ?? Math.sign(a.timestamp - b.timestamp);
  const last = step === 0 ? Math.sign(a.snapshot - b.snapshot) : step;
  return last === 0 ? 'same' : last < 0 ? 'earlier' : 'later';
}

/** The highest versions under the online keys of `current` of what clients may have seen; undefined where they saw none. */
export function highestSeen(
  current: Served,
  seen: readonly (Served | undefined)[],
): OnlineVersions | undefined {
  const versions = seen.flatMap((one) =>
    one !== undefined && hasSameOnlineKeys(current, one) ? [onlineVersions(one)] : [],
  );
  if (versions.length === 0) return undefined;
  return {
    snapshot: Math.max(...versions.map(({ snapshot }) => snapshot)),
    timestamp: Math.max(...versions.map(({ timestamp }) => timestamp)),
  };
}
