/** How far each log was read: the resume point of `mayfly log watch`, and the proof of what a log said before. */
import { readFile } from 'node:fs/promises';
import { fromBase64, toBase64, utf8 } from '../../../core/bytes.ts';
import { FormatError, systemCode } from '../../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../../core/strict-json.ts';
import { writeDurably } from '../../../storage/durable-file.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { CompactRange } from '../../../tlog/format/compact-range.ts';
import { CommandError } from '../../program/command.ts';
import type { ReadTree } from './followed-log.ts';

/** A tree that was read, and what its log is called. */
interface NotedTree extends ReadTree {
  readonly log: string;
}

const LIMITS = { length: 1024 * 1024, depth: 8 };

/** The trees that were read, by the origins of their logs. Kept in a file, or in memory alone where none is named. */
export class WatchState {
  readonly #path: string | undefined;
  readonly #trees: Map<string, NotedTree>;

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

  treeOf(origin: string): ReadTree | undefined {
    return this.#trees.get(origin);
  }

  /** Whether another log of that name was read: then what has its place now is read from its first entry on. */
  knowsBefore(log: string): boolean {
    return [...this.#trees.values()].some((tree) => apiOf(tree.log) === apiOf(log));
  }

  /** Resolves when it is durable. */
  async note(origin: string, log: string, { size, frontier }: ReadTree): Promise<void> {
    this.#trees.set(origin, { size, frontier, log });
    if (this.#path === undefined) return;
    const logs = Object.fromEntries(
      [...this.#trees].map(([name, { log: called, size, frontier }]) => [
        name,
        {
          log: called,
          size,
          root: toBase64(new CompactRange(sha256, size, frontier).root()),
          frontier: frontier.map(toBase64),
        },
      ]),
    );
    await writeDurably(this.#path, utf8(`${JSON.stringify({ version: 1, logs }, undefined, 2)}\n`), 0o600);
  }
}

/** Logs of one API follow each other: `v1`, `v1-2`. */
const apiOf = (log: string): string => log.split('-', 1)[0] ?? log;

function treesIn(path: string, text: string): Map<string, NotedTree> {
  try {
    const { version, logs } = recordOf(parseStrictJson(text, LIMITS));
    if (version !== 1) throw new FormatError('UNSUPPORTED', 'its version is not known here');
    return new Map(Object.entries(recordOf(logs)).map(([origin, tree]) => [origin, treeOf(tree)]));
  } catch (error) {
    if (error instanceof FormatError) throw unusable(path, error.message, error);
    throw error;
  }
}

/** Throws {@link FormatError} for a tree that is none. */
function treeOf(value: JsonValue): NotedTree {
  const { log, size, root, frontier } = recordOf(value);
  if (typeof log !== 'string' || typeof size !== 'number' || !Array.isArray(frontier)) throw malformed();
  const hashes = (frontier as readonly JsonValue[]).map((hash) => {
    if (typeof hash !== 'string') throw malformed();
    return fromBase64(hash);
  });
  const range = new CompactRange(sha256, size, hashes);
  if (toBase64(range.root()) !== root) throw malformed();
  return { log, size, frontier: hashes };
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
