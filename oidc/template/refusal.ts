import { DefinitionError } from '../core/definition-error.ts';

/** Refuses a template's text at an offset, in UTF-16 units: what stands there, and what to write instead. */
export function refuseTemplate(text: string, at: number, reason: string, hint: string): DefinitionError {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  return new DefinitionError(
    'TEMPLATE_INVALID',
    `line ${line}, column ${column} of the template: ${reason}`,
    {
      hint,
      metadata: { line: String(line), column: String(column) },
    },
  );
}

/** What to write instead of a word of Go's that is not understood here. */
export const INSTEAD: ReadonlyMap<string, string> = new Map([
  ['range', 'Claims are single texts: write {{ .claim }} for each of them.'],
  ['with', 'Write {{ if .claim }}…{{ .claim }}…{{ end }}.'],
  ['define', 'Write the text where it is needed.'],
  ['template', 'Write the text where it is needed.'],
  ['block', 'Write the text where it is needed.'],
  ['break', 'There are no loops; take it out.'],
  ['continue', 'There are no loops; take it out.'],
  ['nil', 'Compare with "": a claim that is missing and has a default of "" is empty.'],
  ['print', 'Write {{ .claim }} alone, and what else there is as text around it.'],
  ['println', 'Write {{ .claim }} alone, and what else there is as text around it.'],
  ['printf', 'Write text and claims one after the other, as in v{{ .claim }}.'],
  ['len', 'Write {{ if .claim }} to ask whether a claim is empty.'],
  ['slice', 'Ask the issuer for a claim that holds only what is needed.'],
  ['html', 'Leave it out: certificates hold plain text.'],
  ['js', 'Leave it out: certificates hold plain text.'],
  ['urlquery', 'Leave it out: the name is escaped as a URL anyway.'],
  ['call', 'Claims are texts, and none can be called.'],
  ['lt', 'Compare with eq or ne.'],
  ['le', 'Compare with eq or ne.'],
  ['gt', 'Compare with eq or ne.'],
  ['ge', 'Compare with eq or ne.'],
]);
