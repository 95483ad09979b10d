import type { CtLog } from '../ct-log/ct-log.ts';

/** Entries on their way into a log. */
class UnderWay {
  #count = 0;
  #idle: (() => void) | undefined;

  begin(): void {
    this.#count++;
  }

  end(): void {
    this.#count--;
    if (this.#count === 0) this.#idle?.();
  }

  /** Resolves when there are none; to be called when none begins any more. */
  async none(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}

/** The certificate log in use, in a service whose logs follow each other while it runs: another one at another time. Each call goes to the one that is in use at that moment. */
export class LogInUse implements CtLog {
  #log: CtLog;
  #underWay = new UnderWay();

  constructor(log: CtLog) {
    this.#log = log;
  }

  get identity(): CtLog['identity'] {
    return this.#log.identity;
  }

  get reader(): CtLog['reader'] {
    return this.#log.reader;
  }

  get tree(): CtLog['tree'] {
    return this.#log.tree;
  }

  get warnings(): CtLog['warnings'] {
    return this.#log.warnings;
  }

  get notes(): CtLog['notes'] {
    return this.#log.notes;
  }

  readonly append: CtLog['append'] = async (entry, claim) => {
    const underWay = this.#underWay;
    underWay.begin();
    try {
      return await this.#log.append(entry, claim);
    } finally {
      underWay.end();
    }
  };

  get isShared(): boolean {
    return this.#log.isShared;
  }

  readonly claimOf: CtLog['claimOf'] = (identity) => this.#log.claimOf(identity);

  readonly refusal: CtLog['refusal'] = () => this.#log.refusal();

  readonly status: CtLog['status'] = () => this.#log.status();

  readonly now: CtLog['now'] = () => this.#log.now();

  readonly clockBaseline: CtLog['clockBaseline'] = () => this.#log.clockBaseline();

  readonly noteUse: CtLog['noteUse'] = () => this.#log.noteUse();

  readonly admit: CtLog['admit'] = (certificate) => this.#log.admit(certificate);

  readonly signAgain: CtLog['signAgain'] = (entry) => this.#log.signAgain(entry);

  readonly close: CtLog['close'] = () => this.#log.close();

  /** From this very moment on entries go to `next`. Returns what closes the log before, once it has answered for each entry that was handed to it. */
  follow(next: CtLog): () => Promise<void> {
    const [former, underWay] = [this.#log, this.#underWay];
    this.#log = next;
    this.#underWay = new UnderWay();
    return async () => {
      await underWay.none();
      await former.close();
    };
  }
}
