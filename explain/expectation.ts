import type { Explanation } from './explanation.ts';

/** An extension that a certificate must have; an empty value: must not have. */
export interface ExpectedExtension {
  readonly number: number;
  /** Fulcio's name. */
  readonly name: string;
  readonly value: string;
}

/** A certificate with these properties. What is not said may be anything. */
interface ExpectedCertificate {
  readonly outcome: 'issued';
  readonly issuerBlock?: string | undefined;
  /** The rule that allows. */
  readonly rule?: string | undefined;
  readonly san?: string | undefined;
  readonly extensions: readonly ExpectedExtension[];
  /** Whether there may be no other extensions. */
  readonly exact: boolean;
  readonly lifetimeSeconds?: number | undefined;
}

/** A refusal with these properties. */
interface ExpectedRefusal {
  readonly outcome: 'refused';
  readonly issuerBlock?: string | undefined;
  /** The rule that refuses. */
  readonly rule?: string | undefined;
  readonly reason?: string | undefined;
}

/** What somebody expects of a policy: a certificate or a refusal. */
export type Expectation = ExpectedCertificate | ExpectedRefusal;

/** Something that is not as expected. */
export interface ExpectationDifference {
  /** Such as `reason` or `extension 15 SourceRepositoryIdentifier`. */
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

/** Where an explanation differs from what is expected; empty when nowhere. */
export function differencesFrom(expected: Expectation, explanation: Explanation): ExpectationDifference[] {
  const found = explanation.issued ? 'issued' : `refused: ${refusalText(explanation)}`;
  if (expected.outcome === 'issued') {
    if (!explanation.issued) return [{ what: 'outcome', expected: 'issued', found }];
    return certificateDifferences(expected, explanation);
  }
  if (explanation.issued) return [{ what: 'outcome', expected: 'refused', found: issuedText(explanation) }];
  return [
    ...unlike('reason', expected.reason, explanation.refusal?.reason, refusalText(explanation)),
    ...unlike('rule', expected.rule, explanation.refusal?.rule),
    ...unlike('entry', expected.issuerBlock, chosenBlock(explanation)),
  ];
}

const NONE = 'none';

/** Nothing when `expected` says nothing or is what is there. `shown` is what a person reads of it. */
function unlike(
  what: string,
  expected: string | undefined,
  found: string | undefined,
  shown = found,
): ExpectationDifference[] {
  if (expected === undefined || expected === found) return [];
  return [{ what, expected: expected === '' ? NONE : expected, found: shown ?? NONE }];
}

const chosenBlock = ({ issuers }: Explanation): string | undefined =>
  issuers.find(({ chosen }) => chosen)?.name;

function refusalText({ refusal }: Explanation): string {
  if (refusal === undefined) return '';
  const { reason, sentence, rule = '' } = refusal;
  const by = rule === '' || sentence.includes(`"${rule}"`) ? '' : `, by the rule "${rule}"`;
  return `${reason}: ${sentence}${by}`;
}

const issuedText = ({ rule }: Explanation): string =>
  rule === undefined ? 'issued' : `issued, by the rule "${rule}"`;

function certificateDifferences(
  expected: ExpectedCertificate,
  explanation: Explanation,
): ExpectationDifference[] {
  const { certificate, rule } = explanation;
  if (certificate === undefined) return [];
  const seconds = (certificate.notAfter - certificate.notBefore) / 1000;
  return [
    ...unlike('entry', expected.issuerBlock, chosenBlock(explanation)),
    ...unlike('rule', expected.rule, rule),
    ...unlike('name', expected.san, certificate.san.value),
    ...extensionDifferences(expected, certificate.extensions),
    ...unlike('lifetime', lifetimeText(expected.lifetimeSeconds), lifetimeText(seconds)),
  ];
}

const lifetimeText = (seconds: number | undefined): string | undefined =>
  seconds === undefined ? undefined : `${seconds / 60} min`;

function extensionDifferences(
  { extensions, exact }: ExpectedCertificate,
  found: readonly ExpectedExtension[],
): ExpectationDifference[] {
  const title = ({ number, name }: ExpectedExtension): string => `extension ${number} ${name}`;
  const wrong = extensions.flatMap((extension) => {
    const there = found.find(({ number }) => number === extension.number);
    return extension.value === (there?.value ?? '')
      ? []
      : unlike(title(extension), extension.value, there?.value);
  });
  const unexpected = found.filter(({ number }) => !extensions.some((one) => one.number === number));
  const more = unexpected.map((one) => ({ what: title(one), expected: NONE, found: one.value }));
  return exact ? [...wrong, ...more] : wrong;
}
