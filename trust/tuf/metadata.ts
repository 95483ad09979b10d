/** Signed metadata of TUF: read, written, signed and judged. */
import {
  Metadata,
  MetadataKind,
  Root,
  Signature,
  Targets,
  type Key,
  type Snapshot,
  type Timestamp,
} from '@tufjs/models';
import { toHex, utf8 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import type { Signer } from '../../signers/signer.ts';
import { ROLES, type RoleName } from './roles.ts';
import { TufError } from './tuf-error.ts';
import { requireOwnId, sameKeyText, tufKey } from './tuf-key.ts';

/** Role → what its metadata says. */
export interface SignedOf {
  readonly root: Root;
  readonly targets: Targets;
  readonly snapshot: Snapshot;
  readonly timestamp: Timestamp;
}

/** Metadata of a role, with its signatures. */
export type MetadataOf<R extends RoleName> = Metadata<SignedOf[R]>;

/** Metadata of any role. */
export type AnyMetadata = Metadata<Root | Targets | Snapshot | Timestamp>;

/** What clients take of one file at most is half a megabyte or more. */
const LIMITS = { length: 500_000, depth: 12 };

/** Reads a file of metadata. Throws {@link TufError} `TUF_MALFORMED` for what clients, or we, would not understand: also for roles that are
 * not the four of TUF, for delegations, and for keys under ids that are not theirs. */
export function parseMetadata<R extends RoleName>(role: R, bytes: Uint8Array): MetadataOf<R> {
  try {
    if (bytes.length > LIMITS.length) throw malformed(role, `it has more than ${LIMITS.length} bytes`);
    return metadataOfJson(role, jsonOf(bytes));
  } catch (error) {
    throw error instanceof TufError ? error : malformed(role, messageOf(error), error);
  }
}

/** The same for JSON that is part of another file. */
export function metadataOfJson<R extends RoleName>(role: R, json: JsonValue): MetadataOf<R> {
  try {
    const metadata = READERS[role](json as never);
    check(metadata.signed);
    return metadata as MetadataOf<R>;
  } catch (error) {
    throw error instanceof TufError ? error : malformed(role, messageOf(error), error);
  }
}

/** The library checks what it is given. */
const READERS = {
  root: (json: never) => Metadata.fromJSON(MetadataKind.Root, json),
  targets: (json: never) => Metadata.fromJSON(MetadataKind.Targets, json),
  snapshot: (json: never) => Metadata.fromJSON(MetadataKind.Snapshot, json),
  timestamp: (json: never) => Metadata.fromJSON(MetadataKind.Timestamp, json),
};

function check(signed: Root | Targets | Snapshot | Timestamp): void {
  const { version, expires } = signed;
  if (!Number.isSafeInteger(version) || version < 1)
    throw malformed(signed.type, 'its version is no number from 1 on');
  // The one form that every client reads. JavaScript alone would take nearly any text.
  if (rfc3339(Date.parse(expires)) !== expires) throw malformed(signed.type, 'its end is no time');
  if (signed instanceof Targets && signed.delegations !== undefined)
    throw malformed('targets', 'it has delegations');
  if (!(signed instanceof Root)) return;
  if (!signed.consistentSnapshot) throw malformed('root', 'it has no consistent snapshots');
  for (const key of Object.values(signed.keys)) requireOwnId(key);
  const names = Object.keys(signed.roles);
  if (names.length !== ROLES.length) throw malformed('root', `its roles are ${names.join(', ')}`);
  for (const name of ROLES) checkRole(signed, name);
}

function checkRole(root: Root, name: RoleName): void {
  const { keyIDs = [], threshold = 0 } = root.roles[name] ?? {};
  if (keyIDs.some((id) => root.keys[id] === undefined))
    throw malformed('root', `a key of ${name} is missing`);
  checkKeys(root, name);
  if (!Number.isSafeInteger(threshold) || threshold > keyIDs.length)
    throw malformed('root', `${name} needs ${threshold} signatures and has ${keyIDs.length} keys`);
}

function checkKeys({ roles, keys }: Root, name: string): void {
  const found = (roles[name]?.keyIDs ?? []).flatMap((id) => keys[id] ?? []);
  if (distinctKeys(found) !== found.length)
    throw malformed('root', `a key stands twice among those of ${name}`);
}

const distinctKeys = (keys: readonly Key[]): number => new Set(keys.map(sameKeyText)).size;

/** Throws {@link TufError} `TUF_REFUSED` unless each root that the library has followed from `first` on, all of which are among `others`, is signed by as many different keys as
 * the root before and itself demand: the library counts a key that stands there under two ids twice. A root that is passed through may have such keys, as where clients were to learn keys in another form. */
export function requireDistinctSigners(first: Uint8Array, others: readonly Uint8Array[]): void {
  const byVersion = new Map(
    others
      .map((bytes) => Metadata.fromJSON(MetadataKind.Root, jsonOf(bytes) as never))
      .map((root) => [root.signed.version, root]),
  );
  let before = Metadata.fromJSON(MetadataKind.Root, jsonOf(first) as never);
  for (;;) {
    const root = byVersion.get(before.signed.version + 1);
    if (root === undefined) return;
    for (const { signed } of [before, root]) {
      const signers = signersOf(signed, 'root', root).flatMap((id) => signed.keys[id] ?? []);
      if (distinctKeys(signers) < (signed.roles['root']?.threshold ?? Infinity))
        throw new TufError(
          'TUF_REFUSED',
          `version ${root.signed.version} of the root is signed by too few different keys`,
          {
            hint: 'A key that stands in it twice counts once. Ask the operator, over a channel that you trust.',
          },
        );
    }
    before = root;
  }
}

const jsonOf = (bytes: Uint8Array): JsonValue =>
  parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes), LIMITS);

