import { MayflyError } from '../core/errors.ts';
import { CHECKS, type ExplainedCheck, type CheckName, type ExplainedRefusal } from './explanation.ts';

/** Codes that belong to another check than the one under way, because one function of the service does both. */
const CHECK_OF_CODE: ReadonlyMap<string, CheckName> = new Map([
  ['ALGORITHM_REFUSED', 'algorithm'],
  ['ISSUER_UNKNOWN', 'issuer'],
]);

/** The checks of one explanation, as they are made. The first failure is the service's answer; later checks go on. */
export class CheckRecorder {
  readonly #done = new Map<CheckName, ExplainedCheck>();
  #refusal: ExplainedRefusal | undefined;

  /** Runs a check; returns its value, or undefined when it fails with one of our own errors. `say` words a good outcome. */
  run<T>(name: CheckName, work: () => T, say: (value: T) => string): T | undefined {
    try {
      const value = work();
      this.note(name, 'ok', say(value));
      return value;
    } catch (error) {
      if (!(error instanceof MayflyError)) throw error;
      this.fail(name, error as MayflyError);
      return undefined;
    }
  }

  /** Records a failure. */
  fail(name: CheckName, { code, message, hint, metadata }: MayflyError): void {
    this.note(CHECK_OF_CODE.get(code) ?? name, 'failed', `${code}: ${message}`);
    this.#refusal ??= { reason: code, sentence: message, hint, rule: metadata['rule'] };
  }

  /** Records any outcome; the first one of a check stays. */
  note(name: CheckName, outcome: ExplainedCheck['outcome'], detail: string): void {
    if (!this.#done.has(name)) this.#done.set(name, { name, outcome, detail });
  }

  /** Whether a check has an outcome yet. */
  has(name: CheckName): boolean {
    return this.#done.has(name);
  }

  /** Why the service would refuse; undefined when it would not. */
  get refusal(): ExplainedRefusal | undefined {
    return this.#refusal;
  }

  /** All checks in the service's order; what was not reached is skipped. */
  all(): ExplainedCheck[] {
    return CHECKS.map(
      (name) => this.#done.get(name) ?? { name, outcome: 'skipped', detail: 'an earlier check failed' },
    );
  }
}
