/**
 * Which text is an e-mail address: the grammar of Go's govalidator `IsEmail`, which Fulcio asks. It takes letters beyond
 * ASCII, and quoted local parts. Go matches it in linear time; here it is cut into pieces none of which can read one text
 * in many ways.
 */

// Beyond ASCII, as govalidator has it: no surrogates, no private use, no non-characters, nothing above U+FFFF.
const BEYOND = '\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF';
const ATOM = `[a-zA-Z0-9!#$%&'*+\\-/=?^_\`{|}~${BEYOND}]+`;
const DOT_ATOM = new RegExp(`^${ATOM}(?:\\.${ATOM})*$`);
const NAME = `[a-zA-Z0-9${BEYOND}]`;
const TOP_END = `[a-zA-Z${BEYOND}]`;
const DOMAIN = new RegExp(`^${NAME}(?:[a-zA-Z0-9\\-._~${BEYOND}]*${NAME})?$`);
const TOP_LABEL = new RegExp(`^${TOP_END}(?:[a-zA-Z0-9\\-_~${BEYOND}]*${TOP_END})?$`);

// A slip of govalidator, kept: the parenthesis that should close the pair after a backslash closes the whole group, so
// that every character of a quoted local part stands behind a quotation mark of its own.
const FOLD = '(?:(?:[ \\t]*\\r\\n)?[ \\t]+)?';
const PLAIN = `[\\x01-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f!\\x23-\\x5b\\x5d-\\x7e${BEYOND}]`;
const PAIR = '\\([\\x01-\\x09\\x0b-\\x7f]';
const QUOTED = new RegExp(`^(?:"${FOLD}(?:${PLAIN}|${PAIR}))*${FOLD}"$`);

/** Whether `text` is an e-mail address. */
export function isEmailAddress(text: string): boolean {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  return (DOT_ATOM.test(local) || QUOTED.test(local)) && isDomain(text.slice(at + 1));
}

function isDomain(text: string): boolean {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  const dot = bare.lastIndexOf('.');
  return dot > 0 && DOMAIN.test(bare.slice(0, dot)) && TOP_LABEL.test(bare.slice(dot + 1));
}
