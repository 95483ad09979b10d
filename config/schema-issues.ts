import type { z } from 'zod';
import { nearest } from './nearest.ts';
import type { Path, Shaper } from './shape.ts';

/** The value as the schema gives it, or undefined after reporting everything that the schema says against it. */
export function check<T extends z.ZodType>(
  schema: T,
  value: unknown,
  path: Path,
  shaper: Shaper,
): z.output<T> | undefined {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const at = [...path, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
    const { message, hint } = sentence(issue);
    shaper.problem(at, message, hint);
  }
  return undefined;
}

interface Sentence {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Zod's words are for programmers; these are for whoever wrote the file. */
function sentence(issue: z.core.$ZodIssue): Sentence {
  if (issue.code === 'invalid_type') return { message: wrongKind(KINDS[issue.expected], issue.input) };
  if (issue.code === 'invalid_value') return notOneOf(issue.values.map(String), issue.input);
  if (issue.code === 'too_small' && issue.origin !== 'array')
    return { message: `must be at least ${String(issue.minimum)}` };
  if (issue.code === 'too_big') return { message: `must be at most ${String(issue.maximum)}` };
  return { message: issue.message };
}

function wrongKind(wanted = 'something else', input: unknown): string {
  if (input === undefined) return `is missing; it must be ${wanted}`;
  return `must be ${wanted}, not ${kindOf(input)}`;
}

function notOneOf(values: readonly string[], input: unknown): Sentence {
  const near = typeof input === 'string' ? nearest(input, values) : undefined;
  const hint = near === undefined ? undefined : `Did you mean "${near}"?`;
  return { message: `must be one of ${values.join(', ')}`, hint };
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'a map of keys',
  record: 'a map of keys',
};

function kindOf(input: unknown): string {
  if (Array.isArray(input)) return 'a list';
  if (input === null) return 'nothing';
  return (
    { string: 'text', boolean: 'true or false', number: 'a number' }[typeof input as string] ??
    'a map of keys'
  );
}
