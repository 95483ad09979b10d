/** Pieces of commented YAML, for the files and blocks that commands write. */

/** A YAML scalar in quotes: single ones where double ones would need escapes (a JSON string is a YAML one too). */
export const quote = (text: string): string =>
  /^[ !"#-&(-~]*$/.test(text) && /["\\]/.test(text) ? `'${text}'` : JSON.stringify(text);

/** `block` moved to the right. */
export const indented = (indent: number, block: string): string => block.replace(/^/gm, ' '.repeat(indent));

/** Lines of explanation, wrapped. */
export function prose(indent: number, ...paragraphs: string[]): string {
  const margin = `${' '.repeat(indent)}#`;
  return paragraphs
    .flatMap((text) => wrap(text, 110 - indent))
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

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}
