import { isAlias, isMap, isNode, isScalar, isSeq, type Node, type Pair, type Scalar } from 'yaml';
import type { FixedText } from './alias-keys.ts';
import type { Position } from '../findings/config-error.ts';
import type { ConfigNode, ForeignTag, MapMember, MapNode, ScalarNode } from './config-node.ts';
import { scalarOrigin } from './scalar-origin.ts';
import type { SourceText } from './source-text.ts';
import { unquotedValue } from './unquoted-value.ts';

/** How many levels a file may have. */
export const MAX_DEPTH = 32;
/** The parser recurses, so nesting of thousands of levels exhausts its stack; it reports that in two ways. */
export const TOO_DEEP = `is nested more than ${MAX_DEPTH} levels deep`;

/** A node under construction, with how much it means once its aliases are expanded. */
interface Sized {
  readonly node: ConfigNode;
  /** Nodes. */
  readonly size: number;
  /** Characters of its texts, keys included. */
  readonly length: number;
}

/** Makes our nodes out of the library's: resolves aliases and merges, and keeps the place of everything. */
export class NodeReader {
  readonly #text: FixedText;
  readonly #source: SourceText;
  readonly #anchors = new Map<string, Sized>();

  /** `source` is the text as the file has it; what is wrong is noted there. */
  constructor(text: FixedText, source: SourceText) {
    this.#text = text;
    this.#source = source;
  }

  read(node: Node): Sized {
    return this.#node(node, 0);
  }

  #node(node: Node | null, depth: number): Sized {
    const sized = this.#convert(node, depth);
    if (node !== null && !isAlias(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, sized);
    return sized;
  }

  #convert(node: Node | null, depth: number): Sized {
    const offset = node?.range?.[0] ?? 0;
    const position = this.#position(offset);
    if (depth > MAX_DEPTH) {
      this.#problem(offset, TOO_DEEP);
      return nothing(position);
    }
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined) this.#problem(offset, `no anchor "&${node.source}" stands before this alias`);
      return target ?? nothing(position);
    }
    const tag = this.#tag(node);
    if (isMap<Node, Node | null>(node)) return this.#map(node.items, { position, tag }, depth);
    if (isSeq<Node>(node)) {
      const items = node.items.map((item) => this.#node(item, depth + 1));
      return {
        node: { kind: 'list', position, tag, items: items.map((item) => item.node) },
        ...sum(items),
      };
    }
    if (!isScalar(node)) return nothing(position);
    const scalar = this.#scalar(node, position);
    return { node: scalar, size: 1, length: scalar.source.length };
  }

  /** None of YAML's own, which are words: what a condition without quotes begins with has brackets or dots. */
  #tag(node: Node | null): ForeignTag | undefined {
    const tag = isNode(node) && !isAlias(node) ? node.tag : undefined;
    if (tag === undefined || /^tag:yaml\.org,2002:[a-z]+$/.test(tag)) return undefined;
    const offset = this.#text.original(node?.range?.[0] ?? 0);
    const name = tag.replace(/^tag:yaml\.org,2002:/, '!!');
    return { name, inQuotes: unquotedValue(this.#source.text, offset)?.hint };
  }

  #scalar(node: Scalar, position: Position): ScalarNode {
    const value = isPlain(node.value) ? node.value : (node.source ?? '');
    const source = typeof value === 'string' ? value : (node.source ?? String(value));
    const tag = this.#tag(node);
    return { kind: 'scalar', position, tag, value, source, locate: this.#locator(node, position, source) };
  }

  /** Computed only when it is asked for. */
  #locator(node: Scalar, position: Position, source: string): ScalarNode['locate'] {
    return (index) => {
      const [start, end] = node.range ?? [0, 0];
      const raw = this.#text.text.slice(start, end);
      const origin = node.type && scalarOrigin(raw, node.type, source);
      // What lies behind the last character, e.g. a missing bracket, is at the end.
      const at = origin?.[Math.min(index, origin.length - 1)];
      return at === undefined ? position : this.#position(start + at);
    };
  }

  #map(
    pairs: readonly Pair<Node, Node | null>[],
    common: Pick<MapNode, 'position' | 'tag'>,
    depth: number,
  ): Sized {
    const members = new Map<string, MapMember>();
    const values: Sized[] = [];
    const merged: { readonly offset: number; readonly node: ConfigNode }[] = [];
    for (const pair of pairs) {
      const offset = pair.key.range?.[0] ?? 0;
      const sizedKey = this.#node(pair.key, depth + 1);
      const key = sizedKey.node;
      const value = this.#node(pair.value, depth + 1);
      values.push({ ...value, length: value.length + sizedKey.length });
      if (key.kind !== 'scalar') this.#problem(offset, 'a key must be plain text');
      else if (key.source === '<<') merged.push({ offset, node: value.node });
      else if (key.source === '__proto__') this.#problem(offset, 'a key cannot be called "__proto__"');
      else if (members.has(key.source)) this.#repeated(offset, key.source, members.get(key.source));
      else members.set(key.source, { keyPosition: this.#position(offset), value: value.node });
    }
    for (const { offset, node } of merged) this.#merge(members, node, offset);
    return { node: { kind: 'map', ...common, members }, ...sum(values) };
  }

  /** Adds the members of a merge key's maps that neither the map itself nor an earlier one has. */
  #merge(members: Map<string, MapMember>, from: ConfigNode, offset: number): void {
    for (const source of from.kind === 'list' ? from.items : [from]) {
      if (source.kind !== 'map') this.#problem(offset, 'only a map can be merged with "<<"');
      else for (const [key, member] of source.members) if (!members.has(key)) members.set(key, member);
    }
  }

  #position(offset: number): Position {
    return this.#source.position(this.#text.original(offset));
  }

  /** As where a printed block was put at the end of a file. */
  #repeated(offset: number, key: string, first: MapMember | undefined): void {
    const { line = 1 } = first?.keyPosition ?? {};
    const hint = `The other one is in line ${line}: put what both hold under one of them.`;
    this.#problem(offset, `the key "${shorten(key)}" is given twice`, hint);
  }

  #problem(offset: number, message: string, hint?: string): void {
    this.#source.problem(this.#text.original(offset), message, hint);
  }
}

const nothing = (position: Position): Sized => ({
  node: { kind: 'scalar', position, value: null, source: '', locate: () => position },
  size: 1,
  length: 0,
});

const isPlain = (value: unknown): value is ScalarNode['value'] =>
  value === null || ['string', 'number', 'boolean'].includes(typeof value);

/** That of a list or map. Aliases of aliases multiply, so that the sums are capped. */
function sum(parts: readonly Sized[]): Pick<Sized, 'size' | 'length'> {
  let [size, length] = [1, 0];
  for (const part of parts) {
    size += part.size;
    length += part.length;
  }
  return {
    size: Math.min(Number.MAX_SAFE_INTEGER, size),
    length: Math.min(Number.MAX_SAFE_INTEGER, length),
  };
}

const shorten = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);
