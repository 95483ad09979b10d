/**
 * The texts with which a CI provider's claims become names and extensions: a bare claim name, or a Go template. Of Go's
 * text/template this is the part that fields need (`{{ .claim }}`, trim markers, literal text); more of it comes later.
 */
import { DefinitionError } from './definition-error.ts';

/** The value that a template finds under a name; undefined when there is none. */
export type Lookup = (name: string) => string | undefined;

/** A name that a template asks for and nobody has. */
export interface MissingValue {
  readonly missing: string;
  /** Go's words, for a template; undefined for a bare name, whose words depend on the extension. */
  readonly goMessage: string | undefined;
}

/** A compiled text: what it gives for some values, or the first name that is missing. */
export type Template = (lookup: Lookup) => string | MissingValue;

/** A field's name and where it stands: line from 1, column in bytes from 0, as Go counts. */
interface Field {
  readonly name: string;
  readonly line: number;
  readonly column: number;
}

const SPACE = ' \\t\\r\\n';
const ACTION = new RegExp(
  `^(-[${SPACE}])?[${SPACE}]*\\.([\\p{L}_][\\p{L}\\p{Nd}_]*)[${SPACE}]*?([${SPACE}]-)?$`,
  'u',
);
const TRAILING_SPACE = new RegExp(`[${SPACE}]+$`);
const LEADING_SPACE = new RegExp(`^[${SPACE}]+`);

/** Compiles `text`. Throws {@link DefinitionError} with line and column where it is more than fields and text. */
export function compileTemplate(text: string): Template {
  if (!text.includes('{{')) return (lookup) => lookup(text) ?? { missing: text, goMessage: undefined };
  const parts = readParts(text);
  return (lookup) => fill(parts, lookup);
}

function fill(parts: readonly (string | Field)[], lookup: Lookup): string | MissingValue {
  let out = '';
  for (const part of parts) {
    const value = typeof part === 'string' ? part : lookup(part.name);
    if (value === undefined) return missing(part as Field);
    out += value;
  }
  return out;
}

function missing({ name, line, column }: Field): MissingValue {
  const place = `template: :${line}:${column}: executing "" at <.${name}>`;
  return { missing: name, goMessage: `${place}: map has no entry for key "${name}"` };
}

function readParts(text: string): (string | Field)[] {
  const parts: (string | Field)[] = [];
  let at = 0;
  let trim = false;
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', at)) {
    const close = text.indexOf('}}', open);
    if (close < 0) throw refused(text, open, 'the action is never closed with }}');
    const match = ACTION.exec(text.slice(open + 2, close));
    if (match === null) throw refused(text, open, reasonAgainst(text.slice(open + 2, close)));
    const before = trimmed(text.slice(at, open), trim, match[1] !== undefined);
    parts.push(before, fieldAt(text, text.indexOf('.', open), match[2] ?? ''));
    trim = match[3] !== undefined;
    at = close + 2;
  }
  parts.push(trimmed(text.slice(at), trim, false));
  return parts.filter((part) => part !== '');
}

function trimmed(text: string, left: boolean, right: boolean): string {
  const cut = left ? text.replace(LEADING_SPACE, '') : text;
  return right ? cut.replace(TRAILING_SPACE, '') : cut;
}

const lineOf = (text: string, at: number): number => text.slice(0, at).split('\n').length;
const lineStart = (text: string, at: number): number => text.slice(0, at).lastIndexOf('\n') + 1;

function fieldAt(text: string, at: number, name: string): Field {
  const column = Buffer.byteLength(text.slice(lineStart(text, at), at));
  return { name, line: lineOf(text, at), column };
}

function reasonAgainst(action: string): string {
  return /^(?:-\s)?\s*(?:-)?$/.test(action)
    ? 'an action needs a claim, as in {{ .claim }}'
    : 'only claims, as in {{ .claim }}, are understood so far; conditions, functions and comments come later';
}

function refused(text: string, at: number, reason: string): DefinitionError {
  const line = lineOf(text, at);
  const column = at - lineStart(text, at) + 1;
  return new DefinitionError(
    'TEMPLATE_INVALID',
    `line ${line}, column ${column} of the template: ${reason}`,
    {
      hint: "Write the claim's bare name, or text with {{ .claim }} in it.",
      metadata: { line: String(line), column: String(column) },
    },
  );
}
