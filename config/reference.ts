import { z } from 'zod';
import { configSchema } from './schema.ts';
import { unwrap } from './shape.ts';

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
  'default-template-values': '<claim>',
};

/** The reference of all keys as Markdown tables, one for each part of the file, made from the schema. */
export function configReference(): string {
  const shape = configSchema.shape as Readonly<Record<string, z.ZodType>>;
  return Object.entries(shape)
    .map(([name, schema]) => `### \`${name}\`\n\n${descriptionOf(schema)}\n${table(rowsOf(schema, name))}`)
    .join('\n');
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

/** The keys below a schema, depth first. */
function rowsOf(schema: z.ZodType, path: string): Row[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodRecord) {
    const name = path.split('.').at(-1) ?? '';
    const value = inner.valueType as z.ZodType;
    return OWN_KEYS[name] === undefined ? [] : rowsOf(value, `${path}.${OWN_KEYS[name]}`);
  }
  if (!(inner instanceof z.ZodObject)) return [];
  const shape: Readonly<Record<string, z.ZodType>> = inner.shape;
  const members = Object.entries(shape);
  return members.flatMap(([key, member]) => [
    row(`${path}.${key}`, member),
    ...rowsOf(member, `${path}.${key}`),
  ]);
}

function row(path: string, schema: z.ZodType): Row {
  const json = schema.meta()?.['json'];
  return {
    key: path.split('.').slice(1).join('.'),
    json: typeof json === 'string' ? json : undefined,
    kind: kindOf(unwrap(schema)),
    fallback: fallbackOf(schema),
    description: descriptionOf(schema),
  };
}

const descriptionOf = (schema: z.ZodType): string => schema.meta()?.description ?? '';

function kindOf(schema: z.ZodType): string {
  if (schema instanceof z.ZodEnum) return schema.options.map((option) => `\`${option}\``).join(', ');
  if (schema instanceof z.ZodArray) return `list of ${kindOf(schema.element as z.ZodType)}`;
  if (schema instanceof z.ZodNumber)
    return `whole number, ${String(schema.minValue)} to ${String(schema.maxValue)}`;
  return KINDS[schema.type] ?? schema.type;
}

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
  if (Array.isArray(value) && value.length > 3) return `${value.length} of them`;
  return Array.isArray(value) && value.length === 0
    ? 'none'
    : `\`${JSON.stringify(value).replaceAll('"', '')}\``;
}
