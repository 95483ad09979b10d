import { isAlias, isMap, isScalar, isSeq, parseDocument, type Node, type Pair, type Document } from 'yaml';
import { excessiveNesting } from './nesting.ts';
import { mendAliasKeys } from './alias-keys.ts';
import { ConfigError, type ConfigProblem, type Position } from './config-error.ts';

/** A value of the file, with its place. What an alias stands for is the very node of its anchor. */
export type ConfigNode = MapNode | ListNode | ScalarNode;

/** Keys and values in the order of the file. */
export interface MapNode {
  readonly kind: 'map';
  readonly position: Position;
  readonly entries: ReadonlyMap<string, MapEntry>;
}

/** One line of a map. */
export interface MapEntry {
  readonly keyPosition: Position;
  readonly value: ConfigNode;
}

/** A sequence. */
export interface ListNode {
  readonly kind: 'list';
  readonly position: Position;
  readonly items: readonly ConfigNode[];
}

/** Text, a number, a truth value or nothing. */
export interface ScalarNode {
  readonly kind: 'scalar';
  readonly position: Position;
  readonly value: string | number | boolean | null;
  /** As the file spells it (without quotes): what Go's decoder puts into a field of text. */
  readonly source: string;
}

/** Largest file in characters; 1,000 issuers need about 200,000. */
export const MAX_LENGTH = 1 << 20;
const MAX_DEPTH = 32;
/** How many nodes a file may mean once its aliases are expanded. */
const MAX_NODES = 200_000;
const MAX_PROBLEMS = 20;

/**
 * The structure of a YAML or JSON text. Aliases, aliases as keys and merge keys (`<<`) are resolved, in bounded time
 * and memory. Throws {@link ConfigError} `CONFIG_MALFORMED` with every fault the parser saw, and nothing else.
 */
export function readDocument(text: string, file: string): ConfigNode {
  if (text.length > MAX_LENGTH) {
    const message = `is larger than ${MAX_LENGTH} characters`;
    throw new ConfigError('CONFIG_MALFORMED', file, [{ path: '', message }]);
  }
  const reader = new Reader(text);
  const root = reader.read();
  if (reader.problems.length > 0) throw new ConfigError('CONFIG_MALFORMED', file, reader.problems);
  return root;
}

/** A node under construction: `size` is the number of nodes it means with aliases expanded. */
interface Sized {
  readonly node: ConfigNode;
  readonly size: number;
}

class Reader {
  readonly problems: ConfigProblem[] = [];
  readonly #text: string;
  readonly #lineStarts: readonly number[];
  readonly #anchors = new Map<string, Sized>();
  #original: (offset: number) => number = (offset) => offset;

  constructor(text: string) {
    this.#text = text;
    this.#lineStarts = [0, ...Array.from(text.matchAll(/\n/g), (match) => match.index + 1)];
  }

  read(): ConfigNode {
    const empty: ConfigNode = { kind: 'map', position: { line: 1, column: 1 }, entries: new Map() };
    const document = this.#parse();
    if (document?.contents == null || this.problems.length > 0) return empty;
    const { node, size } = this.#node(document.contents, 0);
    if (size > MAX_NODES) this.#problem(0, 'its aliases expand to too many values');
    return node;
  }

