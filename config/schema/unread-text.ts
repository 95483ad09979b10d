import type { ConfigNode, ForeignTag } from '../yaml/config-node.ts';
import type { Path, Report } from '../findings/report.ts';

/**
 * Finds what stands in a file for something else that was to be put there before, and what YAML keeps from us: variables
 * of a shell, of Kubernetes or of Helm, and tags. A rule that compares with `${OWNER}` matches nobody, or everybody.
 */
export function findUnread(node: ConfigNode, path: Path, report: Report): void {
  if (node.tag !== undefined) findTag(node.tag, path, report);
  if (node.kind === 'scalar' && typeof node.value === 'string') findVariables(node.value, path, report);
  if (node.kind !== 'map') return;
  for (const [key, { keyPosition }] of node.members) {
    const found = variableIn(key, path);
    if (found !== undefined)
      report.finding('UNEXPANDED', path, sentenceOf(found), { hint: EXPAND, at: keyPosition });
  }
}

/** What stands before the value is lost: in a condition that may be the sign that turns its meaning round. */
function findTag({ name, inQuotes }: ForeignTag, path: Path, report: Report): void {
  if (isCondition(path))
    report.problem(
      path,
      `to YAML "${name}" is a tag, and no part of the condition`,
      inQuotes ?? 'Put all of the condition in single quotes.',
    );
  else
    report.finding('UNEXPANDED', path, `has the YAML tag "${name}", which means nothing here`, {
      hint: 'The value is read without it. Put in what the tag stands for, or take it away.',
    });
}

const isCondition = (path: Path): boolean =>
  path.at(-3) === 'rules' && ['allow', 'deny'].includes(String(path.at(-1)));

function findVariables(text: string, path: Path, report: Report): void {
  const found = variableIn(text, path);
  if (found !== undefined) report.finding('UNEXPANDED', path, sentenceOf(found), { hint: EXPAND });
}

const sentenceOf = (variable: string): string => `holds "${variable}", which nothing replaces`;

const EXPAND =
  'The file is taken as it is, without variables. Put the value in before (envsubst, Helm, Kustomize), or write it here.';

/** Of a shell and of Terraform; of Kubernetes; of a shell without braces, where it is all of a text; of templates. */
const VARIABLES: readonly RegExp[] = [
  /\$\{[A-Za-z_][^{}]{0,200}\}/,
  /\$\([A-Za-z_]\w{0,200}\)/,
  /(?<=^|["'])\$[A-Z_][A-Z0-9_]*(?=$|["'])/,
  /\{\{-? ?[$.]Values\b[^}]{0,200}\}\}/,
];
/** Where our own templates do not stand. */
const ELSEWHERE: readonly RegExp[] = [
  /\{\{[^}]{0,200}\}\}/,
  /<%[^%]{0,200}%>/,
  /(?<=^|["'])<[a-z][\w -]{0,60}>(?=$|["'])/i,
];

function variableIn(text: string, path: Path): string | undefined {
  const forms = path[0] === 'ci-issuer-metadata' ? VARIABLES : [...VARIABLES, ...ELSEWHERE];
  for (const form of forms) {
    const [found] = form.exec(text) ?? [];
    if (found !== undefined) return found.length > 60 ? `${found.slice(0, 60)}…` : found;
  }
  return undefined;
}
