import { FormatError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import { VerifyError, type Fault } from './verify-error.ts';

/** The checks, in the order in which they are made. */
export const STEP_NAMES = [
  ...(['certificate', 'sct', 'chain', 'sct-signature', 'sct-time'] as const),
  ...(['identity', 'issuer', 'deny', 'inclusion', 'witnesses'] as const),
] as const;

/** One of the checks. */
export type StepName = (typeof STEP_NAMES)[number];

/** The outcome of one check. */
export interface Step<Name extends string = StepName> {
  readonly name: Name;
  readonly ok: boolean;
  /** What was found, or why the answer is no; one line that is safe to show, whatever was judged. */
  readonly detail: string;
  /** Of a failed one: with whom the fault lies. */
  readonly fault?: Fault;
}

/** The first one decides with whom the fault of a verification lies: newer trust material does not help what is wrong in itself. */
const GRAVEST_FIRST: readonly Fault[] = ['certificate', 'clock', 'trust', 'policy'];

/** With whom the fault of a verification lies; undefined when all of its steps passed. */
export const faultOf = (steps: readonly { readonly fault?: Fault }[]): Fault | undefined =>
  GRAVEST_FIRST.find((one) => steps.some((step) => step.fault === one));

/** What something that is judged says of itself, or undefined where that cannot be read. */
export function said<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError || error instanceof VerifyError) return undefined;
    throw error;
  }
}

/** A check that could not be made because an earlier one failed. */
export interface SkippedStep<Name extends string = StepName> {
  readonly name: Name;
  /** The check whose result it needs. */
  readonly needs: Name;
}

/** Collects steps. A check that refuses becomes a failed step; a fault of ours goes on up. */
export class StepRecorder<Name extends string = StepName> {
  readonly steps: Step<Name>[] = [];
  readonly skipped: SkippedStep<Name>[] = [];

  #running: Name | undefined;

  /** The check that was begun last. */
  get running(): Name | undefined {
    return this.#running;
  }

  /** The first check that failed. */
  get failed(): Name | undefined {
    return this.steps.find(({ ok }) => !ok)?.name;
  }

  /** Notes that checks were not made for want of another. */
  skip(needs: Name, ...names: readonly Name[]): void {
    this.skipped.push(...names.map((name) => ({ name, needs })));
  }

  /** Runs a check, which answers its detail and what later checks need; undefined when it failed. In the detail, and in the message of a refusal, what does not belong on a line stands
   * escaped. */
  async run<T>(
    name: Name,
    check: () => readonly [detail: string, value: T] | Promise<readonly [detail: string, value: T]>,
  ): Promise<T | undefined> {
    this.#running = name;
    try {
      const [detail, value] = await check();
      this.steps.push({ name, ok: true, detail: printable(detail) });
      return value;
    } catch (error) {
      const refusal =
        error instanceof FormatError || (error instanceof VerifyError && error.code === 'REFUSED');
      if (!refusal) throw error;
      const fault = error instanceof VerifyError ? error.fault : 'certificate';
      this.steps.push({ name, ok: false, detail: printable(error.message), fault });
      return undefined;
    }
  }
}
