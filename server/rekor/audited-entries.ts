/** Which entries of a log have their line in the audit: a crash between the two leaves one without, and the next start writes it. */
import { readFile } from 'node:fs/promises';
import { utf8 } from '../../core/bytes.ts';
import { messageOf, systemCode } from '../../core/errors.ts';
import { writeDurably } from '../../storage/durable-file.ts';

/** Milliseconds after which what changed is written down: as many seconds of entries are compared with the audit after a crash. */
const WRITE_AFTER = 1_000;

/** Entries without a line that are remembered. */
const MOST_MISSING = 65_536;

/** Entries behind the note of a shared log that are in doubt at a start: what several services log in the seconds before a crash. What came later is not of this one. */
const MOST_DOUBTFUL = 4_096;

interface Record {
  /** Entries below have a line, or are of another service, but for those that are missing. */
  readonly end: number;
  readonly missing: readonly number[];
  /** When that was so, milliseconds since the epoch; undefined in files of earlier versions. */
  readonly at?: number | undefined;
}

/** The log whose entries are followed. */
interface FollowedLog {
  /** Whether other services log in it, too: the lines of their entries are theirs. */
  readonly isShared: boolean;
  /** Entries that it has just now. */
  readonly size: () => number;
}

/** An entry on its way into the log and the audit. */
export interface EntryUnderWay {
  /** It is in the log, at that index, and has no line yet. */
  logged(index: number): void;
  /** Nothing more becomes of it for now: without a line, the next start writes it. */
  end(): void;
}

/** Remembers it, in a file beside the log. In a log that is shared it knows the entries of its own service alone. */
export class AuditedEntries {
  /** When what is known was written down, milliseconds since the epoch: entries in doubt have their lines from then on. Undefined where that is not known. */
  readonly knownAt: number | undefined;
  readonly #file: string;
  readonly #log: FollowedLog;
  readonly #onFault: (sentence: string) => void;
  #end: number;
  readonly #missing: Set<number>;
  /** Sizes of the log when entries set out that are under way: none of them is below. */
  readonly #underWay = new Set<{ readonly size: number }>();
  readonly #looks: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    file: string,
    { end, missing, at }: Record,
    log: FollowedLog,
    onFault: (sentence: string) => void,
  ) {
    this.#file = file;
    this.#log = log;
    this.#onFault = onFault;
    this.#end = end;
    this.#missing = new Set(missing);
    this.knownAt = at;
    if (!log.isShared) return;
    for (let i = end; i < Math.min(log.size(), end + MOST_DOUBTFUL); i++) this.#miss(i);
    this.#pass();
    this.#looks = setInterval(() => {
      this.#pass();
    }, WRITE_AFTER).unref();
  }

  /** Without the file, which an earlier version did not write, all that is there counts as recorded. Never rejects: what is wrong with the file is handed to
   * `onFault`, and counts as if it was not there. */
  static async open(
    file: string,
    log: FollowedLog,
    onFault: (sentence: string) => void,
  ): Promise<AuditedEntries> {
    const record = await read(file).catch((error: unknown) => {
      onFault(`${file} cannot be used, and begins anew: ${messageOf(error)}`);
      return undefined;
    });
    const opened = new AuditedEntries(file, record ?? { end: log.size(), missing: [] }, log, onFault);
    if (record === undefined) opened.#later();
    return opened;
  }

  /** Indexes below `size` whose entries may have no line, in order. */
  doubtful(size: number): readonly number[] {
    const missing = [...this.#missing].filter((index) => index < size).sort((a, b) => a - b);
    if (this.#log.isShared) return missing;
    return [...missing, ...Array.from({ length: Math.max(0, size - this.#end) }, (_, i) => this.#end + i)];
  }

  /** An entry of this service sets out. */
  begin(): EntryUnderWay {
    const underWay = { size: this.#log.size() };
    this.#underWay.add(underWay);
    return {
      logged: (index) => {
        this.#miss(index);
      },
      end: () => {
        this.#underWay.delete(underWay);
      },
    };
  }

  /** The entry at `index` has its line. */
  readonly recorded = (index: number): void => {
    this.#missing.delete(index);
    if (index >= this.#end && !this.#log.isShared) {
      for (let i = this.#end; i < index; i++) this.#miss(i);
      this.#end = index + 1;
    }
    this.#later();
  };

  /** Writes down what is not yet. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#looks);
    this.#pass();
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  #miss(index: number): void {
    if (this.#missing.size >= MOST_MISSING) return;
    this.#missing.add(index);
    this.#later();
  }

  /** Passes over what others logged. Of what is there, that of this service has its line or is missing, but for what is under way. */
  #pass(): void {
    if (!this.#log.isShared) return;
    const end = Math.min(this.#log.size(), ...[...this.#underWay].map(({ size }) => size));
    if (end <= this.#end) return;
    this.#end = end;
    this.#later();
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#write();
    }, WRITE_AFTER).unref();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = JSON.stringify({ version: 1, end: this.#end, missing: [...this.#missing], at: Date.now() });
    this.#writing = this.#writing
      .then(() => writeDurably(this.#file, utf8(`${text}\n`), 0o600))
      .catch((error: unknown) => {
        this.#onFault(`${this.#file} cannot be written: ${messageOf(error)}`);
      });
  }
}

async function read(file: string): Promise<Record | undefined> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const { version, end, missing, at } = JSON.parse(text) as Partial<Record> & { readonly version?: unknown };
  const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
  const isRight = isIndex(end) && Array.isArray(missing) && missing.every(isIndex);
  if (version !== 1 || !isRight || !(at === undefined || isIndex(at)))
    throw new Error('it is not of its form');
  return { end, missing, at };
}
