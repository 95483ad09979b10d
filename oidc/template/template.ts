/**
 * The texts with which a CI provider's claims become names and extensions: a bare claim name, or a Go template of which
 * `parser.ts` says how much is understood.
 */
import { evaluateTemplate } from './evaluator.ts';
import type { Judge, Lookup, TemplateFailure } from './evaluator.ts';
import { parseTemplate } from './parser.ts';

/** A compiled text: returns its result for the values of one token, or why it has none. `judge` is as in
 * {@link evaluateTemplate}. */
export type Template = (lookup: Lookup, judge?: Judge) => string | TemplateFailure;

/** Compiles `text`; a text without `{{` is the name of a claim. Throws {@link DefinitionError} with line and column, and
 * what to write instead, for what is not understood. */
export function compileTemplate(text: string): Template {
  // The words for a name alone depend on the extension.
  if (!text.includes('{{')) return (lookup, judge) => valueAlone(text, lookup, judge);
  const nodes = parseTemplate(text);
  return (lookup, judge) => evaluateTemplate(text, nodes, lookup, judge);
}

function valueAlone(name: string, lookup: Lookup, judge: Judge | undefined): string | TemplateFailure {
  const value = lookup([name]);
  if (value === undefined) return { reason: 'missing', name, goMessage: undefined };
  if (judge === undefined) return value;
  const why = judge([name]) ?? (value === '' ? 'empty' : undefined);
  return why === undefined ? value : { reason: 'unfit', name, why, goMessage: undefined };
}
