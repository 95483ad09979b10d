/** Help texts in the width of the terminal. */
import { Help } from 'commander';

/** Columns where the width is not known, as in a pipe; commander's own choice. */
export const USUAL_WIDTH = 80;

/** Lists of options and commands that stay within the width: a description that has hardly room beside its term stands
 * below it, and a word that is too long is broken behind a comma. */
export class HelpLayout extends Help {
  override minWidthToWrap = 20;

  override formatItem(term: string, termWidth: number, description: string, helper: Help): string {
    const width = this.helpWidth ?? USUAL_WIDTH;
    if (width - termWidth - GAP >= NARROWEST || description === '')
      return super.formatItem(term, termWidth, description, helper);
    return `  ${term}\n${indented(description, BELOW, width)}`;
  }

  override boxWrap(text: string, width: number): string {
    return super.boxWrap(breakable(text, width), width);
  }
}

/** Columns around a term, of a description beside its term at least, and before one below it. */
const GAP = 4;
const NARROWEST = 36;
const BELOW = 6;

const breakable = (text: string, width: number): string =>
  text.replaceAll(/\S+/g, (word) => (word.length < width ? word : word.replaceAll(/,(?=\S)/g, ', ')));

/** Lays out a text of paragraphs, which begin at the margin, and of examples, which are indented: `command   remark`.
 * What fits is left as it is written. A long command goes on behind a backslash, so that it can still be pasted. */
export function layOut(text: string, width: number): string {
  if (text.split('\n').every((line) => line.length <= width)) return text;
  return blocksOf(text)
    .map((block) => (/^\s/.test(block) ? example(block, width) : wrapped(block, width)))
    .join('\n');
}

/** Lines; those of one paragraph are joined. */
function blocksOf(text: string): string[] {
  const blocks: string[] = [];
  for (const line of text.split('\n')) {
    const last = blocks.at(-1);
    const goesOn = last !== undefined && /^\S/.test(last) && /^\S/.test(line) && !last.endsWith(':');
    if (goesOn) blocks.splice(-1, 1, `${last} ${line}`);
    else blocks.push(line);
  }
  return blocks;
}

function example(line: string, width: number): string {
  if (line.length <= width) return line;
  const indent = /^ */.exec(line)?.[0].length ?? 0;
  // A remark that goes on below the one of the line before.
  if (indent > BELOW) return indented(line.trim(), BELOW, width);
  const [, command = line, remark] = /^(.*?\S) {3,}(\S.*)$/.exec(line) ?? [];
  const below = remark === undefined ? [] : [indented(remark, BELOW, width)];
  return [pasteable(command, width), ...below].join('\n');
}

/** Words between spaces that stand in no quotes. */
const WORDS = /(?:'[^']*'|"[^"]*"|[^\s'"])+/g;

function pasteable(command: string, width: number): string {
  const indent = /^ */.exec(command)?.[0] ?? '';
  const lines: string[] = [];
  for (const word of withValues(command.match(WORDS) ?? [], width - indent.length - BELOW)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 3 <= width) lines.splice(-1, 1, `${last} ${word}`);
    else lines.push(`${last === undefined ? indent : `${indent}    `}${word}`);
  }
  return lines.join(' \\\n');
}

/** Words, of which an option and its value are one where a line has room for both. */
function withValues(words: readonly string[], room: number): string[] {
  const joined: string[] = [];
  for (const word of words) {
    const last = joined.at(-1) ?? '';
    const isValue = /^--[^ ]*$/.test(last) && !word.startsWith('-') && last.length + word.length < room;
    if (isValue) joined.splice(-1, 1, `${last} ${word}`);
    else joined.push(word);
  }
  return joined;
}

const indented = (text: string, indent: number, width: number): string =>
  wrapped(text, width - indent).replaceAll(/^/gm, ' '.repeat(indent));

function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  for (const word of breakable(text, width).split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 1 <= width) lines.splice(-1, 1, `${last} ${word}`);
    else lines.push(word);
  }
  return lines.join('\n');
}
