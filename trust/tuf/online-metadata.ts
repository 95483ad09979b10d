/** What the service signs by itself: snapshot and timestamp. */
import type { Signer } from '../../signers/signer.ts';
import { endOf, isSigned, signMetadata, type MetadataOf } from './metadata.ts';
import { newSnapshot, newTimestamp, nextVersion } from './new-metadata.ts';
import { LIFETIMES } from './roles.ts';
import { TufError } from './tuf-error.ts';
import { isKey } from './tuf-key.ts';

/** What is signed anew, and what was published before. */
export interface OnlineWork {
  readonly root: MetadataOf<'root'>;
  readonly targets: MetadataOf<'targets'>;
  /** Undefined for a new repository, and when the online key is another one: clients forget the versions with the key. */
  readonly before?:
    { readonly snapshot: MetadataOf<'snapshot'>; readonly timestamp: MetadataOf<'timestamp'> } | undefined;
  /** Versions that clients have seen under the same online key, where they may be higher than those of `before`: of a backup that was restored. */
  readonly seen?: OnlineVersions | undefined;
  /** Versions of snapshots whose files are there. Another online key begins anew at the present second, and must not write over the file
   * of a snapshot that the repository in force names. */
  readonly takenSnapshots?: ReadonlySet<number> | undefined;
}

/** The versions of what the service signs. */
export interface OnlineVersions {
  readonly snapshot: number;
  readonly timestamp: number;
}

/** Metadata that the service signed. */
interface OnlineMetadata {
  readonly snapshot: MetadataOf<'snapshot'>;
  readonly timestamp: MetadataOf<'timestamp'>;
}

/** What has to be signed. */
export type Due = 'nothing' | 'timestamp' | 'both';

/** What is due at `now`: metadata is signed anew after a third of its life, also when the clock has been set back behind the
 * moment at which it was signed. A snapshot that names other targets is always due. */
export function dueAt(now: number, { targets, before }: OnlineWork): Due {
  if (before === undefined) return 'both';
  const { snapshot, timestamp } = before;
  const isCurrent = snapshot.signed.meta['targets.json']?.version === targets.signed.version;
  if (!isCurrent || isWorn(snapshot, 'snapshot', now)) return 'both';
  return isWorn(timestamp, 'timestamp', now) ? 'timestamp' : 'nothing';
}

function isWorn(
  metadata: MetadataOf<'snapshot' | 'timestamp'>,
  role: 'snapshot' | 'timestamp',
  now: number,
): boolean {
  const life = LIFETIMES[role];
  const left = endOf(metadata) - now;
  return left <= (life * 2) / 3 || left > life + CLOCK_TOLERANCE;
}

/** A clock that was set back by less changes nothing. */
const CLOCK_TOLERANCE = 60_000;

/** Signs what is due with `signer`, whose key has to be the one that the root names. Rejects with {@link TufError} `TUF_REFUSED` for
 * another one. */
export async function signOnline(
  work: OnlineWork,
  due: Due,
  signer: Signer,
  now: number,
): Promise<OnlineMetadata> {
  requireOnlineKey(work.root, signer);
  const { before, targets } = work;
  const snapshot =
    due === 'both' || before === undefined ? await signedSnapshot(work, signer, now) : before.snapshot;
  const timestamp = newTimestamp(nextVersion(lastOf('timestamp', work), now), snapshot, now);
  await signMetadata(timestamp, signer);
  for (const [role, metadata] of [['snapshot', snapshot] as const, ['timestamp', timestamp] as const])
    if (!isSigned(work.root.signed, role, metadata))
      throw new TufError(
        'TUF_REFUSED',
        `one signature is not enough for the ${role} of version ${targets.signed.version}`,
        {
          hint: 'Snapshot and timestamp have one key, and a threshold of 1.',
        },
      );
  return { snapshot, timestamp };
}

const lastOf = (role: keyof OnlineVersions, { before, seen }: OnlineWork): number =>
  Math.max(before?.[role].signed.version ?? 0, seen?.[role] ?? 0);

async function signedSnapshot(
  work: OnlineWork,
  signer: Signer,
  now: number,
): Promise<MetadataOf<'snapshot'>> {
  const { targets, takenSnapshots } = work;
  let version = nextVersion(lastOf('snapshot', work), now);
  while (takenSnapshots?.has(version) === true) version++;
  const snapshot = newSnapshot(version, targets, now);
  await signMetadata(snapshot, signer);
  return snapshot;
}

/** Whether `root` lets `publicKey` sign snapshot and timestamp. */
export const isOnlineKey = ({ signed }: MetadataOf<'root'>, publicKey: Uint8Array): boolean =>
  (['snapshot', 'timestamp'] as const).every((role) =>
    (signed.roles[role]?.keyIDs ?? []).some((id) => {
      const key = signed.keys[id];
      return key !== undefined && isKey(key, publicKey);
    }),
  );

function requireOnlineKey(root: MetadataOf<'root'>, { publicKey }: Signer): void {
  if (isOnlineKey(root, publicKey)) return;
  throw new TufError(
    'TUF_REFUSED',
    'the online key is not the one that the root names for snapshot and timestamp',
    {
      hint: 'Restore keys/tuf-online.key.pem from a backup, or give the repository another one: `mayfly trust tuf stage --new-online-key`.',
    },
  );
}
