import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openOutput } from '../../storage/output.ts';
import { skipUnless } from '../support/skipped.ts';

describe('storage/output', () => {
  it('puts nothing into the middle of a write that its reader holds up', async function () {
    const folder = mkdtempSync(join(tmpdir(), 'mayfly-output-'));
    try {
      const path = join(folder, 'fifo');
      skipUnless(this, spawnSync('mkfifo', [path]).status === 0, 'there are no named pipes');
      // Like a terminal, it takes a part and then nothing.
      const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
      try {
        let read = '';
        const takeSome = (): void => {
          const chunk = Buffer.alloc(1_000_000);
          try {
            read += chunk.toString('latin1', 0, readSync(fd, chunk));
          } catch (error) {
            expect((error as NodeJS.ErrnoException).code).to.equal('EAGAIN');
          }
        };
        const size = 1_000_000;
        const output = openOutput(fd);
        const written = output.write(Buffer.alloc(size, 'x'));
        let first = 0;
        // What comes after the first part was written after the output knew that it was a part.
        while (first === 0 || read.length === first) {
          await new Promise(setImmediate);
          takeSome();
          first ||= read.length;
        }
        output.writeNow(Buffer.from('late'));
        while (read.length < size) {
          await new Promise(setImmediate);
          takeSome();
        }
        await written;
        output.writeNow(Buffer.from('after'));
        takeSome();
        expect(read.length).to.equal(size + 'after'.length);
        expect(read.slice(size)).to.equal('after');
      } finally {
        closeSync(fd);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
