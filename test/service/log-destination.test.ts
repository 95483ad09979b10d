import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { expect } from 'chai';
import { LogDestination } from '../../service/log-destination.ts';
import type { Output } from '../../storage/output.ts';
import { skipUnless } from '../support/skipped.ts';

/** An output whose reader does what the test says. */
class Reader implements Output {
  readonly taken: string[] = [];
  #next: { resolve: () => void; reject: (error: Error) => void; text: string } | undefined;

  write(bytes: Uint8Array): Promise<void> {
    expect(this.#next, 'one write at a time').to.equal(undefined);
    return new Promise((resolve, reject) => {
      this.#next = { resolve, reject, text: Buffer.from(bytes).toString() };
    });
  }

  writeNow(bytes: Uint8Array): void {
    if (this.#next === undefined) this.taken.push(Buffer.from(bytes).toString());
  }

  /** Takes what is being written; resolves when the destination knows. */
  async take(): Promise<void> {
    const next = this.#next;
    this.#next = undefined;
    this.taken.push(next?.text ?? '');
    next?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async fail(): Promise<void> {
    const next = this.#next;
    this.#next = undefined;
    next?.reject(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await new Promise((resolve) => setImmediate(resolve));
  }

  get lines(): string[] {
    return this.taken.join('').split('\n').slice(0, -1);
  }
}

/** Characters of a line that is long enough for a write of its own. */
const LARGE = 33_000;

const line = (n: number, length = 300): string => `${JSON.stringify({ n }).padEnd(length - 1)}\n`;

describe('service/log-destination', () => {
  let reader: Reader;
  let log: LogDestination;
  let before: readonly ((code: number) => void)[];
  beforeEach(() => {
    before = process.listeners('exit');
    reader = new Reader();
    log = new LogDestination(reader);
  });
  afterEach(() => {
    for (const listener of process.listeners('exit'))
      if (!before.includes(listener)) process.off('exit', listener);
  });

  it('writes many lines at a time, all of them, in their order', async () => {
    for (let n = 0; n < 1000; n++) log.write(line(n));
    const drained = log.drained(60_000);
    while (reader.lines.length < 1000) await reader.take();
    await drained;
    expect(reader.lines.map((text) => (JSON.parse(text) as { n: number }).n)).to.deep.equal(
      Array.from({ length: 1000 }, (_, n) => n),
    );
    expect(reader.taken.length).to.be.lessThan(5);
  });

  it('writes a single line soon', async () => {
    log.write(line(1));
    while (reader.lines.length < 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await reader.take();
    }
  });

  it('keeps a bounded part for a reader that does not read, and says what was lost', async () => {
    const count = 40_000;
    for (let n = 0; n < count; n++) log.write(line(n));
    const drained = log.drained(60_000);
    await reader.take();
    await reader.take();
    await drained;
    const kept = reader.lines.filter((text) => text.startsWith('{"n"'));
    expect(reader.taken.join('').length).to.be.lessThan(10 * 1024 * 1024);
    log.write(line(count));
    await reader.take();
    const reports = reader.lines
      .map((text) => JSON.parse(text) as { event?: string; lines?: number })
      .filter(({ event }) => event === 'log lines lost');
    expect(reports).to.have.length(1);
    expect(reports[0]?.lines).to.equal(count - kept.length);
  });

  it('counts the lines of a write that failed, once, and goes on', async () => {
    for (const n of [0, 1]) {
      log.write(line(n, LARGE));
      await reader.fail();
    }
    log.write(line(2, LARGE));
    await reader.take();
    const [report, last] = reader.lines;
    expect(JSON.parse(report ?? '')).to.deep.include({ event: 'log lines lost', level: 'warn', lines: 2 });
    expect(JSON.parse(last ?? '')).to.deep.equal({ n: 2 });
    log.write(line(3, LARGE));
    await reader.take();
    expect(reader.lines).to.have.length(3);
  });

  it('has written at its end what was waiting for more, and from then on every line at once', async () => {
    log.write(line(1));
    const drained = log.drained(60_000);
    await reader.take();
    await drained;
    expect(reader.lines).to.have.length(1);
    log.write(line(2));
    await reader.take();
    expect(reader.lines).to.have.length(2);
  });

  it('waits no longer than it is asked to', async () => {
    log.write(line(1));
    await log.drained(1);
  });

  it('writes what waits when the process ends', () => {
    log.write(line(1));
    log.flushSync();
    expect(reader.lines).to.have.length(1);
    log.flushSync();
    expect(reader.lines).to.have.length(1);
  });

  for (const [name, kind] of [
    ['a file', 'file'],
    ['a pipe', 'pipe'],
  ] as const)
    it(`loses no line in ${name} when the process ends during a write`, function () {
      // There the runtime's streams write to pipes in the background.
      if (kind === 'pipe') skipUnless(this, process.platform !== 'win32', 'pipes of Windows');
      const folder = mkdtempSync(join(tmpdir(), 'mayfly-log-'));
      try {
        const path = join(folder, 'log');
        const file = openSync(path, 'a');
        const module = new URL(
          `../../service/log-destination${extname(import.meta.filename)}`,
          import.meta.url,
        );
        const text = `
          import { LogDestination } from ${JSON.stringify(module.href)};
          const log = new LogDestination();
          log.write('${'x'.repeat(LARGE)}\\n');
          log.write('the last one\\n');
          process.exit(1);`;
        const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', text], {
          stdio: ['ignore', 'ignore', kind === 'file' ? file : 'pipe'],
        });
        closeSync(file);
        expect(status).to.equal(1);
        const written = kind === 'file' ? readFileSync(path, 'utf8') : stderr.toString();
        const lengths = written.split('\n').map(({ length }) => length);
        expect(lengths).to.have.members([LARGE, 'the last one'.length, 0]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

  it('is forgotten by the process at its end, unless it still has to say what was lost', async () => {
    const isAtExit = (): boolean => process.listeners('exit').some((listener) => !before.includes(listener));
    log.write(line(1, LARGE));
    await reader.fail();
    await log.drained(60_000);
    expect(isAtExit()).to.equal(true);
    log.flushSync();
    expect(JSON.parse(reader.lines[0] ?? '')).to.include({ event: 'log lines lost', lines: 1 });
    await log.drained(60_000);
    expect(isAtExit()).to.equal(false);
  });
});
