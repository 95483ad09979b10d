/**
 * Questions about the state of requests that several services share, in the database of their logs: one session, one statement
 * for all questions that wait, and an answer or a refusal in time. It keeps nothing of its own.
 */
import { GroupCommit } from '../../storage/group-commit.ts';
import type { PostgresConnection, PostgresPlace } from '../../storage/postgres.ts';
import { naming, openSession } from '../../tlog/store/postgres-session.ts';

/** Milliseconds for which a question waits. */
const PATIENCE_MS = 1_500;

/** Milliseconds after a failure for which questions are refused at once. */
const PAUSE_MS = 1_000;

/** Milliseconds after a failure until it is tried, without a question, whether it lasts; and from then on. */
const RECHECK_MS = 2_000;

/** Questions of one statement. */
const MAX_BATCH = 1000;

/** How one kind of questions is asked. */
interface SharedQueueOptions<Question, Answer> {
  readonly place: PostgresPlace;
  /** As others see the session. */
  readonly application: string;
  /** Answers all of them, in their order. */
  readonly answer: (
    connection: PostgresConnection,
    questions: readonly Question[],
  ) => Promise<readonly Answer[]>;
  /** What a question is refused with, when that went wrong. */
  readonly unavailable: (cause: unknown) => Error;
  /** Done after each statement that was answered, before the next one: short. Its failure is none. */
  readonly tidy?: (connection: PostgresConnection) => Promise<void>;
}

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** One kind of questions. What arrives in one turn of the event loop, or while an answer is awaited, shares the next statement. */
export class SharedQueue<Question, Answer> {
  readonly #options: SharedQueueOptions<Question, Answer>;
  #waiting: Waiting<Question, Answer>[] = [];
  readonly #batches = new GroupCommit({
    isDue: () => this.#waiting.length > 0 || this.#isCheckDue,
    commit: () => this.#askNext(),
    gathers: true,
  });
  #connection: PostgresConnection | undefined;
  #refusal: { readonly error: Error; readonly until: number } | undefined;
  #recheck: NodeJS.Timeout | undefined;
  #isCheckDue = false;
  #isClosed = false;

  constructor(options: SharedQueueOptions<Question, Answer>) {
    this.#options = options;
  }

  /** What was wrong the last time; undefined while all is well. It is tried again also while nobody asks. */
  get failure(): Error | undefined {
    return this.#refusal?.error;
  }

  /** Rejects in {@link PATIENCE_MS}, or at once after a failure; what was asked may have been done then. */
  ask(question: Question): Promise<Answer> {
    const { error, until = 0 } = this.#refusal ?? {};
    if (error !== undefined && performance.now() < until) return Promise.reject(error);
    if (this.#isClosed) return Promise.reject(this.#options.unavailable(new Error('it is closed')));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      this.#batches.start();
    });
  }

  async #askNext(): Promise<true> {
    const batch = this.#waiting.splice(0, MAX_BATCH);
    this.#isCheckDue = false;
    // Those too that come meanwhile: their turn would be later still.
    const timer = setTimeout(() => {
      this.#refuse(batch, new Error('it does not answer in time'));
    }, PATIENCE_MS);
    try {
      const answers = await naming(this.#options.place, async () => {
        const connection = await this.#session();
        if (batch.length === 0) {
          await connection.query('SELECT 1');
          return [];
        }
        return this.#options.answer(
          connection,
          batch.map(({ question }) => question),
        );
      });
      this.#refusal = undefined;
      for (const [i, { resolve, reject }] of batch.entries()) {
        const answer = answers[i];
        if (answer === undefined) reject(this.#options.unavailable(new Error('it gave too few answers')));
        else resolve(answer);
      }
      if (this.#connection !== undefined) await this.#options.tidy?.(this.#connection).catch(() => undefined);
    } catch (error) {
      this.#refuse(batch, error);
    } finally {
      clearTimeout(timer);
    }
    return true;
  }

  #refuse(batch: readonly Waiting<Question, Answer>[], cause: unknown): void {
    const error = this.#options.unavailable(cause);
    this.#refusal = { error, until: performance.now() + PAUSE_MS };
    for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error);
    if (this.#isClosed) return;
    this.#recheck ??= setTimeout(() => {
      this.#recheck = undefined;
      this.#isCheckDue = this.#refusal !== undefined;
      this.#batches.start();
    }, RECHECK_MS).unref();
  }

  async #session(): Promise<PostgresConnection> {
    const { place, application } = this.#options;
    if (this.#connection === undefined || this.#connection.isGone)
      this.#connection = (await openSession(place, application, PATIENCE_MS)).connection;
    return this.#connection;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#recheck);
    await this.#batches.running;
    await this.#connection?.close();
  }
}
