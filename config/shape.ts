import { z } from 'zod';
import { pathText, type ConfigProblem, type Position } from './config-error.ts';
import type { ConfigNode, MapNode, ScalarNode } from './document.ts';
import { nearest } from './nearest.ts';

/** Steps from the top of the file to a value. */
export type Path = readonly (string | number)[];

/**
 * Fits the nodes of a file to a schema: gives each key its YAML name (Fulcio's JSON names count too, in any case),
 * sets aside what the schema does not know, reads scalars as Go's decoder does, and remembers where everything
 * stood. Collects problems and warnings; whether the values are allowed is for the schema to say.
 */
export class Shaper {
  readonly problems: ConfigProblem[] = [];
  readonly warnings: ConfigProblem[] = [];
  readonly #positions = new Map<string, Position>();

  /** The plain value of `node` for `schema`. */
  shape(node: ConfigNode, schema: z.ZodType, path: Path, position: Position = node.position): unknown {
    this.#positions.set(JSON.stringify(path), node.kind === 'scalar' ? node.position : position);
    const inner = unwrap(schema);
    if (node.kind === 'map') return this.#map(node, inner, path);
    if (node.kind === 'list') return this.#list(node.items, inner, path);
    return scalar(node, inner);
  }

  /** Reports something wrong at `path`, or at the nearest thing above it that stands in the file. */
  problem(path: Path, message: string, hint?: string): void {
    this.problems.push({ path: pathText(path), ...this.#positionOf(path), message, hint });
  }

  /** Reports something that works but should be known. */
  warning(path: Path, message: string, hint?: string): void {
    this.warnings.push({ path: pathText(path), ...this.#positionOf(path), message, hint });
  }

  #positionOf(path: Path): Position | undefined {
    for (let length = path.length; length >= 0; length--) {
      const position = this.#positions.get(JSON.stringify(path.slice(0, length)));
      if (position !== undefined) return position;
    }
    return undefined;
  }

  #map(node: MapNode, schema: z.ZodType, path: Path): Record<string, unknown> {
    const result = Object.create(null) as Record<string, unknown>;
    const spelt = new Map<string, string>();
    for (const [key, { keyPosition, value }] of node.entries) {
      const name = schema instanceof z.ZodObject ? knownName(key, schema) : key;
      if (name === undefined) {
        this.#unknownKey(key, schema as z.ZodObject, path, keyPosition);
        continue;
      }
      const other = spelt.get(name);
      if (other !== undefined) this.problem([...path, name], `is given twice: as "${other}" and as "${key}"`);
      spelt.set(name, key);
      const member = memberOf(schema, name);
      // A key without a value is as good as no key, as in Go; in a map of the operator's own keys it is empty.
      const absent = value.kind === 'scalar' && value.value === null && schema instanceof z.ZodObject;
      if (!absent) result[name] = this.shape(value, member, [...path, name], keyPosition);
    }
    return result;
  }

  #list(items: readonly ConfigNode[], schema: z.ZodType, path: Path): unknown[] {
    const member = schema instanceof z.ZodArray ? (schema.element as z.ZodType) : z.unknown();
    return items.map((item, index) => this.shape(item, member, [...path, index]));
  }

  #unknownKey(key: string, schema: z.ZodObject, path: Path, position: Position): void {
    const near = nearest(key, Object.keys(schema.shape));
    const shown = key.length > 100 ? `${key.slice(0, 100)}…` : key;
    const hint = near === undefined ? undefined : `Did you mean "${near}"?`;
    const strict = schema.def.catchall instanceof z.ZodNever;
    const problem = { path: pathText(path), ...position, hint };
    if (strict) this.problems.push({ ...problem, message: `unknown key "${shown}"` });
    else this.warnings.push({ ...problem, message: `unknown key "${shown}" is ignored` });
  }
}

/** The schema without the wrappers for absent values. */
export function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
    inner = inner.unwrap() as z.ZodType;
  }
  return inner;
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

function memberOf(schema: z.ZodType, name: string): z.ZodType {
  if (schema instanceof z.ZodObject) return schema.shape[name] as z.ZodType;
  return schema instanceof z.ZodRecord ? (schema.valueType as z.ZodType) : z.unknown();
}

/** Go's YAML decoder puts `123` into a text field as it is spelled and takes YAML 1.1's words for a truth value. */
function scalar(node: ScalarNode, schema: z.ZodType): unknown {
  if (schema instanceof z.ZodString) return node.source;
  if (schema instanceof z.ZodBoolean) return TRUTH.get(node.source.toLowerCase()) ?? node.value;
  if (node.value === null && schema instanceof z.ZodObject) return {};
  return node.value;
}

const TRUTH: ReadonlyMap<string, boolean> = new Map([
  ...['y', 'yes', 'on', 'true'].map((word) => [word, true] as const),
  ...['n', 'no', 'off', 'false'].map((word) => [word, false] as const),
]);
