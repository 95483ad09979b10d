/** Which steps a request asks for, and which of them need one that failed. */
import type { StepRecorder } from '../step.ts';
import type { BundleRequest } from './bundle-request.ts';
import { BUNDLE_STEPS, type BundleStep } from './bundle-step.ts';

/** Of the signature itself. */
export const SIGNED_STEPS: readonly BundleStep[] = ['signature', 'time'];
/** About the SCT, once the issuer of the certificate is known. */
export const NEED_LOGGED: readonly BundleStep[] = ['sct-signature', 'sct-time'];
export const INCLUSION: readonly BundleStep[] = ['inclusion'];
export const NAMES: readonly BundleStep[] = ['identity', 'issuer', 'extension'];
export const STATEMENT_STEPS: readonly BundleStep[] = ['predicate-type', 'predicate'];
/** Where there is a key, none of them is taken. */
export const CERTIFICATE_STEPS: readonly BundleStep[] = [
  ...(['certificate', 'sct', 'chain', ...NEED_LOGGED, ...NAMES, 'deny', ...INCLUSION] as const),
];

/** The steps of one verification. */
export class StepPlan {
  readonly #request: BundleRequest;
  readonly #record: StepRecorder<BundleStep>;

  constructor(request: BundleRequest, record: StepRecorder<BundleStep>) {
    this.#request = request;
    this.#record = record;
  }

  /** Whether the request asks for a step at all. */
  isAsked(name: BundleStep): boolean {
    const { signer, deny, proof, head, requireInclusion, predicateType, predicate, witnesses } =
      this.#request;
    const isCertificate = signer.type === 'certificate';
    if (name === 'extension') return isCertificate && (signer.extensions ?? []).length > 0;
    if (name === 'deny') return isCertificate && deny !== undefined;
    if (name === 'inclusion')
      return isCertificate && (proof !== undefined || head !== undefined || requireInclusion === true);
    if (name === 'witnesses') return witnesses !== undefined;
    if (name === 'predicate-type') return predicateType !== undefined;
    if (name === 'predicate') return predicate !== undefined;
    return isCertificate || !CERTIFICATE_STEPS.includes(name);
  }

  /** Notes of those of the steps that are asked for, and were not taken, that they need another. */
  skip(needs: BundleStep, names: readonly BundleStep[]): void {
    const done = new Set([...this.#record.steps, ...this.#record.skipped].map(({ name }) => name));
    this.#record.skip(needs, ...names.filter((name) => this.isAsked(name) && !done.has(name)));
  }

  /** The same of all that are left. */
  skipRest(needs: BundleStep): void {
    this.skip(needs, BUNDLE_STEPS);
  }
}
