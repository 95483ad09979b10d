/** What clients may have seen of a repository: its versions, and whether they would follow another state of it. */
import type { OnlineVersions } from './online-metadata.ts';
import { hasOtherOnlineKeys, type Repository } from './repository.ts';
import { ONLINE_ROLES } from './roles.ts';

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
export const onlineVersions = ({ snapshot, timestamp }: Served): OnlineVersions => ({
  snapshot: snapshot.signed.version,
  timestamp: timestamp.signed.version,
});

/** Clients forget versions with the keys that signed them. */
export const hasSameOnlineKeys = (a: Served, b: Served): boolean =>
  !hasOtherOnlineKeys(a.root.signed, b.root.signed);

/** Whether clients that have seen `seen` refuse `repository`. */
export const isLower = (repository: Served, seen: Served): boolean =>
  hasSameOnlineKeys(repository, seen) &&
  ONLINE_ROLES.some((role) => repository[role].signed.version < seen[role].signed.version);
