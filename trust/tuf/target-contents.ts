/** What a repository is for: the files that clients fetch through it. */
import { hash } from 'node:crypto';
import { TargetFile, type Targets } from '@tufjs/models';
import type { JsonValue } from '../../core/strict-json.ts';

/** What a target is for, to clients that know no `trusted_root.json`. */
export interface SigstoreUsage {
  readonly usage: 'Fulcio' | 'CTFE' | 'Rekor' | 'TSA';
  readonly status: 'Active' | 'Expired';
  readonly uri: string;
}

/** A file that clients fetch. */
export interface TargetContent {
  /** Text: all that Sigstore's clients fetch is. */
  readonly text: string;
  readonly usage?: SigstoreUsage | undefined;
}

/** Name → file. A name is one component of a path. */
export type TargetContents = ReadonlyMap<string, TargetContent>;

/** Hashes that are given for every target: the legacy Go client compares both. */
export const TARGET_HASHES = ['sha256', 'sha512'] as const;

/** What targets metadata says of `content`. */
export function targetFile(name: string, { text, usage }: TargetContent): TargetFile {
  const bytes = Buffer.from(text);
  return new TargetFile({
    path: name,
    length: bytes.length,
    hashes: Object.fromEntries(TARGET_HASHES.map((algorithm) => [algorithm, hash(algorithm, bytes, 'hex')])),
    unrecognizedFields: usage === undefined ? {} : { custom: { sigstore: { ...usage } } },
  });
}

/** Whether `bytes` is the file that metadata describes. */
export const isTarget = ({ length, hashes }: TargetFile, bytes: Uint8Array): boolean =>
  length === bytes.length &&
  TARGET_HASHES.every((algorithm) => hashes[algorithm] === hash(algorithm, bytes, 'hex'));

/** Name → what is different: whether the name is new, gone, or stands for another file or use. */
export type TargetDifferences = ReadonlyMap<string, 'new' | 'gone' | 'changed'>;

/** What `after` has that differs from `before`. */
export function targetDifferences(
  before: Readonly<Record<string, TargetFile>>,
  after: Readonly<Record<string, TargetFile>>,
): TargetDifferences {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const differences = new Map<string, 'new' | 'gone' | 'changed'>();
  for (const name of names) {
    const [old, now] = [ownMember(before, name), ownMember(after, name)];
    if (old === undefined || now === undefined) differences.set(name, old === undefined ? 'new' : 'gone');
    else if (!old.equals(now)) differences.set(name, 'changed');
  }
  return differences;
}

/** The member of that name, and not what every object has. */
export const ownMember = <T>(members: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(members, name) ? members[name] : undefined;

/** What would be different in `signed` if it described `contents`. */
export const differencesFrom = (signed: Targets, contents: TargetContents): TargetDifferences =>
  targetDifferences(signed.targets, describeTargets(contents));

/** What targets metadata says of all `contents`. */
export const describeTargets = (contents: TargetContents): Record<string, TargetFile> =>
  Object.fromEntries([...contents].map(([name, content]) => [name, targetFile(name, content)]));

/** What metadata says that a target is for; undefined where it says nothing that clients know. */
export function usageOf({ custom }: TargetFile): JsonValue | undefined {
  return ownMember(custom as Readonly<Record<string, JsonValue>>, 'sigstore');
}
