/**
 * What the log of a service says of a configuration that works but should be known: a line for each kind of warning.
 *
 * Fulcio's public configuration would be 64 lines, and nobody reads the one among them that matters. `config check`
 * lists every one.
 */
import { describe } from '../config/findings/config-error.ts';
import type { ConfigFinding, FindingCode } from '../config/findings/findings.ts';
import { quotedPath } from '../storage/quoted-path.ts';

/** The facts of one line. */
export interface ConfigWarning {
  readonly code: FindingCode;
  /** How many places of the file it stands for. */
  readonly count: number;
  /** The first of them. */
  readonly paths: readonly string[];
  readonly sentence: string;
}

/** Places that are named; more are counted. */
const MAX_PLACES = 5;

/** The warnings of `file`, in the order of the file. Findings of one code and one advice are one warning, in the place of the first. `program` is
 * how a shell calls this program. */
export function configWarnings(
  file: string,
  findings: readonly ConfigFinding[],
  program: string,
): ConfigWarning[] {
  const kinds = new Map<string, ConfigFinding[]>();
  for (const finding of findings) {
    const kind = JSON.stringify([finding.code, finding.hint]);
    const alike = kinds.get(kind);
    if (alike === undefined) kinds.set(kind, [finding]);
    else alike.push(finding);
  }
  return [...kinds.values()].map((alike) => warningOf(file, alike, program));
}

function warningOf(file: string, alike: readonly ConfigFinding[], program: string): ConfigWarning {
  const [first] = alike as readonly [ConfigFinding];
  const sentences = alike.length === 1 ? [describe(file, first)] : [`${file}: ${together(alike)}`];
  if (first.hint !== undefined) sentences.push(first.hint);
  const check = `\`${program} config check ${quotedPath(file)}\``;
  if (alike.length > 1) sentences.push(`${check} lists them all with line and column.`);
  else if (first.replacement !== undefined) sentences.push(`${check} prints it.`);
  const paths = alike.slice(0, MAX_PLACES).map(({ path }) => path);
  return { code: first.code, count: alike.length, paths, sentence: joined(sentences) };
}

/** In one sentence what is said of several places. */
function together(alike: readonly ConfigFinding[]): string {
  const [{ message: common }] = alike as readonly [ConfigFinding];
  const isSame = alike.every(({ message }) => message === common);
  const shown = alike.slice(0, MAX_PLACES);
  const places = shown.map(({ path, message }) => (isSame ? path : `${path}: ${message}`)).join('; ');
  const more = alike.length > shown.length ? `; and ${alike.length - shown.length} more` : '';
  return isSame
    ? `${common} (${alike.length} places: ${places}${more})`
    : `${alike.length} places of one kind: ${places}${more}`;
}

/** Each ends as a sentence does before the next begins. */
const joined = (sentences: readonly string[]): string =>
  sentences.map((text, i) => (i === sentences.length - 1 ? text : text.replace(/[.:]?$/, '.'))).join(' ');
