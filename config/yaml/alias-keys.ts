import { Lexer } from 'yaml';

/** A text whose alias keys every parser reads alike, and the way back to the places of the original. */
export interface FixedText {
  readonly text: string;
  /** The offset in the original of an offset in `text`. */
  readonly original: (offset: number) => number;
}

/**
 * Fulcio's public configuration uses aliases as map keys, written `*github-type:`. YAML 1.2 allows a colon inside an
 * alias name, so strict parsers look for an anchor called `github-type:`; go-yaml ends the name before the colon.
 * This inserts the space that makes both agree. It asks the lexer where aliases are, so that a `*word:` inside a
 * block of text or a string stays what it is.
 */
export function fixAliasKeys(text: string): FixedText {
  if (!text.includes('*')) return { text, original: (offset) => offset };
  const inserted: number[] = [];
  const parts: string[] = [];
  let length = 0;
  let scalarFollows = false;
  for (const lexeme of new Lexer().lex(text)) {
    if (CONTROL.has(lexeme)) {
      scalarFollows = lexeme === SCALAR;
      continue;
    }
    const isAliasKey = !scalarFollows && /^\*[\w-]+:$/.test(lexeme);
    scalarFollows = false;
    const part = isAliasKey ? `${lexeme.slice(0, -1)} :` : lexeme;
    parts.push(part);
    length += part.length;
    if (isAliasKey) inserted.push(length - 2);
  }
  return { text: parts.join(''), original: (offset) => offset - countBelow(inserted, offset) };
}

/** How many of the ascending `values` are below `limit`. */
function countBelow(values: readonly number[], limit: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

const SCALAR = '\x1f';
/** Marks that the lexer puts between the pieces of the text: document, flow error, scalar. */
const CONTROL: ReadonlySet<string> = new Set(['\x02', '\x18', SCALAR]);
