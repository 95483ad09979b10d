/** What `mayfly verify bundle` says of a bundle. */
import { toHex } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { printable } from '../../core/printable.ts';
import { BUNDLE_STEPS, type BundleStep } from '../../verify/bundle/bundle-step.ts';
import type { BundleFault, BundleVerification } from '../../verify/bundle/bundle-verification.ts';

/** A verification, without the steps that looked at nothing. */
export type BundleReport = BundleVerification & {
  readonly notChecked: readonly BundleStep[];
  /** Of the artifact, where it is known by SHA-256. */
  readonly sha256: Uint8Array | undefined;
};

/** The report of a verification that left those steps unchecked. A name that cannot even be read stays a failed step. */
export function bundleReport(
  verification: BundleVerification,
  left: readonly BundleStep[],
  sha256: Uint8Array | undefined,
): BundleReport {
  const { steps, skipped } = verification;
  const judged = [...steps.filter(({ ok }) => !ok), ...skipped].map(({ name }) => name);
  const notChecked = left.filter((name) => !judged.includes(name));
  return {
    ...verification,
    steps: steps.filter(({ name }) => !notChecked.includes(name)),
    notChecked,
    sha256,
  };
}

const failuresOf = ({ steps }: BundleReport): BundleStep[] =>
  steps.filter(({ ok }) => !ok).map(({ name }) => name);

/** For machines. */
export function bundleFacts(report: BundleReport): Record<string, unknown> {
  const { ok, fault, at, times, identity, issuer, extensions, statement, sha256 } = report;
  return {
    ok,
    fault: fault ?? null,
    artifact: sha256 === undefined ? null : { sha256: toHex(sha256) },
    identity: identity ?? null,
    issuer: issuer ?? null,
    extensions: extensions ?? null,
    times: times.map(({ source, name, time }) => ({ source, name, time: rfc3339(time) })),
    at: at.map(rfc3339),
    statement: statement ?? null,
    steps: report.steps,
    failed: failuresOf(report),
    skipped: report.skipped.map(({ name }) => name),
    notChecked: report.notChecked,
  };
}

/** For a person, with texts of the bundle made harmless for a terminal. */
export function bundleText(report: BundleReport): string {
  const { ok, fault = 'artifact' } = report;
  const lines = BUNDLE_STEPS.flatMap((name) => linesOf(name, report));
  const end = ok
    ? `Verified: ${signerOf(report)}, at ${report.at.map(rfc3339).join(' and ')}`
    : `Not verified: ${failuresOf(report).join(', ')} failed. ${FAULTS[fault]}`;
  return [...lines, '', end].join('\n');
}

const signerOf = ({ identity, issuer }: BundleReport): string =>
  identity === undefined
    ? 'signed with that key'
    : `signed by ${printable(identity)}, vouched for by ${printable(issuer ?? '')}`;

const FAULTS: Readonly<Record<BundleFault, string>> = {
  artifact: 'The fault is that of the artifact, or of its bundle.',
  policy: 'What was found is genuine, but not what was asked for.',
  trust:
    'The fault may be that of the trust: it is older, or of other services. Get the newest files from who runs the services before you take the artifact for forged.',
  clock:
    'The fault may be that of the clock of this machine, which says that this time is still to come. Set the clock right before you take the artifact for forged.',
};

function linesOf(name: BundleStep, { steps, skipped }: BundleReport): string[] {
  const line = (outcome: string, detail: string): string => `${outcome.padEnd(8)}${name.padEnd(15)}${detail}`;
  return [
    ...steps.filter((step) => step.name === name).map((step) => line(step.ok ? 'ok' : 'FAILED', step.detail)),
    ...skipped.filter((step) => step.name === name).map(({ needs }) => line('skipped', `needs ${needs}`)),
  ];
}
