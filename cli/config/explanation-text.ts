import { rfc3339 } from '../../core/clock.ts';
import { printable } from '../../core/printable.ts';
import type {
  CertificatePreview,
  ExplainedCheck,
  IssuerVerdict,
  Explanation,
  RuleVerdict,
} from '../../explain/explanation.ts';

/** An explanation for machines; times are RFC 3339, as wherever the program answers with JSON. */
export function explanationFacts(explanation: Explanation): Record<string, unknown> {
  const { issued, refusal, checks, issuers, rules, rule, certificate } = explanation;
  return {
    issued,
    refusal,
    checks,
    entries: issuers,
    rules,
    rule,
    certificate: certificate && {
      ...certificate,
      notBefore: rfc3339(certificate.notBefore),
      notAfter: rfc3339(certificate.notAfter),
    },
  };
}

/** An explanation for a person. Texts of the token are made harmless for a terminal. */
export function explanationText(explanation: Explanation): string {
  const { checks, issuers, rules, certificate } = explanation;
  return [
    section('Checks', checkLines(checks)),
    section('Issuer blocks', issuerLines(issuers)),
    section('Rules', rules.map(ruleLine)),
    certificate === undefined ? '' : section(certificateTitle(explanation), certificateLines(certificate)),
    verdict(explanation),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

const section = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? '' : [title, ...lines.map((line) => `  ${printable(line)}`)].join('\n');

const row = (outcome: string, name: string, detail: string): string =>
  `${outcome.padEnd(13)}${name.padEnd(12)}${detail}`;

/** What was skipped, for one failure often most of them, takes a line together. */
function checkLines(checks: readonly ExplainedCheck[]): string[] {
  const lines = checks
    .filter(({ outcome }) => outcome !== 'skipped')
    .map(({ outcome, name, detail }) => row(outcome === 'failed' ? 'FAILED' : outcome, name, detail));
  const skipped = checks.filter(({ outcome }) => outcome === 'skipped');
  const [first] = skipped;
  if (first === undefined) return lines;
  const names = skipped.map(({ name }) => name).join(', ');
  return [...lines, `${first.outcome.padEnd(13)}${names}: ${first.detail}`];
}

/** Issuer blocks beyond this many that have nothing to do with the token are only counted. */
const SHOWN = 8;

function issuerLines(issuers: readonly IssuerVerdict[]): string[] {
  const lines = issuers.slice(0, SHOWN).map(({ name, url, chosen, why }) => {
    const where = name === url ? '' : ` (${url})`;
    return (chosen ? 'chosen' : 'not').padEnd(13) + `${name}${where}: ${why}`;
  });
  const more = issuers.length - SHOWN;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

function ruleLine({ rule, effect, outcome, detail }: RuleVerdict): string {
  const why = detail === undefined ? '' : `: ${detail}`;
  return `${(outcome === 'failed' ? 'FAILED' : outcome).padEnd(15)}${effect.padEnd(7)}${rule}${why}`;
}

const certificateTitle = ({ issued }: Explanation): string =>
  issued ? 'Certificate' : 'The certificate, if that were fixed';

function certificateLines({ san, extensions, notBefore, notAfter }: CertificatePreview): string[] {
  const width = Math.max(0, ...extensions.map(({ name }) => name.length));
  return [
    `name ${' '.repeat(width - 1)}${san.type} ${san.value}`,
    `valid${' '.repeat(width - 1)}${rfc3339(notBefore)} to ${rfc3339(notAfter)}`,
    ...extensions.map(
      ({ number, name, value }) => `${String(number).padStart(2)} ${name.padEnd(width + 1)}${value}`,
    ),
  ];
}

function verdict({ issued, refusal, rule, checks }: Explanation): string {
  if (refusal !== undefined) {
    const hint = refusal.hint === undefined ? '' : `\n  ${printable(refusal.hint)}`;
    const by = refusal.rule === undefined ? '' : ` by the rule "${printable(refusal.rule)}"`;
    return `Would be refused${by}: ${refusal.reason}: ${printable(refusal.sentence)}${hint}`;
  }
  const unproven = checks.some(({ name, outcome }) => name === 'signature' && outcome === 'not checked');
  const by = rule === undefined ? '' : `, by the rule "${printable(rule)}"`;
  return `Would be issued${by}${issued && unproven ? ', if an issuer signed this' : ''}.`;
}