  #parse(): Document.Parsed | undefined {
    try {
      const excess = excessiveNesting(this.#text, MAX_DEPTH);
      if (excess !== undefined) {
        this.#problem(excess, TOO_DEEP);
        return undefined;
      }
      const mended = mendAliasKeys(this.#text);
      this.#original = mended.original;
      // Key uniqueness is checked below in linear time; the library compares every pair.
      const document = parseDocument(mended.text, {
        prettyErrors: false,
        uniqueKeys: false,
        logLevel: 'error',
      });
      for (const error of document.errors) {
        const message = error.message.includes('call stack') ? TOO_DEEP : error.message;
        this.#problem(error.pos[0], message, HINTS[error.code]);
      }
      return document;
    } catch (error) {
      this.#problem(0, error instanceof RangeError ? TOO_DEEP : 'is neither YAML nor JSON');
      return undefined;
    }
  }

  #node(node: Node | null, depth: number): Sized {
    const sized = this.#convert(node, depth);
    if (node !== null && !isAlias(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, sized);
    return sized;
  }

  #convert(node: Node | null, depth: number): Sized {
    const position = this.#position(node?.range?.[0] ?? 0);
    const nothing: Sized = { node: { kind: 'scalar', position, value: null, source: '' }, size: 1 };
    if (depth > MAX_DEPTH) {
      this.#problem(node?.range?.[0] ?? 0, TOO_DEEP);
      return nothing;
    }
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined)
        this.#problem(node.range?.[0] ?? 0, `no anchor "&${node.source}" stands before this alias`);
      return target ?? nothing;
    }
    if (isMap<Node, Node | null>(node)) return this.#map(node.items, position, depth);
    if (isSeq<Node>(node)) {
      const items = node.items.map((item) => this.#node(item, depth + 1));
      return { node: { kind: 'list', position, items: items.map((item) => item.node) }, size: sum(items) };
    }
    if (!isScalar(node)) return nothing;
    const plain = isPlain(node.value) ? node.value : (node.source ?? '');
    const source = typeof plain === 'string' ? plain : (node.source ?? String(plain));
    return { node: { kind: 'scalar', position, value: plain, source }, size: 1 };
  }

  #map(pairs: readonly Pair<Node, Node | null>[], position: Position, depth: number): Sized {
    const entries = new Map<string, MapEntry>();
    const values: Sized[] = [];
    const merged: { readonly offset: number; readonly node: ConfigNode }[] = [];
    for (const pair of pairs) {
      const offset = pair.key.range?.[0] ?? 0;
      const key = this.#node(pair.key, depth + 1).node;
      const value = this.#node(pair.value, depth + 1);
      values.push(value);
      if (key.kind !== 'scalar') this.#problem(offset, 'a key must be plain text');
      else if (key.source === '<<') merged.push({ offset, node: value.node });
      else if (key.source === '__proto__') this.#problem(offset, 'a key cannot be called "__proto__"');
      else if (entries.has(key.source))
        this.#problem(offset, `the key "${shorten(key.source)}" is given twice`);
      else entries.set(key.source, { keyPosition: this.#position(offset), value: value.node });
    }
    for (const { offset, node } of merged) this.#merge(entries, node, offset);
    return { node: { kind: 'map', position, entries }, size: sum(values) };
  }

  /** A merge key's maps give what the map itself and earlier maps do not. */
  #merge(entries: Map<string, MapEntry>, from: ConfigNode, offset: number): void {
    for (const source of from.kind === 'list' ? from.items : [from]) {
      if (source.kind !== 'map') this.#problem(offset, 'only a map can be merged with "<<"');
      else for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
  }

  #position(offset: number): Position {
    const at = this.#original(offset);
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: at - (this.#lineStarts[low] ?? 0) + 1 };
  }

  #problem(offset: number, message: string, hint?: string): void {
    const position = this.#position(offset);
    const isRepeated =
      this.problems.at(-1)?.message === message && this.problems.at(-1)?.line === position.line;
    if (isRepeated || this.problems.length === MAX_PROBLEMS) return;
    this.problems.push({ path: '', ...position, message, hint });
  }
}

/** The parser recurses, so nesting of thousands of levels exhausts its stack; it reports that in two ways. */
const TOO_DEEP = `is nested more than ${MAX_DEPTH} levels deep`;

/** What usually stands behind a fault that the YAML parser names. */
const HINTS: Readonly<Record<string, string | undefined>> = {
  TAB_AS_INDENT: 'YAML is indented with spaces only.',
  BAD_INDENT: 'Lines of one block must begin in the same column.',
  BLOCK_AS_IMPLICIT_KEY: 'Check the indentation, and put text that holds ": " in quotes.',
  MULTILINE_IMPLICIT_KEY: 'Check the indentation, and put text that holds ": " in quotes.',
  MULTIPLE_DOCS: 'Keep one document: remove the line "---".',
};

const isPlain = (value: unknown): value is ScalarNode['value'] =>
  value === null || ['string', 'number', 'boolean'].includes(typeof value);

const sum = (parts: readonly Sized[]): number =>
  Math.min(
    Number.MAX_SAFE_INTEGER,
    parts.reduce((total, part) => total + part.size, 1),
  );

const shorten = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);
