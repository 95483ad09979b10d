import { z } from 'zod';
import type { Position } from '../findings/config-error.ts';
import type { ConfigNode, MapNode, ScalarNode } from '../yaml/config-node.ts';
import { memberOf, optionFor, takesOff, unwrap } from './schema-parts.ts';
import { countOf, meaning, unitOf, written, type Unit } from './quantity.ts';
import { sectionAdvice } from './section-of-key.ts';
import { nearest } from '../../core/nearest.ts';
import type { Path, Report } from '../findings/report.ts';
import { findUnread } from './unread-text.ts';

/**
 * Fits the nodes of a file to a schema: each key gets its YAML name (Fulcio's JSON names count too, in any case), keys
 * that the schema does not know are left out and reported, and scalars are read as Go's decoder does. `report` learns
 * where everything stands. Whether the values are allowed is for the schema to say.
 */
export class Shaper {
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  /** The plain value of `node` for `schema`. */
  shape(node: ConfigNode, schema: z.ZodType, path: Path, position: Position = node.position): unknown {
    this.#report.place(path, node.kind === 'scalar' ? node.position : position, node);
    findUnread(node, path, this.#report);
    const inner = optionFor(node.kind, unwrap(schema));
    if (node.kind === 'map') return this.#map(node, inner, path);
    if (node.kind === 'list') return this.#list(node.items, inner, path);
    const unit = unitOf(inner);
    return unit === undefined ? scalar(node, schema, inner) : this.#quantity(node, unit, path);
  }

  /** A number without a unit counts as it always has, but few know what it counts. */
  #quantity({ source, value }: ScalarNode, unit: Unit, path: Path): unknown {
    if (typeof value !== 'number') return countOf(unit, source) ?? value;
    if (value !== 0)
      this.#report.finding('UNIT_MISSING', path, `${source} without a unit means ${meaning(unit, value)}`, {
        hint: `Write ${written(unit, value)}, if that is what is meant.`,
      });
    return value;
  }

  #map(node: MapNode, schema: z.ZodType, path: Path): Record<string, unknown> {
    const result = Object.create(null) as Record<string, unknown>;
    const spelt = new Map<string, string>();
    for (const [key, { keyPosition, value }] of node.members) {
      const name = schema instanceof z.ZodObject ? knownName(key, schema) : key;
      if (name === undefined) {
        this.#unknownKey(key, schema as z.ZodObject, path, keyPosition);
        continue;
      }
      const other = spelt.get(name);
      if (other !== undefined)
        this.#report.problem([...path, name], `is given twice: as "${other}" and as "${key}"`);
      spelt.set(name, key);
      const member = memberOf(schema, name);
      // A key without a value is as good as no key, as in Go; in a map of the operator's own keys it is empty, and in a
      // block of ours it is a mistake.
      const absent = value.kind === 'scalar' && value.value === null && schema instanceof z.ZodObject;
      if (absent && isStrict(schema))
        this.#report.problemAt([...path, name], keyPosition, 'has no value', EMPTY);
      if (!absent) result[name] = this.shape(value, member, [...path, name], keyPosition);
    }
    return result;
  }

  #list(items: readonly ConfigNode[], schema: z.ZodType, path: Path): unknown[] {
    const member = schema instanceof z.ZodArray ? (schema.element as z.ZodType) : z.unknown();
    return items.map((item, index) => this.shape(item, member, [...path, index]));
  }

  #unknownKey(key: string, schema: z.ZodObject, path: Path, position: Position): void {
    const shown = key.length > 100 ? `${key.slice(0, 100)}…` : key;
    const near = nearest(key, Object.keys(schema.shape));
    const hint = near === undefined ? undefined : `Did you mean "${near}"?`;
    const elsewhere = near === undefined ? oursElsewhere(key, schema, path) : undefined;
    const ours = oursNear(key, schema, near) ?? elsewhere;
    if (ours !== undefined) this.#report.problemAt(path, position, `unknown key "${shown}"`, ours);
    else if (isStrict(schema)) this.#report.problemAt(path, position, `unknown key "${shown}"`, hint);
    else
      this.#report.finding('UNKNOWN_KEY', path, `unknown key "${shown}" is ignored`, { hint, at: position });
  }
}

/** Whether a schema is one of ours, in which nothing is ignored. */
const isStrict = (schema: z.ZodObject): boolean => schema.def.catchall instanceof z.ZodNever;

/** Fulcio's keys may be empty; in ours a rule could be lost that way, or what was merged in from elsewhere. */
const EMPTY = 'Give it one, or take the key out. An empty list is [].';

/**
 * What to do about a key that may be ours in the wrong place: our names belong into the block `mayfly`. Fulcio
 * ignores keys that it does not know, so a rule written there, or under a misspelt `mayfly`, would be lost in silence.
 */
function oursNear(key: string, schema: z.ZodObject, near: string | undefined): string | undefined {
  if (near === 'mayfly') return 'Did you mean "mayfly"?';
  const block = schema.shape['mayfly'] as z.ZodType | undefined;
  const inner = block && unwrap(block);
  if (!(inner instanceof z.ZodObject)) return undefined;
  const names = Object.keys(inner.shape);
  const ours = nearest(key, near === undefined ? names : [near, ...names]);
  if (ours === undefined || ours === near) return undefined;
  return `Move it into the block "mayfly" below this${ours === key ? '' : `, as "${ours}"`}.`;
}

/** The same for a key of another block of ours: rules at the top of the file, say. */
function oursElsewhere(key: string, schema: z.ZodObject, path: Path): string | undefined {
  if (!isStrict(schema)) return sectionAdvice(key, true);
  return path.at(-1) === 'mayfly' ? sectionAdvice(key, false) : undefined;
}

function knownName(key: string, schema: z.ZodObject): string | undefined {
  if (Object.hasOwn(schema.shape, key)) return key;
  const wanted = key.toLowerCase();
  for (const [name, member] of Object.entries(schema.shape)) {
    const json = (member as z.ZodType).meta()?.['json'];
    if (typeof json === 'string' && json.toLowerCase() === wanted) return name;
  }
  return undefined;
}

/** Go's YAML decoder puts `123` into a text field as it is spelled and takes YAML 1.1's words for a truth value. */
function scalar(node: ScalarNode, schema: z.ZodType, inner: z.ZodType): unknown {
  if (inner instanceof z.ZodString) return node.source;
  if (inner instanceof z.ZodBoolean) return TRUTH.get(node.source.toLowerCase()) ?? node.value;
  if (node.value === null && inner instanceof z.ZodObject) return {};
  // YAML 1.1, which some tools still write, reads `off` as a truth value.
  if (node.value === false && takesOff(schema)) return 'off';
  return node.value;
}

const TRUTH: ReadonlyMap<string, boolean> = new Map([
  ...['y', 'yes', 'on', 'true'].map((word) => [word, true] as const),
  ...['n', 'no', 'off', 'false'].map((word) => [word, false] as const),
]);
