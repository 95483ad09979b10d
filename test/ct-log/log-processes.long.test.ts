import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { fromHex } from '../../core/bytes.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { newKeyTexts, signersOf } from './support/log-keys.ts';
import { Ledger } from './support/ledger.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';
import { failureOf } from '../support/failure.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const WRITER = fileURLToPath(new URL(`./support/writer-process.${extension}`, import.meta.url));

interface WriterProcess {
  readonly child: ChildProcess;
  /** Its lines, as they come. */
  readonly lines: AsyncIterator<string, undefined>;
}

function startWriter(directory: string, keyFile: string, width: number): WriterProcess {
  const child = spawn(process.execPath, [WRITER, directory, keyFile, String(width)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

/** Reads lines into the ledger until `answers` entries were acknowledged, kills, and reads what was still on its way. */
async function killAfter(writer: WriterProcess, answers: number, ledger: Ledger): Promise<void> {
  const exited = once(writer.child, 'exit');
  let left = answers;
  for (;;) {
    const { value, done } = await writer.lines.next();
    if (done === true) break;
    const [kind, number, time, hash = ''] = value.split(' ');
    const common = { timestamp: Number(time) };
    if (kind === 'head') ledger.heads.push({ ...common, size: Number(number), root: hash });
    else if (kind === 'entry')
      ledger.answers.push({ ...common, index: Number(number), leafHash: fromHex(hash) });
    else throw new Error(`the writer said: ${value}`);
    if (--left === 0) writer.child.kill('SIGKILL');
  }
  await exited;
  expect(writer.child.signalCode).to.equal('SIGKILL');
}

describe('ct-log/log in several processes', function () {
  this.timeout(120_000);
  let test: TestLog;
  let keyFile: string;
  beforeEach(async () => {
    const keys = newKeyTexts();
    test = await testLog({ signers: signersOf(keys) });
    keyFile = join(test.root, 'keys.json');
    writeFileSync(keyFile, JSON.stringify(keys), { mode: 0o600 });
  });
  afterEach(() => test.remove());

  it('loses nothing acknowledged and forks nothing signed, however often it is killed', async () => {
    const ledger = new Ledger();
    for (const [width, answers] of [
      [32, 1],
      [1, 7],
      [32, 700],
      [200, 1500],
      [32, 300],
    ] as const) {
      await killAfter(startWriter(test.directory, keyFile, width), answers, ledger);
      await ledger.expectKept(test.directory);
    }
    const log = await test.open({ signers: ledger.watch(test.signers) });
    ledger.note(await log.append(entry(1)));
    await log.close();
    await ledger.expectKept(test.directory);
  });

  it('refuses a second writer in another process, and lets it in when the first one is killed', async () => {
    const first = startWriter(test.directory, keyFile, 1);
    await first.lines.next();
    const second = startWriter(test.directory, keyFile, 1);
    expect((await second.lines.next()).value).to.equal('refused LOG_LOCKED');
    await once(second.child, 'exit');
    await killAfter(first, 3, new Ledger());
    const third = await test.open();
    expect((await third.append(entry(1))).index).to.be.at.least(1);
  });

  it('refuses a second writer in the same process', async () => {
    const log = await test.open();
    const failure: unknown = await failureOf(test.open());
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_LOCKED');
    expect((failure as LogError).hint).to.include('Stop the other one');
    await log.append(entry(1));
    await log.close();
    expect((await test.open()).status().size).to.equal(1);
  });

  it('stops the first writer at its next commit when the lock file was deleted under it', async () => {
    const first = await test.open();
    await first.append(entry(1));
    rmSync(join(test.directory, 'lock.db'));
    const second = await test.open();
    await second.append(entry(2));
    const failure: unknown = await failureOf(first.append(entry(3)));
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_UNAVAILABLE');
    expect(first.status().failed).to.include('another writer');
    expect((await second.append(entry(4))).index).to.equal(2);
  });
});
