/** A change of root or targets that waits for signatures: a file that travels between the server and the keys. */
import { Metadata, type Key } from '@tufjs/models';
import { FormatError, messageOf } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import {
  isSigned,
  isSignedBy,
  metadataOfJson,
  missingSignatures,
  saysTheSame,
  type AnyMetadata,
  type MetadataOf,
} from './metadata.ts';
import { printable } from '../../core/printable.ts';
import { isTarget } from './target-contents.ts';
import { TufError } from './tuf-error.ts';

/** A change, with what is in force now, so that people see without the server what is different. */
export interface StagedChange {
  /** In force when the change was staged. */
  readonly before: {
    readonly root: MetadataOf<'root'>;
    readonly targets: MetadataOf<'targets'>;
    readonly files: ReadonlyMap<string, string>;
  };
  /** New root metadata; undefined where the root stays. */
  readonly root?: MetadataOf<'root'> | undefined;
  /** New targets metadata; undefined where the targets stay. */
  readonly targets?: MetadataOf<'targets'> | undefined;
  /** The targets that `targets` describes, by name. */
  readonly files: ReadonlyMap<string, string>;
}

const MEDIA_TYPE = 'application/vnd.mayfly.tuf-change+json;version=1';

/** Of the whole file. */
const LIMITS = { length: 8 * 1024 * 1024, depth: 16 };

/** The text of the file. */
export function encodeStagedChange({ before, root, targets, files }: StagedChange): string {
  const json = {
    mediaType: MEDIA_TYPE,
    before: {
      root: before.root.toJSON(),
      targets: before.targets.toJSON(),
      files: Object.fromEntries(before.files),
    },
    ...(root === undefined ? {} : { root: root.toJSON() }),
    ...(targets === undefined ? {} : { targets: targets.toJSON() }),
    files: Object.fromEntries(files),
  };
  return `${JSON.stringify(json, undefined, 2)}\n`;
}

/** Reads such a file. Throws {@link TufError} `TUF_MALFORMED` for anything else, and for one whose files are not those that its metadata
 * describes: what people are shown is what they sign. */
export function parseStagedChange(text: string): StagedChange {
  try {
    const json = objectOf(parseStrictJson(text, LIMITS));
    if (json['mediaType'] !== MEDIA_TYPE) throw malformed('it is of another kind');
    const before = objectOf(json['before']);
    const change = {
      before: {
        root: metadataOfJson('root', before['root'] ?? null),
        targets: metadataOfJson('targets', before['targets'] ?? null),
        files: filesOf(before['files']),
      },
      root: json['root'] === undefined ? undefined : metadataOfJson('root', json['root']),
      targets: json['targets'] === undefined ? undefined : metadataOfJson('targets', json['targets']),
      files: filesOf(json['files']),
    };
    requireFiles(change.targets, change.files);
    requireBefore(change.before);
    return change;
  } catch (error) {
    if (error instanceof FormatError) throw malformed(messageOf(error), error);
    throw error;
  }
}

/** What is compared with the new must be what was really in force once: signed, and with its own files. */
function requireBefore({ root, targets, files }: StagedChange['before']): void {
  if (!isSigned(root.signed, 'root', root) || !isSigned(root.signed, 'targets', targets))
    throw malformed('what it says was in force is not signed');
  requireFiles(targets, files);
}

/** Each target is there as its metadata describes it, and nothing else: a name that nobody signed must not become that of a file. */
function requireFiles(targets: MetadataOf<'targets'> | undefined, files: ReadonlyMap<string, string>): void {
  const named = new Set(Object.values(targets?.signed.targets ?? {}).map(({ path }) => path));
  for (const name of files.keys())
    if (!named.has(name)) throw malformed(`its metadata names no "${printable(name.slice(0, 80))}"`);
  for (const file of Object.values(targets?.signed.targets ?? {})) {
    if (!/^[\w-][\w.-]*$/.test(file.path))
      throw malformed(`"${printable(file.path.slice(0, 80))}" is no name of a target`);
    const text = files.get(file.path);
    if (text === undefined || !isTarget(file, Buffer.from(text)))
      throw malformed(`its ${file.path} is not the one that its metadata describes`);
  }
}

