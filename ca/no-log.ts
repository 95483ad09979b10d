import type { PrecertificateLog } from './precertificate-log.ts';

// Nominal by its private field: nothing but NoLog makes one.
class UnloggedValue {
  readonly #isChosen = true;

  static isOne(value: object): value is UnloggedValue {
    return #isChosen in value && value.#isChosen;
  }
}

/** That an entry is in no log, by the operator's choice. It has no SCT, no index and no tree. */
export type Unlogged = UnloggedValue;

/** Whether {@link NoLog} made this value, whatever its type says. */
export const isUnlogged = (value: object): value is Unlogged => UnloggedValue.isOne(value);

/** In the place of a log where the operator insists on none: certificates carry no SCT, and nobody can see what was issued. */
export class NoLog implements PrecertificateLog {
  readonly identity = { origin: 'none' };

  append(): Promise<Unlogged> {
    return Promise.resolve(new UnloggedValue());
  }

  refusal(): undefined {
    return undefined;
  }
}
