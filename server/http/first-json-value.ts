/**
 * Reads the first value of a text that is not one JSON value as a whole. A streaming decoder, like the one in
 * Fulcio's gateway, never looks behind the value it was asked for; JSON.parse does. This runs only after JSON.parse
 * has refused the text, so that a good request pays nothing for it.
 */

/** The first JSON object of `text`, parsed; `{}` when the text is blank (an empty body is an empty message);
 * undefined when there is none. Linear in the length of the text. */
export function firstJsonValue(text: string): unknown {
  const start = text.search(/[^ \t\r\n]/);
  if (start < 0) return {};
  if (text[start] !== '{') return undefined;
  const end = endOfObject(text, start);
  // With nothing behind the object the text is what JSON.parse has refused already.
  if (end === undefined || !/[^ \t\r\n]/.test(text.slice(end))) return undefined;
  try {
    return JSON.parse(text.slice(start, end));
  } catch {
    return undefined;
  }
}

/** The offset behind the brace that closes the object at `start`. */
function endOfObject(text: string, start: number): number | undefined {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      const close = endOfString(text, i + 1);
      if (close === undefined) return undefined;
      i = close;
    } else if (c === '{' || c === '[') depth++;
    else if ((c === '}' || c === ']') && --depth === 0) return i + 1;
  }
  return undefined;
}

/** The offset of the quote that closes a string whose text begins at `start`. */
function endOfString(text: string, start: number): number | undefined {
  for (let i = start; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
  }
  return undefined;
}
