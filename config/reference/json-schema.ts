import { z } from 'zod';
import { denyListSchema } from '../lists/deny-list.ts';
import { textPattern, written, type Unit } from '../schema/quantity.ts';
import { policyCasesSchema } from '../lists/policy-cases-schema.ts';
import { configSchema } from '../schema/config-schema.ts';

/**
 * The JSON Schema (2020-12) of a configuration in YAML, for editors, from the source that reading it uses. It knows the
 * YAML names only, and what can be said of a value alone: `mayfly config check` says the rest. It is stricter than
 * reading is where that reads a value as Go does: a number in a field of text should stand in quotes.
 */
export const configJsonSchema = (): JsonSchema => jsonSchemaOf(configSchema, 'Configuration of Mayfly');

/** The same of the file of `mayfly config test`. */
export const policyCasesJsonSchema = (): JsonSchema =>
  jsonSchemaOf(policyCasesSchema, 'Cases for a configuration of Mayfly');

/** The same of the file of `mayfly verify certificate --deny`. */
export const denyListJsonSchema = (): JsonSchema =>
  jsonSchemaOf(denyListSchema, 'Deny list of Mayfly, version 1');

type JsonSchema = Readonly<Record<string, unknown>>;

function jsonSchemaOf(source: z.ZodType, title: string): JsonSchema {
  const { $schema, ...schema } = z.toJSONSchema(source, { io: 'input' });
  return { $schema, title, ...(adapted(schema) as object) };
}

type Node = Record<string, unknown>;

/** What a file may say beyond the schema, and without what only the reference needs. */
function adapted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(adapted);
  if (!isNode(value)) return value;
  const node = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, adapted(inner)]));
  if (isNode(node['properties'])) takeEmpty(node['properties'], node['required']);
  delete node['json'];
  delete node['propertyNames'];
  if (isNode(node['default']) && Object.keys(node['default']).length === 0) delete node['default'];
  if (typeof node['unit'] === 'string') return withUnit(node, node['unit'] as Unit);
  if (node['type'] !== 'boolean') return node;
  // YAML 1.1's words for truth values count, as they do for Go.
  delete node['type'];
  return { ...node, enum: [true, false, 'on', 'off', 'yes', 'no'] };
}

/** A time or size: a text with its unit, or a bare number as in old files. */
function withUnit({ unit: _, type, minimum, maximum, default: fallback, ...node }: Node, of: Unit): Node {
  const more = typeof fallback === 'number' ? { default: written(of, fallback) } : {};
  const bare = Object.fromEntries(
    Object.entries({ type, minimum, maximum }).filter(([, value]) => value !== undefined),
  );
  return { ...node, ...more, anyOf: [{ type: 'string', pattern: textPattern(of) }, bare] };
}

/** A key without a value is as good as no key: below it everything may be switched off. */
function takeEmpty(properties: Node, required: unknown): void {
  for (const [key, property] of Object.entries(properties)) {
    const isRequired = Array.isArray(required) && required.includes(key);
    if (!isNode(property) || isRequired) continue;
    if (property['type'] === 'object' || property['type'] === 'array')
      property['type'] = [property['type'], 'null'];
  }
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