const objectOf = (value: JsonValue | undefined): Readonly<Record<string, JsonValue>> => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, JsonValue>>;
  throw malformed('a part of it is missing');
};

const filesOf = (value: JsonValue | undefined): ReadonlyMap<string, string> =>
  new Map(
    Object.entries(objectOf(value)).map(([name, text]) => {
      if (typeof text !== 'string') throw malformed('one of its files is no text');
      return [name, text];
    }),
  );

const malformed = (why: string, cause?: unknown): TufError =>
  new TufError('TUF_MALFORMED', `this is no staged change of a TUF repository: ${why}`, {
    hint: 'Give the file that `mayfly trust tuf stage` wrote.',
    cause,
  });

/** The root by which the new metadata is judged. */
export const rootOf = ({ root, before }: StagedChange): MetadataOf<'root'> => root ?? before.root;

/** One signature that is still missing, or a few: in the words of the person who has to get them. */
export interface MissingSignatures {
  readonly what: 'root by the keys of before' | 'root by the new keys' | 'targets';
  readonly count: number;
}

/** How many signatures are missing: a new root wants those of the keys of before and those of its own. */
export function signaturesMissing(change: StagedChange): readonly MissingSignatures[] {
  const { before, root, targets } = change;
  const rows: MissingSignatures[] = [];
  if (root !== undefined) {
    rows.push({
      what: 'root by the keys of before',
      count: missingSignatures(before.root.signed, 'root', root),
    });
    rows.push({ what: 'root by the new keys', count: missingSignatures(root.signed, 'root', root) });
  }
  if (targets !== undefined)
    rows.push({ what: 'targets', count: missingSignatures(rootOf(change).signed, 'targets', targets) });
  return rows.filter(({ count }) => count > 0);
}

/** One change with the signatures of several copies of it, which signers may have signed side by side. Throws {@link TufError} when they are
 * not copies of one change. */
export function mergeSignatures([first, ...others]: readonly StagedChange[]): StagedChange {
  if (first === undefined) throw malformed('there is no file');
  return others.reduce(
    (merged, other) => ({
      ...merged,
      root: merge(merged.root, other.root, [merged.before.root, merged.root]),
      targets: merge(merged.targets, other.targets, [rootOf(merged)]),
    }),
    first,
  );
}

/** Changes that follow one another, in the order in which the first copy of each stands in `files`. */
export function chainOfChanges(files: readonly StagedChange[]): readonly StagedChange[] {
  const groups: StagedChange[][] = [];
  for (const file of files) {
    const group = groups.find(([first]) => first !== undefined && isCopy(first, file));
    if (group === undefined) groups.push([file]);
    else group.push(file);
  }
  return groups.map(mergeSignatures);
}

const isCopy = (a: StagedChange, b: StagedChange): boolean =>
  (['root', 'targets'] as const).every((role) => {
    const [one, other] = [a[role], b[role]];
    return one === undefined || other === undefined ? one === other : saysTheSame(one, other);
  });

/** Of two signatures of one key the right one is kept: a damaged copy takes nothing from the others. */
function merge<M extends AnyMetadata>(
  one: M | undefined,
  other: M | undefined,
  by: readonly (MetadataOf<'root'> | undefined)[],
): M | undefined {
  if (one === undefined && other === undefined) return undefined;
  if (one === undefined || other === undefined || !saysTheSame(one, other))
    throw new TufError('TUF_REFUSED', 'the files are not copies of one staged change', {
      hint: 'Have every signer sign a copy of the same file.',
    });
  const isRight = (id: string): boolean => by.some((root) => isSignedBy(ownKey(root, id), one));
  const added = Object.entries(other.signatures).filter(
    ([id]) => !Object.hasOwn(one.signatures, id) || !isRight(id),
  );
  const signatures = { ...one.signatures, ...Object.fromEntries(added) };
  return new Metadata(one.signed, signatures, one.unrecognizedFields) as M;
}

const ownKey = (root: MetadataOf<'root'> | undefined, id: string): Key | undefined =>
  root !== undefined && Object.hasOwn(root.signed.keys, id) ? root.signed.keys[id] : undefined;
