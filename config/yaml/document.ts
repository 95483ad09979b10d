import { parseDocument, type Document, type YAMLError } from 'yaml';
import { fixAliasKeys, type FixedText } from './alias-keys.ts';
import { ConfigError } from '../findings/config-error.ts';
import type { ConfigNode } from './config-node.ts';
import { excessiveNesting } from './nesting.ts';
import { MAX_DEPTH, NodeReader, TOO_DEEP } from './node-reader.ts';
import { SourceText } from './source-text.ts';
import { unquotedValue } from './unquoted-value.ts';

/** Largest file in characters; 1,000 issuers with a rule each need about 400,000. */
export const MAX_LENGTH = 1 << 21;
/** How many nodes a file may mean once its aliases are expanded. */
const MAX_NODES = 200_000;
/** How many characters it may mean then. A configuration is handed from process to process without its aliases. */
const MAX_EXPANDED_LENGTH = 16 * MAX_LENGTH;

/**
 * The structure of a YAML or JSON text. Aliases, aliases as keys and merge keys (`<<`) are resolved, in bounded time
 * and memory. Throws {@link ConfigError} `CONFIG_MALFORMED` with every fault the parser saw, and nothing else.
 */
export function readDocument(text: string, file: string): ConfigNode {
  if (text.length > MAX_LENGTH) {
    const message = `is larger than ${MAX_LENGTH} characters`;
    throw new ConfigError('CONFIG_MALFORMED', file, [{ path: '', message }]);
  }
  const source = new SourceText(text);
  const root = readRoot(text, source);
  if (source.problems.length > 0) throw new ConfigError('CONFIG_MALFORMED', file, source.problems);
  return root;
}

function readRoot(text: string, source: SourceText): ConfigNode {
  const empty: ConfigNode = { kind: 'map', position: { line: 1, column: 1 }, members: new Map() };
  const parsed = guarded(text, source);
  if (parsed?.document.contents == null || source.problems.length > 0) return empty;
  const { node, size, length } = new NodeReader(parsed.fixed, source).read(parsed.document.contents);
  if (size > MAX_NODES) source.problem(0, 'its aliases expand to too many values');
  else if (length > MAX_EXPANDED_LENGTH) source.problem(0, 'its aliases expand to too much text');
  return node;
}

interface Parsed {
  readonly document: Document.Parsed;
  readonly fixed: FixedText;
}

/** Whatever the library throws at a hostile text is a fault of the text. */
function guarded(text: string, source: SourceText): Parsed | undefined {
  try {
    const excess = excessiveNesting(text, MAX_DEPTH);
    if (excess === undefined) return parse(fixAliasKeys(text), source);
    source.problem(excess, TOO_DEEP);
  } catch (error) {
    source.problem(0, error instanceof RangeError ? TOO_DEEP : 'is neither YAML nor JSON');
  }
  return undefined;
}

function parse(fixed: FixedText, source: SourceText): Parsed {
  // Key uniqueness is checked by the reader in linear time; the library compares every pair.
  const options = { prettyErrors: false, uniqueKeys: false, logLevel: 'error' } as const;
  const document = parseDocument(fixed.text, options);
  for (const error of document.errors) {
    const offset = fixed.original(error.pos[0]);
    const unquoted = unquotedValue(source.text, offset);
    if (unquoted !== undefined) source.problem(unquoted.offset, unquoted.message, unquoted.hint);
    else source.problem(offset, sentenceOf(error), HINTS[error.code]);
  }
  return { document, fixed };
}

/** The parser's own words, unless they are for a programmer rather than for the author of a file. */
function sentenceOf({ code, message }: YAMLError): string {
  if (message.includes('call stack')) return TOO_DEEP;
  return code === 'MULTIPLE_DOCS' ? 'holds several documents' : message;
}

/** What usually stands behind a fault that the YAML parser names. */
const HINTS: Readonly<Record<string, string | undefined>> = {
  TAB_AS_INDENT: 'YAML is indented with spaces only.',
  BAD_INDENT: 'Lines of one block must begin in the same column.',
  BLOCK_AS_IMPLICIT_KEY: 'Check the indentation, and put text that holds ": " in quotes.',
  MULTILINE_IMPLICIT_KEY: 'Check the indentation, and put text that holds ": " in quotes.',
  MULTIPLE_DOCS: 'Keep one document: remove the line "---".',
};
