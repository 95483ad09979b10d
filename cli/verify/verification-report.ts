/** What `mayfly verify certificate` says of a certificate. */
import { rfc3339 } from '../../core/clock.ts';
import { printable } from '../../core/printable.ts';
import { STEP_NAMES, type StepName } from '../../verify/step.ts';
import type { Fault } from '../../verify/verify-error.ts';
import type { Verification } from '../../verify/verify-certificate.ts';

/** A verification, without the steps that looked at nothing. */
type VerificationReport = Verification & { readonly notChecked: readonly StepName[] };

/** The report of a verification that left those steps unchecked. A name that cannot even be read stays a failed step,
 * whatever name was expected. */
export function verificationReport(
  verification: Verification,
  left: readonly StepName[],
): VerificationReport {
  const { steps, skipped } = verification;
  const judged = [...steps.filter(({ ok }) => !ok), ...skipped].map(({ name }) => name);
  const notChecked = left.filter((name) => !judged.includes(name));
  return { ...verification, steps: steps.filter(({ name }) => !notChecked.includes(name)), notChecked };
}

const failuresOf = ({ steps }: VerificationReport): StepName[] =>
  steps.filter((step) => !step.ok).map((step) => step.name);

/** A report for machines. */
export function verificationFacts(report: VerificationReport): Record<string, unknown> {
  const { ok, fault, at, identity, issuer, steps, skipped, notChecked } = report;
  return {
    ok,
    fault: fault ?? null,
    at: at === undefined ? null : rfc3339(at),
    identity: identity ?? null,
    issuer: issuer ?? null,
    steps,
    failed: failuresOf(report),
    skipped: skipped.map(({ name }) => name),
    notChecked,
  };
}

/** A report for a person, with texts of the certificate made harmless for a terminal. */
export function verificationText(report: VerificationReport): string {
  const { ok, fault = 'certificate', identity = '', issuer = '' } = report;
  const lines = STEP_NAMES.map((name) => lineOf(name, report)).filter((line) => line !== undefined);
  const end = ok
    ? `Verified: ${printable(identity)}, vouched for by ${printable(issuer)}`
    : `Not verified: ${failuresOf(report).join(', ')} failed. ${FAULTS[fault]}`;
  return [...lines, '', end].join('\n');
}

const FAULTS: Readonly<Record<Fault, string>> = {
  certificate: 'The fault is that of the certificate, or of what came with it.',
  policy: 'The certificate is genuine, but not one that was asked for.',
  trust:
    'The fault may be that of the trust: it is older, or of another CA. Get the newest files from who runs the CA before you take the certificate for forged.',
  clock:
    'The fault may be that of the clock of this machine, which says that this time is still to come. Set the clock right before you take the certificate for forged.',
};

function lineOf(name: StepName, { steps, skipped }: VerificationReport): string | undefined {
  const step = steps.find((one) => one.name === name);
  if (step !== undefined) return line(step.ok ? 'ok' : 'FAILED', name, step.detail);
  const without = skipped.find((one) => one.name === name);
  return without === undefined ? undefined : line('skipped', name, `needs ${without.needs}`);
}

const line = (outcome: string, name: StepName, detail: string): string =>
  `${outcome.padEnd(8)}${name.padEnd(15)}${detail}`;
