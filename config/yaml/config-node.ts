import type { Position } from '../findings/config-error.ts';

/** A value of the file, with its place. What an alias stands for is the very node of its anchor. */
export type ConfigNode = MapNode | ListNode | ScalarNode;

/** What nodes of every kind have. */
interface AnyNode {
  readonly position: Position;
  /** The YAML tag in front of it, if it is one that nothing here understands. */
  readonly tag?: ForeignTag | undefined;
}

/** A tag such as `!vault`, or what a condition without quotes begins with. */
export interface ForeignTag {
  readonly name: string;
  /** How the line would be written with its value in quotes, where that is known. */
  readonly inQuotes?: string | undefined;
}

/** Keys and values in the order of the file. */
export interface MapNode extends AnyNode {
  readonly kind: 'map';
  readonly members: ReadonlyMap<string, MapMember>;
}

/** One line of a map. */
export interface MapMember {
  readonly keyPosition: Position;
  readonly value: ConfigNode;
}

/** A sequence. */
interface ListNode extends AnyNode {
  readonly kind: 'list';
  readonly items: readonly ConfigNode[];
}

/** Text, a number, a truth value or nothing. */
export interface ScalarNode extends AnyNode {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** As the file spells it (without quotes): what Go's decoder puts into a field of text. */
  readonly source: string;
  /** Where in the file a character of `source` stands, by its index; the scalar's place where that is not known. */
  readonly locate: (index: number) => Position;
}
