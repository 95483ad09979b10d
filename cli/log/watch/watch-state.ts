/** How far each log was read: the resume point of `mayfly log watch`, and the proof of what a log said before. */
import { readFile } from 'node:fs/promises';
import { fromBase64, toBase64, toHex, utf8 } from '../../../core/bytes.ts';
import { FormatError, systemCode } from '../../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../../core/strict-json.ts';
import { writeDurably } from '../../../storage/durable-file.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { CompactRange } from '../../../tlog/format/compact-range.ts';
import { CommandError } from '../../program/command.ts';
import { apiOf, type FollowedLog, type ReadTree } from './followed-log.ts';

/** A tree that was read, and what its log is called. */
interface NotedTree extends ReadTree {
  readonly log: string;
  readonly origin: string;
}

type NamedLog = Pick<FollowedLog, 'name' | 'origin' | 'logId' | 'isFormer'>;

/** The form of the file. */
const VERSION = 2;

const LIMITS = { length: 1024 * 1024, depth: 8 };

/** The trees that were read, by the ids of their logs, so that a key has one tree; in the order in which those were first seen. Kept in a file, or in memory alone where none is named. */
export class WatchState {
  readonly #path: string | undefined;
  #trees: Map<string, NotedTree>;

  private constructor(path: string | undefined, trees: Map<string, NotedTree>) {
    this.#path = path;
    this.#trees = trees;
  }

  /** Reads the file, which need not be there. Rejects with CommandError `USAGE` for one that is none: to begin anew without a word would miss entries. */
  static async open(path: string | undefined): Promise<WatchState> {
    if (path === undefined) return new WatchState(undefined, new Map());
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw unusable(path, 'it cannot be read', error);
    });
    return new WatchState(path, text === undefined ? new Map<string, NotedTree>() : treesIn(path, text));
  }

  treeOf(log: NamedLog): ReadTree | undefined {
    return this.#trees.get(toHex(log.logId));
  }

  /** Another origin of which the key of the log had a tree before. */
  otherOrigin({ origin, logId }: NamedLog): string | undefined {
    const known = this.#trees.get(toHex(logId))?.origin;
    return known === origin ? undefined : known;
  }

  /** Whether another log of that name was read: then what has its place now is read from its first entry on. */
  knowsBefore({ name }: NamedLog): boolean {
    return [...this.#trees.values()].some((tree) => apiOf(tree.log) === apiOf(name));
  }

  /** Whether another log was seen in the place of this one, after it. */
  knowsAfter(log: NamedLog): boolean {
    const same = [...this.#trees].filter(([, tree]) => apiOf(tree.log) === apiOf(log.name));
    return this.treeOf(log) !== undefined && same.at(-1)?.[0] !== toHex(log.logId);
  }

  /** The logs of that API, and those that were called so, that were read and are not among `logs`. */
  missing(api: string, logs: readonly NamedLog[]): readonly Pick<NotedTree, 'log' | 'origin'>[] {
    const there = new Set(logs.map(({ logId }) => toHex(logId)));
    return [...this.#trees]
      .filter(([id, { log }]) => apiOf(log) === api && !there.has(id))
      .map(([, tree]) => tree);
  }

  /** Notes how far logs were read: all of them or, after a crash, none. Resolves when it is durable. */
  async note(read: readonly (readonly [log: NamedLog, tree: ReadTree])[]): Promise<void> {
    for (const [{ name, origin, logId, isFormer }, { size, frontier }] of read) {
      const id = toHex(logId);
      const tree = { size, frontier, log: name, origin };
      // One that another has followed never stands behind that one.
      if (isFormer === true && !this.#trees.has(id)) this.#trees = new Map([[id, tree], ...this.#trees]);
      else this.#trees.set(id, tree);
    }
    if (this.#path === undefined || read.length === 0) return;
    const logs = Object.fromEntries(
      [...this.#trees].map(([id, { log: called, origin, size, frontier }]) => [
        id,
        {
          log: called,
          origin,
          size,
          root: toBase64(new CompactRange(sha256, size, frontier).root()),
          frontier: frontier.map(toBase64),
        },
      ]),
    );
    await writeDurably(
      this.#path,
      utf8(`${JSON.stringify({ version: VERSION, logs }, undefined, 2)}\n`),
      0o600,
    );
  }
}

function treesIn(path: string, text: string): Map<string, NotedTree> {
  try {
    const { version, logs } = recordOf(parseStrictJson(text, LIMITS));
    if (version !== VERSION) throw new FormatError('UNSUPPORTED', 'its version is not known here');
    return new Map(Object.entries(recordOf(logs)).map(([id, tree]) => [id, treeOf(tree)]));
  } catch (error) {
    if (error instanceof FormatError) throw unusable(path, error.message, error);
    throw error;
  }
}

/** Throws {@link FormatError} for a tree that is none. */
function treeOf(value: JsonValue): NotedTree {
  const { log, origin, size, root, frontier } = recordOf(value);
  if (typeof log !== 'string' || typeof origin !== 'string') throw malformed();
  if (typeof size !== 'number' || !Array.isArray(frontier)) throw malformed();
  const hashes = (frontier as readonly JsonValue[]).map((hash) => {
    if (typeof hash !== 'string') throw malformed();
    return fromBase64(hash);
  });
  const range = new CompactRange(sha256, size, hashes);
  if (toBase64(range.root()) !== root) throw malformed();
  return { log, origin, size, frontier: hashes };
}

function recordOf(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, JsonValue>>;
  throw malformed();
}

const malformed = (): FormatError => new FormatError('MALFORMED', 'it is not of the form of this command');

const unusable = (path: string, why: string, cause: unknown): CommandError =>
  new CommandError('USAGE', `--state: ${path} cannot be used: ${why}`, {
    hint: 'Name the file of this watch, or another name to begin anew.',
    cause,
  });
