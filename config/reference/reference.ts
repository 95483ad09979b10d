import { z } from 'zod';
import { unitOf, written } from '../schema/quantity.ts';
import { configSchema } from '../schema/config-schema.ts';
import { optionsOf, unwrap } from '../schema/schema-parts.ts';

/** What the table says of one key. */
interface Row {
  /** `oidc-issuers.<url>.client-id` */
  readonly key: string;
  /** Fulcio's JSON name; ours have none. */
  readonly json: string | undefined;
  readonly kind: string;
  readonly fallback: string;
  readonly description: string;
}

/** What stands for the operator's own keys. */
const OWN_KEYS: Readonly<Record<string, string>> = {
  'oidc-issuers': '<url>',
  'ci-issuer-metadata': '<provider>',
  'keys.logs': '<log>',
  'keys.artifact-logs': '<log>',
};

/** Parts whose keys are those of another one. */
const SAME_AS: Readonly<Record<string, string>> = { 'meta-issuers': 'oidc-issuers' };

/** The reference of all keys as Markdown tables, one for each part of the file, made from the schema. */
export function configReference(): string {
  const shape = configSchema.shape as Readonly<Record<string, z.ZodType>>;
  return Object.entries(shape)
    .map(([name, schema]) => `## \`${name}\`\n\n${descriptionOf(schema)}\n${keysOf(name, schema)}`)
    .join('\n');
}

function keysOf(name: string, schema: z.ZodType): string {
  const same = SAME_AS[name];
  return same === undefined ? table(rowsOf(schema, name)) : `\nThe keys are those of \`${same}\`.\n`;
}

function table(rows: readonly Row[]): string {
  if (rows.length === 0) return '';
  const hasJson = rows.some(({ json }) => json !== undefined);
  const head = ['key', ...(hasJson ? ['JSON name'] : []), 'value', 'default', 'meaning'];
  const lines = rows.map(({ key, json, kind, fallback, description }) => [
    `\`${key}\``,
    ...(hasJson ? [json === undefined ? '' : `\`${json}\``] : []),
    kind,
    fallback,
    description.replaceAll('|', '\\|'),
  ]);
  const text = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`);
  return `\n${text.join('\n')}\n`;
}

/** The keys below a schema, depth first; those of a list's items follow `[]`. */
function rowsOf(schema: z.ZodType, path: string): Row[] {
  const options = optionsOf(schema);
  return options.flatMap((option) => {
    if (option instanceof z.ZodRecord) {
      const own = OWN_KEYS[path];
      return own === undefined ? [] : rowsOf(option.valueType as z.ZodType, `${path}.${own}`);
    }
    // Where an issuer block may stand alone or in a list, its keys are listed once.
    if (option instanceof z.ZodArray) return options.length > 1 ? [] : rowsOf(elementOf(option), `${path}[]`);
    if (!(option instanceof z.ZodObject)) return [];
    const shape: Readonly<Record<string, z.ZodType>> = option.shape;
    const members = Object.entries(shape);
    return members.flatMap(([key, member]) => [
      row(`${path}.${key}`, member),
      ...rowsOf(member, `${path}.${key}`),
    ]);
  });
}

function row(path: string, schema: z.ZodType): Row {
  const json = schema.meta()?.['json'];
  return {
    key: path.split('.').slice(1).join('.'),
    json: typeof json === 'string' ? json : undefined,
    kind: kindsOf(schema),
    fallback: fallbackOf(schema),
    description: descriptionOf(schema),
  };
}

const descriptionOf = (schema: z.ZodType): string => schema.meta()?.description ?? '';

/** What a value may be; each kind once. */
const kindsOf = (schema: z.ZodType): string => [...new Set(optionsOf(schema).map(kindOf))].join(' or ');

function kindOf(schema: z.ZodType): string {
  if (schema instanceof z.ZodLiteral)
    return [...schema.values].map((value) => `\`${String(value)}\``).join(', ');
  if (schema instanceof z.ZodEnum) return schema.options.map((option) => `\`${option}\``).join(', ');
  if (schema instanceof z.ZodArray) return `list of ${listed(schema)}`;
  const unit = unitOf(schema);
  if (schema instanceof z.ZodNumber && unit !== undefined)
    return `${written(unit, schema.minValue ?? 0)} to ${written(unit, schema.maxValue ?? 0)}`;
  if (schema instanceof z.ZodNumber)
    return `whole number, ${String(schema.minValue)} to ${String(schema.maxValue)}`;
  return KINDS[schema.type] ?? schema.type;
}

/** What a list holds; the keys of its maps have rows of their own. */
function listed(schema: z.ZodArray): string {
  const element = elementOf(schema);
  return element instanceof z.ZodObject ? 'maps' : kindOf(element);
}

const elementOf = (schema: z.ZodArray): z.ZodType => schema.element as z.ZodType;

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  object: 'map',
  record: 'map',
  unknown: 'anything',
};

function fallbackOf(schema: z.ZodType): string {
  const result = schema.safeParse(undefined);
  if (!result.success) return '**required**';
  const value: unknown = result.data;
  if (value === undefined || value === '' || unwrap(schema) instanceof z.ZodObject) return '';
  if (unwrap(schema) instanceof z.ZodRecord) return '';
  const unit = unitOf(unwrap(schema));
  if (unit !== undefined) return `\`${written(unit, value as number)}\``;
  if (Array.isArray(value) && value.length > 3) return `${value.length} of them`;
  return Array.isArray(value) && value.length === 0
    ? 'none'
    : `\`${JSON.stringify(value).replaceAll('"', '')}\``;
}
