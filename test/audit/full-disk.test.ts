import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { descriptorDestination } from '../../audit/descriptor-destination.ts';
import type { Destination } from '../../audit/destination.ts';
import { LineQueue } from '../../audit/line-queue.ts';
import { Notes } from './support/decisions.ts';
import { failureOf } from '../support/failure.ts';

const program = fileURLToPath(new URL(`support/full-disk${extname(import.meta.url)}`, import.meta.url));

interface Outcome {
  readonly issued: readonly string[];
  readonly refused: readonly string[];
  readonly notes: readonly string[];
}

describe('audit: a full disk', () => {
  it('refuses each certificate whose line is not whole, and goes on when there is room', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mayfly-audit-'));
    const path = join(directory, 'audit.jsonl');
    // Eight blocks are 4 or 8 KiB, as the shell counts: room for ten or twenty lines.
    const { stdout } = await promisify(execFile)('sh', [
      ...['-c', 'ulimit -f 8; exec "$0" "$@"', process.execPath, program, path],
    ]);
    const outcome = JSON.parse(stdout) as Outcome;
    expect(outcome.refused.length).to.be.within(1, 5);
    expect(outcome.issued.length + outcome.refused.length).to.equal(40);
    expect(outcome.notes.join('\n'))
      .to.match(/error: audit is not written: "EFBIG/)
      .and.match(/written again/);
    const lines: string[] = [];
    for (const name of await readdir(directory))
      lines.push(...(await readFile(join(directory, name), 'latin1')).split('\n'));
    const whole = lines.flatMap((line) => {
      try {
        return [JSON.parse(line) as { event: string; requestId: string }];
      } catch {
        return [];
      }
    });
    const idsOf = (event: string): string[] =>
      whole.filter((line) => line.event === event).map(({ requestId }) => requestId);
    expect(idsOf('issued')).to.have.members(outcome.issued);
    expect(idsOf('refused')).to.have.members(outcome.refused);
    await rm(directory, { recursive: true });
  });

  it('is noted once, in words, and counted, where standard output is a full device', async () => {
    const fd = openSync('/dev/full', 'w');
    const notes = new Notes();
    const queue = new LineQueue(descriptorDestination(fd), notes.note, { retryMs: 1, waiting: 100 });
    const refusal = await failureOf(queue.pushAndWait('awaited'));
    expect(refusal).to.include({ code: 'AUDIT_UNAVAILABLE' });
    expect(String((refusal as Error).cause)).to.contain('ENOSPC');
    for (let i = 0; i < 30; i++) queue.push('x'.repeat(10));
    expect(queue.lost).to.equal(20);
    await queue.close();
    expect(queue.lost).to.equal(30);
    closeSync(fd);
    expect(notes.events).to.deep.equal([
      'error: audit is not written',
      'error: audit lines lost',
      'error: audit lines lost',
    ]);
  });

  it('is noted when it shows at the end only, as the last lines are flushed', async () => {
    const notes = new Notes();
    const full = Object.assign(new Error('ENOSPC: no space left on device, fsync'), { code: 'ENOSPC' });
    const destination: Destination = {
      name: 'file',
      deliver: () => Promise.resolve(),
      close: () => Promise.reject(full),
    };
    const queue = new LineQueue(destination, notes.note);
    await queue.pushAndWait('the last line');
    await queue.close();
    expect(notes.events).to.deep.equal(['error: audit is not written']);
  });
});
