/**
 * The texts with which a CI provider's claims become names and extensions: a bare claim name, or a Go template of which
 * `parser.ts` says how much is understood.
 */
import { evaluateTemplate } from './evaluator.ts';
import type { Lookup, TemplateFailure } from './evaluator.ts';
import { parseTemplate } from './parser.ts';

/** A compiled text: what it gives for the values of one token, or why it gives nothing. */
export type Template = (lookup: Lookup) => string | TemplateFailure;

/** Compiles `text`; a text without `{{` is the name of a claim. Throws {@link DefinitionError} with line and column, and
 * what to write instead, for what is not understood. */
export function compileTemplate(text: string): Template {
  if (!text.includes('{{')) {
    // The words for it depend on the extension.
    return (lookup) => lookup(text) ?? { reason: 'missing', name: text, goMessage: undefined };
  }
  const nodes = parseTemplate(text);
  return (lookup) => evaluateTemplate(text, nodes, lookup);
}
