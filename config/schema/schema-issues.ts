import type { z } from 'zod';
import { nearest } from '../../core/nearest.ts';
import type { Path, Report } from '../findings/report.ts';
import { parseUsableParts } from './usable-parts.ts';

/** The value as the schema returns it. Reports everything that the schema says against it; then it is what is left
 * without the mistakes, so that the rest can be judged, or undefined when that is nothing. */
export function check<T extends z.ZodType>(
  schema: T,
  value: unknown,
  path: Path,
  report: Report,
): z.output<T> | undefined {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  for (const issue of result.error.issues.flatMap(plain)) {
    const at = [...path, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
    const { message, hint } = sentence(issue);
    report.problem(at, message, hint);
  }
  return parseUsableParts(schema, value);
}

/** Of a union's issues those of the alternative that was meant: our alternatives differ in kind, so it is the one that
 * does not complain about the kind of the whole. */
function plain(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const meant = issue.errors.find((issues) => !issues.some(isAboutKind));
  if (meant === undefined) return [issue];
  return meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })).flatMap(plain);
}

const isAboutKind = (issue: z.core.$ZodIssue): boolean =>
  issue.path.length === 0 && ['invalid_type', 'invalid_value', 'invalid_union'].includes(issue.code);

interface Sentence {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Zod's words are for programmers; these are for the author of the file. */
function sentence(issue: z.core.$ZodIssue): Sentence {
  // What the schema itself says of the value.
  if (issue.message.startsWith('must ') && issue.input !== undefined) return { message: issue.message };
  if (issue.code === 'invalid_type') return { message: wrongKind(KINDS[issue.expected], issue.input) };
  if (issue.code === 'invalid_value') return notOneOf(issue.values.map(String), issue.input);
  if (issue.code === 'invalid_union') return { message: wrongKind(kindsOf(issue), issue.input) };
  if (issue.code === 'too_small' && issue.origin !== 'array' && issue.origin !== 'string')
    return { message: `must be at least ${String(issue.minimum)}` };
  if (issue.code === 'too_big' && issue.origin !== 'array' && issue.origin !== 'string')
    return { message: `must be at most ${String(issue.maximum)}` };
  return { message: issue.message };
}

/** "text or a list" */
function kindsOf({ errors }: z.core.$ZodIssueInvalidUnion): string {
  const kinds = errors.flat().filter(isAboutKind).map(wantedBy);
  return [...new Set(kinds)].join(' or ');
}

function wantedBy(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return KINDS[issue.expected] ?? issue.expected;
  if (issue.code === 'invalid_union') return kindsOf(issue);
  return issue.code === 'invalid_value' ? issue.values.map(String).join(', ') : '';
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
