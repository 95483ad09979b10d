/**
 * Where the characters of a YAML scalar come from: which offset of the file each character of the value stands at. The
 * parser only says where a scalar begins and ends. This reads the scalar once more, more simply than the parser, and its
 * result counts only if it arrives at the same value.
 */
import type { Scalar } from 'yaml';

/** For each character of `value` its offset in `raw`, the text of the scalar as the file has it (quotes and block
 * header included); undefined when that is not certain. */
export function scalarOrigin(raw: string, style: Scalar.Type, value: string): readonly number[] | undefined {
  const trail = new Trail();
  if (style.startsWith('BLOCK')) readBlock(raw, value, style === 'BLOCK_FOLDED', trail);
  else readFlow(raw, style, trail);
  // A block may keep or clip the line ends after it; those before are what matters.
  const text = trail.text.slice(0, value.length);
  const isSame = text === value || (style.startsWith('BLOCK') && text === value.replace(/(?<!\n)\n+$/, ''));
  return isSame ? trail.offsets : undefined;
}

/** The value as it is found, with the origin of each character. */
class Trail {
  text = '';
  readonly offsets: number[] = [];

  add(characters: string, offset: number, step = 1): void {
    for (let i = 0; i < characters.length; i++) this.offsets.push(offset + i * step);
    this.text += characters;
  }
}

/** Plain and quoted scalars: white space around a line end folds into one space, or into the empty lines between. */
function readFlow(raw: string, style: Scalar.Type, trail: Trail): void {
  const isQuoted = style !== 'PLAIN';
  const end = isQuoted ? raw.length - 1 : raw.length;
  const fold = /[ \t]*\r?\n\s*/y;
  const blanks = /[ \t]+/y;
  let at = isQuoted ? 1 : 0;
  while (at < end) {
    fold.lastIndex = at;
    const folded = fold.exec(raw)?.[0];
    if (folded !== undefined) {
      const breaks = folded.split('\n').length - 1;
      trail.add(breaks === 1 ? ' ' : '\n'.repeat(breaks - 1), at, 0);
      at += folded.length;
      continue;
    }
    // At none of them a fold begins: each is looked at once.
    blanks.lastIndex = at;
    const plain = blanks.exec(raw)?.[0];
    if (plain !== undefined) {
      trail.add(plain, at);
      at += plain.length;
      continue;
    }
    const [characters, length] = UNITS[style]?.(raw, at) ?? [raw.charAt(at), 1];
    trail.add(characters, at, characters.length === length ? 1 : 0);
    at += length;
  }
}

/** One unit of a quoted scalar: what it stands for, and how long it is in the file. */
type ReadUnit = (raw: string, at: number) => readonly [characters: string, length: number] | undefined;

const UNITS: Readonly<Partial<Record<Scalar.Type, ReadUnit>>> = {
  QUOTE_SINGLE: (raw, at) => (raw.startsWith("''", at) ? ["'", 2] : undefined),
  QUOTE_DOUBLE: (raw, at) => (raw[at] === '\\' ? readEscape(raw, at) : undefined),
};

const CODED = /\\(?:x([\dA-Fa-f]{2})|u([\dA-Fa-f]{4})|U(00(?:0[\dA-Fa-f]|10)[\dA-Fa-f]{4}))/y;
const CONTINUED = /\\\r?\n[ \t]*/y;

function readEscape(raw: string, at: number): readonly [string, number] {
  CODED.lastIndex = at;
  const coded = CODED.exec(raw);
  if (coded !== null)
    return [
      String.fromCodePoint(Number.parseInt(coded[1] ?? coded[2] ?? coded[3] ?? '0', 16)),
      coded[0].length,
    ];
  CONTINUED.lastIndex = at;
  const continued = CONTINUED.exec(raw)?.[0];
  if (continued !== undefined) return ['', continued.length];
  const letter = raw.charAt(at + 1);
  return [ESCAPES[letter] ?? letter, 2];
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  a: '\x07',
  b: '\b',
};

/** Block scalars: the header's line, then lines without their common indentation. */
function readBlock(raw: string, value: string, isFolded: boolean, trail: Trail): void {
  const header = raw.indexOf('\n') + 1;
  // The header may say how far the block is indented, counted from a place that only the parser knows.
  const indent = firstMargin(raw.slice(header)) - firstMargin(value);
  let at = header;
  let isInText = false;
  for (const line of raw.slice(header).split('\n')) {
    const text = line.slice(indent).replace(/\r$/, '');
    // Empty lines before the first line of text stay what they are.
    if (isFolded && isInText && text !== '') unfold(trail);
    isInText ||= text !== '';
    trail.add(text, at + indent);
    trail.add('\n', at + line.length);
    at += line.length + 1;
  }
}

/** How far the first line that is not empty is indented. */
const firstMargin = (text: string): number => /^( *)[^ \r\n]/m.exec(text)?.[1]?.length ?? 0;

/** Joins the line that follows: one line end is a space, more of them are one less. */
function unfold(trail: Trail): void {
  trail.text = trail.text.slice(0, -1);
  if (trail.text.endsWith('\n')) trail.offsets.pop();
  else trail.text += ' ';
}