/** The library repeats what it does not expect, however long that is. */
const malformed = (role: string, why: string, cause?: unknown): TufError =>
  new TufError('TUF_MALFORMED', `this is no usable ${role} metadata: ${why.slice(0, LONGEST_REASON)}`, {
    cause,
  });

const LONGEST_REASON = 200;

/** The file of metadata, as it is published. */
export const encodeMetadata = (metadata: AnyMetadata): Uint8Array =>
  utf8(`${JSON.stringify(metadata.toJSON())}\n`);

/** Milliseconds since the epoch at which metadata ends. */
export const endOf = ({ signed }: AnyMetadata): number => Date.parse(signed.expires);

/** Adds the signature of `signer` to `metadata`. */
export async function signMetadata(metadata: AnyMetadata, signer: Signer): Promise<void> {
  const keyID = tufKey(signer.publicKey).keyID;
  const sig = toHex(await signer.sign(canonicalBytes(metadata)));
  metadata.signatures[keyID] = new Signature({ keyID, sig });
}

/** What is signed. The library makes the bytes only for a function that signs at once. */
export function canonicalBytes({ signed }: AnyMetadata): Uint8Array {
  let bytes: Uint8Array = new Uint8Array();
  new Metadata(signed).sign((data) => {
    bytes = new Uint8Array(data);
    return new Signature({ keyID: '', sig: '' });
  });
  return bytes;
}

/** Whether two say the same, regardless of their signatures. */
export const saysTheSame = (a: AnyMetadata, b: AnyMetadata): boolean =>
  Buffer.compare(canonicalBytes(a), canonicalBytes(b)) === 0;

/** The ids of those keys of `role` in `root` whose signature over `metadata` is right. */
export const signersOf = (root: Root, role: RoleName, metadata: AnyMetadata): readonly string[] =>
  (root.roles[role]?.keyIDs ?? []).filter((id) => isSignedBy(root.keys[id], metadata));

/** Whether the signature under the id of `key` is right. One whose digits are followed by anything else is not: Node.js would pass over what other
 * clients refuse. */
export function isSignedBy(key: Key | undefined, metadata: AnyMetadata): boolean {
  if (key === undefined || !Object.hasOwn(metadata.signatures, key.keyID)) return false;
  if (!/^(?:[0-9a-f]{2})+$/i.test(metadata.signatures[key.keyID]?.sig ?? '')) return false;
  try {
    key.verifySignature(metadata);
    return true;
  } catch {
    return false;
  }
}

/** `metadata` with those signatures alone that are right by the keys of `role` in one of `roots`, and without what stands beside the two: nobody
 * signed it. */
export function onlySigned<R extends RoleName>(
  role: R,
  metadata: MetadataOf<R>,
  roots: readonly Root[],
): MetadataOf<R> {
  const ids = new Set(roots.flatMap((root) => signersOf(root, role, metadata)));
  const signatures = Object.entries(metadata.signatures).filter(([id]) => ids.has(id));
  return new Metadata(metadata.signed, Object.fromEntries(signatures));
}

/** How many more keys of `role` in `root` have to sign `metadata`. */
export const missingSignatures = (root: Root, role: RoleName, metadata: AnyMetadata): number =>
  Math.max(0, (root.roles[role]?.threshold ?? Infinity) - signersOf(root, role, metadata).length);

/** Whether enough keys of `role` in `root` signed `metadata`. */
export const isSigned = (root: Root, role: RoleName, metadata: AnyMetadata): boolean =>
  missingSignatures(root, role, metadata) === 0;
