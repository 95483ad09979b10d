/** Pieces of commented YAML, for the files and blocks that commands write. */

/** A YAML scalar in quotes: single ones where double ones would need escapes (a JSON string is a YAML one too). */
export const quote = (text: string): string =>
  /^[ !"#-&(-~]*$/.test(text) && /["\\]/.test(text) ? `'${text}'` : JSON.stringify(text);

/** `block` moved to the right. */
export const indented = (indent: number, block: string): string => block.replace(/^/gm, ' '.repeat(indent));

/** Lines of explanation, wrapped. What stands in backticks is never broken; where it is long it stands on a line of
 * its own without them, however long that becomes, so that a shell command can be taken from there. */
export function prose(indent: number, ...paragraphs: string[]): string {
  const margin = `${' '.repeat(indent)}#`;
  return paragraphs
    .flatMap((text) => linesOf(text, 110 - indent))
    .map((line) => `${margin} ${line}`.trimEnd())
    .join('\n');
}

/** A block of settings, switched off; explanation inside stays explanation. */
export function off(indent: number, block: string): string {
  return block
    .split('\n')
    .map((line) => line.replace(/^( *)(?=[^ #])/, '$1#'))
    .map((line) => ' '.repeat(indent) + line)
    .join('\n');
}

/** Characters in backticks from which on they stand on a line of their own. */
const LONG = 56;

function linesOf(text: string, width: number): string[] {
  const lines: string[] = [];
  let open = '';
  const close = (): void => {
    if (open.trim() !== '') lines.push(...wrap(open.trim(), width));
    open = '';
  };
  text.split('`').forEach((part, i) => {
    const isCode = i % 2 === 1;
    if (isCode && part.length >= LONG) {
      close();
      lines.push(`    ${part}`);
    } else if (isCode) open += `\`${part}\``;
    // The line has ended the clause already.
    else open += open === '' && i > 0 ? part.replace(/^[.,;]/, '') : part;
  });
  close();
  return lines.length === 0 ? [''] : lines;
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const [word] of text.matchAll(/(?:`[^`]*`|[^ `])+/g)) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}
