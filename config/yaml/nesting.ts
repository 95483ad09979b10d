import { Lexer } from 'yaml';

const OPEN: ReadonlySet<string> = new Set(['[', '{']);
const CLOSE: ReadonlySet<string> = new Set([']', '}']);
const COMPACT: ReadonlySet<string> = new Set(['-', '?', ':']);
/** What stands before a scalar, whose text may look like anything. */
const SCALAR = '\x1f';

/**
 * Where a YAML text opens more than `limit` levels on one line or inside brackets, as an offset; undefined if it does
 * not. The parser needs quadratic time and a stack for such texts, so this looks first, in linear time. Levels by
 * indentation need no look: they cost the writer as many characters.
 */
export function excessiveNesting(text: string, limit: number): number | undefined {
  let offset = 0;
  let brackets = 0;
  let indicators = 0;
  let isScalar = false;
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme === SCALAR) {
      isScalar = true;
      continue;
    }
    if (lexeme === '\x02' || lexeme === '\x18') continue;
    if (!isScalar && OPEN.has(lexeme)) brackets++;
    else if (!isScalar && CLOSE.has(lexeme)) brackets--;
    // Inside brackets a colon opens nothing; JSON has many of them on one line.
    else if (!isScalar && brackets === 0 && COMPACT.has(lexeme)) indicators++;
    else if (lexeme.includes('\n')) indicators = 0;
    if (brackets > limit || indicators > limit) return offset;
    offset += lexeme.length;
    isScalar = false;
  }
  return undefined;
}
