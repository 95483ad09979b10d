/**
 * Values that YAML does not take for the text that they look like, because they are not in quotes: a condition that
 * begins with "!" has lost what stands up to the next blank, and `"a" in claims.b` ends behind the second quote.
 */

/** What is wrong with a value, where it begins, and how to write it. */
interface UnquotedValue {
  /** UTF-16 offset in the text. */
  readonly offset: number;
  readonly message: string;
  readonly hint: string;
}

/** Keys whose values are conditions in CEL: whatever is wrong there, quotes help. */
const CONDITIONS: ReadonlySet<string> = new Set(['allow', 'deny']);

/** The value in the line of `offset` if that line is a key with a value that YAML reads as something else. */
export function unquotedValue(text: string, offset: number): UnquotedValue | undefined {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', start);
  const line = text.slice(start, end === -1 ? undefined : end);
  const { before = '', key = '', value = '' } = KEY_AND_VALUE.exec(line.trimEnd())?.groups ?? {};
  const message = READ_AS.find(([form]) => form.test(value))?.[1];
  const isCondition = CONDITIONS.has(key);
  if (value === '' || (!isCondition && (message === undefined || MAY_BE_MEANT.test(value)))) return undefined;
  return {
    offset: start + before.length,
    message: message ?? 'YAML cannot read this condition',
    hint: inQuotes(key, value),
  };
}

const KEY_AND_VALUE = /^(?<before>\s*(?:- +)*(?<key>[\w-]+)\s*:[ \t]+)(?<value>\S.*)$/;

/** Lists, maps and blocks, which are broken rather than unquoted where no condition is asked for. */
const MAY_BE_MEANT = /^(?:[[{|>?-]|[^!&*%@`"'].*: )/;

/** Form of a value → what YAML makes of it. */
const READ_AS: readonly (readonly [form: RegExp, message: string])[] = [
  [/^!/, 'what begins with "!" is a tag to YAML, and no part of the value'],
  [/^&/, 'what begins with "&" is an anchor to YAML, and no part of the value'],
  [/^\*/, 'what begins with "*" is an alias to YAML'],
  [/^["']/, 'to YAML this value ends at the quote that closes its first one'],
  [/^[%@`]/, 'YAML keeps the first character of this value for itself'],
  [/^[|>]/, 'what begins with "|" or ">" is a block of lines to YAML'],
  [/^[[{]/, 'what begins with a bracket is a list or a map to YAML'],
  [/^[?-]\s/, 'what begins with "-" or "?" is an item of a list or a key to YAML'],
  [/: |:$/, 'text with a colon and a blank in it is a key and its value to YAML'],
  [/ #/, 'what follows " #" is a comment to YAML'],
];

/** How to write the line; the value's own single quotes are doubled. */
const inQuotes = (key: string, value: string): string =>
  value.length > 200
    ? 'Put the value in single quotes.'
    : `Put it in single quotes: ${key}: '${value.replaceAll("'", "''")}'`;
