import { DefinitionError } from '../core/definition-error.ts';

/** Reads one value of a JSON document; undefined when it is not there. */
type JsonPath = (document: unknown) => unknown;

// `.name`, `['text']`, `["text"]` or `[0]`; sticky, so that each step starts where the last one ended.
const STEP = /\.([\p{L}_][\p{L}\p{Nd}_]*)|\['([^'\\]*)'\]|\["([^"\\]*)"\]|\[(0|[1-9][0-9]{0,8})\]/uy;

/**
 * Compiles the part of JSONPath that names one value: `$.a.b`, `$['a b']`, `$[0]`. A number picks an element of a list,
 * or the member of an object that has it as its name. Throws {@link DefinitionError}.
 */
export function compileJsonPath(text: string): JsonPath {
  const steps = readSteps(text);
  return (document) => {
    let value = document;
    for (const step of steps) value = memberOf(value, step);
    return value;
  };
}

function readSteps(text: string): string[] {
  const steps: string[] = [];
  STEP.lastIndex = 1;
  while (STEP.lastIndex < text.length) {
    const at = STEP.lastIndex;
    const match = text.startsWith('$') ? STEP.exec(text) : null;
    if (match === null) throw notUnderstood(text, text.startsWith('$') ? at : 0);
    steps.push(match[1] ?? match[2] ?? match[3] ?? match[4] ?? '');
  }
  if (steps.length === 0) throw notUnderstood(text, 0);
  return steps;
}

function notUnderstood(text: string, at: number): DefinitionError {
  return new DefinitionError(
    'FIELD_INVALID',
    `the JSONPath "${text}" is not understood at character ${at + 1}`,
    {
      hint: "Name one value: $.claim, $.outer.inner, $['odd name'] or $.list[0].",
      metadata: { field: 'issuer-claim', column: String(at + 1) },
    },
  );
}

/** The member of that name of a map, or the element at that index of a list; undefined when there is none. */
export function memberOf(value: unknown, step: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return /^\d+$/.test(step) ? (value as unknown[])[Number(step)] : undefined;
  return Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined;
}
