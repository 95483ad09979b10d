/** The ledger, as the process that drives a campaign holds it. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LogName } from './answers.ts';
import type { LedgerCounts, Observation } from './ledger.ts';
import type { LogPlaces } from './read-log.ts';

/** Asks the ledger's process. */
export type LedgerRequest = { readonly id: number } & (
  | { readonly kind: 'note'; readonly observations: readonly Observation[] }
  | {
      readonly kind: 'verify';
      readonly places: LogPlaces;
      /** Whether the places are URLs, and not directories. */
      readonly isServed: boolean;
      readonly upTo?: number | undefined;
    }
);

/** What it answers. */
export interface LedgerReply {
  readonly id: number;
  readonly counts: LedgerCounts;
  readonly found?: readonly string[];
  /** Why it could not be done. */
  readonly failure?: string;
}

type Question = LedgerRequest extends infer Each ? (Each extends unknown ? Omit<Each, 'id'> : never) : never;

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const PROGRAM = fileURLToPath(new URL(`./ledger-process.${extension}`, import.meta.url));

/** A running ledger. */
export class LedgerClient {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: LedgerReply) => void>();
  #queue: Observation[] = [];
  #noting: Promise<void> | undefined;
  #id = 0;
  #counts: LedgerCounts = { acknowledged: 0, heads: 0, refused: 0, silent: 0 };

  /** Keeps it in `file`; `directories` have the public keys of the logs. */
  constructor(file: string, { certificates, artifacts }: Readonly<Record<LogName, string>>) {
    this.#child = fork(PROGRAM, [file, certificates, artifacts], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (reply: LedgerReply) => {
      this.#counts = reply.counts;
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    this.#child.once('exit', (code) => {
      const failure = `the ledger ended with ${code ?? 'a signal'}`;
      for (const [id, resolve] of this.#waiting) resolve({ id, counts: this.#counts, failure });
    });
  }

  get counts(): LedgerCounts {
    return this.#counts;
  }

  /** Resolves when it is written down durably. What comes while that is under way goes together. */
  note(observation: Observation): Promise<void> {
    this.#queue.push(observation);
    const next = (this.#noting ?? Promise.resolve()).then(() => this.#flush());
    this.#noting = next.catch(() => undefined);
    return next;
  }

  async #flush(): Promise<void> {
    if (this.#queue.length === 0) return;
    const observations = this.#queue;
    this.#queue = [];
    await this.#ask({ kind: 'note', observations });
  }

  /** What is wrong with a deployment that is served at these URLs; `upTo` as for {@link Ledger.verify}. */
  verifyServed(places: LogPlaces, upTo?: number): Promise<readonly string[]> {
    return this.#verify({ kind: 'verify', places, isServed: true, upTo });
  }

  /** What is wrong with logs in directories that nobody writes; `upTo` as before. */
  verifyStored(places: LogPlaces, upTo?: number): Promise<readonly string[]> {
    return this.#verify({ kind: 'verify', places, isServed: false, upTo });
  }

  async #verify(question: Extract<Question, { kind: 'verify' }>): Promise<readonly string[]> {
    try {
      return (await this.#ask(question)).found ?? [];
    } catch (error) {
      return [`the logs cannot be read: ${(error as Error).message}`];
    }
  }

  async #ask(question: Question): Promise<LedgerReply> {
    const id = this.#id++;
    const reply = await new Promise<LedgerReply>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ ...question, id });
    });
    if (reply.failure !== undefined) throw new Error(reply.failure);
    return reply;
  }

  async close(): Promise<void> {
    await this.#noting;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await gone;
  }
}
