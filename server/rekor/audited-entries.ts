/** Which entries of a log have their line in the audit: a crash between the two leaves one without, and the next start writes it. */
import { readFile } from 'node:fs/promises';
import { utf8 } from '../../core/bytes.ts';
import { messageOf, systemCode } from '../../core/errors.ts';
import { writeDurably } from '../../storage/durable-file.ts';

/** Milliseconds after which what changed is written down: as many seconds of entries are compared with the audit after a crash. */
const WRITE_AFTER = 1_000;

/** Entries without a line that are remembered. */
const MOST_MISSING = 65_536;

interface Record {
  /** Entries below have a line, but for those that are missing. */
  readonly end: number;
  readonly missing: readonly number[];
}

/** Remembers it, in a file beside the log. */
export class AuditedEntries {
  readonly #file: string;
  readonly #onFault: (sentence: string) => void;
  #end: number;
  readonly #missing: Set<number>;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string, { end, missing }: Record, onFault: (sentence: string) => void) {
    this.#file = file;
    this.#onFault = onFault;
    this.#end = end;
    this.#missing = new Set(missing);
  }

  /** Of a log of that size. Without the file, which an earlier version did not write, all that is there counts as recorded. Never rejects: what is wrong with the file is handed to
   * `onFault`, and counts as if it was not there. */
  static async open(
    file: string,
    size: number,
    onFault: (sentence: string) => void,
  ): Promise<AuditedEntries> {
    const record = await read(file).catch((error: unknown) => {
      onFault(`${file} cannot be used, and begins anew: ${messageOf(error)}`);
      return undefined;
    });
    const opened = new AuditedEntries(file, record ?? { end: size, missing: [] }, onFault);
    if (record === undefined) opened.#later();
    return opened;
  }

  /** Indexes below `size` whose entries may have no line, in order. */
  doubtful(size: number): readonly number[] {
    const missing = [...this.#missing].filter((index) => index < size).sort((a, b) => a - b);
    return [...missing, ...Array.from({ length: Math.max(0, size - this.#end) }, (_, i) => this.#end + i)];
  }

  /** The entry at `index` has its line. */
  readonly recorded = (index: number): void => {
    if (index < this.#end) this.#missing.delete(index);
    else {
      for (let i = this.#end; i < index && this.#missing.size < MOST_MISSING; i++) this.#missing.add(i);
      this.#end = index + 1;
    }
    this.#later();
  };

  /** Writes down what is not yet. Never rejects. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#write();
    }, WRITE_AFTER).unref();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = JSON.stringify({ version: 1, end: this.#end, missing: [...this.#missing] });
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
  const { version, end, missing } = JSON.parse(text) as Partial<Record> & { readonly version?: unknown };
  const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
  if (version !== 1 || !isIndex(end) || !Array.isArray(missing) || !missing.every(isIndex))
    throw new Error('it is not of its form');
  return { end, missing };
}
