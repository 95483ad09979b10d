/**
 * Which text is an e-mail address: the grammar of Go's govalidator `IsEmail`, which Fulcio asks. It takes letters beyond
 * ASCII, and quoted local parts.
 */

// Beyond ASCII, as govalidator has it: no surrogates, no private use, no non-characters, nothing above U+FFFF.
const BEYOND = '\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF';
const ATOM = `[a-zA-Z0-9!#$%&'*+\\-/=?^_\`{|}~${BEYOND}]+`;
const FOLD = '(?:(?:[ \\t]*\\r\\n)?[ \\t]+)?';
const IN_QUOTES = `[\\x01-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f!\\x23-\\x5b\\x5d-\\x7e${BEYOND}]`;
const AFTER_PARENTHESIS = `\\([\\x01-\\x09\\x0b\\x0c\\x0d-\\x7f${BEYOND}]`;

const UNQUOTED = new RegExp(`^${ATOM}(?:\\.${ATOM})*$`, 'u');
const QUOTED = new RegExp(`^"(?:${FOLD}(?:${IN_QUOTES}|${AFTER_PARENTHESIS}))*${FOLD}"$`, 'u');
const LABEL = new RegExp(`^[a-zA-Z0-9${BEYOND}](?:[a-zA-Z0-9\\-_~${BEYOND}]*[a-zA-Z0-9${BEYOND}])?$`, 'u');
const TOP_LABEL = new RegExp(`^[a-zA-Z${BEYOND}](?:[a-zA-Z0-9\\-_~${BEYOND}]*[a-zA-Z${BEYOND}])?$`, 'u');

/** Longest address that is looked at, in characters: RFC 5321 ends at 254, and quoted forms cost time to read. */
const MAX_LENGTH = 1024;

/** Whether `text` is an e-mail address. */
export function isEmailAddress(text: string): boolean {
  const at = text.lastIndexOf('@');
  if (at < 1 || text.length > MAX_LENGTH) return false;
  const local = text.slice(0, at);
  return (UNQUOTED.test(local) || QUOTED.test(local)) && isDomain(text.slice(at + 1));
}

function isDomain(text: string): boolean {
  const labels = (text.endsWith('.') ? text.slice(0, -1) : text).split('.');
  const top = labels.pop() ?? '';
  return TOP_LABEL.test(top) && labels.length > 0 && labels.every((label) => LABEL.test(label));
}
