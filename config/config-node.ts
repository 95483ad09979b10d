import type { Position } from './config-error.ts';

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
  /** Where in the file a character of `source` stands, by its index; the scalar's place where that cannot be told. */
  readonly locate: (index: number) => Position;
}
