import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { FormatError } from '../../core/errors.ts';
import { startWorker, type WorkerChannel } from '../../storage/worker-channel.ts';
import { testLog } from '../ct-log/support/test-log.ts';
import type { EchoRequest } from './support/echo-worker.ts';
import { failureOf } from '../support/failure.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const STORE = new URL(`../../tlog/store/sqlite-commit-store.${extension}`, import.meta.url);

describe('storage/worker-channel', () => {
  it('starts its threads whatever flags the process was started with', async () => {
    const test = await testLog();
    const script = `
      import { sqliteCommitStore } from ${JSON.stringify(STORE.href)};
      const [directory, logId] = JSON.parse(process.env.STORE);
      const store = sqliteCommitStore(directory, Buffer.from(logId, 'hex'));
      console.log((await store.load()).head.size);
      await store.close();
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--expose-gc', '--eval', script],
      { env: { STORE: JSON.stringify([test.directory, Buffer.from(test.identity.logId).toString('hex')]) } },
    );
    expect(stdout).to.equal('0\n');
    await test.remove();
  });

  describe('with a thread', () => {
    let reasons: string[];
    let channel: WorkerChannel<EchoRequest, string>;
    beforeEach(() => {
      reasons = [];
      channel = startWorker<EchoRequest, string>({
        beside: import.meta.url,
        name: 'support/echo-worker',
        workerData: undefined,
        errors: FormatError,
        gone: (reason) => {
          reasons.push(reason);
          return new Error(`gone: ${reason}`);
        },
      });
    });
    afterEach(() => channel.terminate());
    const failure = (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => 'none',
        (error: unknown) => (error as Error).message,
      );

    it('answers each question, in order', async () => {
      const answers = ['a', 'b', 'c', 'd'].map((text) => channel.ask({ text }));
      expect(await Promise.all(answers)).to.deep.equal(['a!', 'b!', 'c!', 'd!']);
      expect(channel.isGone).to.equal(false);
    });

    it('rejects a question with the error that the thread threw on purpose, and goes on', async () => {
      const refused: unknown = await failureOf(channel.ask('refuse'));
      expect(refused).to.be.instanceOf(FormatError);
      expect(refused).to.include({ code: 'TOO_LARGE', message: 'it is too long', hint: 'Cut it.' });
      expect(await channel.ask({ text: 'a' })).to.equal('a!');
    });

    for (const [request, why] of [
      ['end', 'exit code 3'],
      ['throw', 'it broke'],
    ] as const)
      it(`fails every open and later question with one error when the thread ends: ${request}`, async () => {
        // Waited for: when a thread ends, nothing orders its last answer before the news of its end.
        expect(await channel.ask({ text: 'a' })).to.equal('a!');
        const open = [channel.ask(request), channel.ask({ text: 'b' })];
        const gone = `gone: the thread support/echo-worker ended: ${why}`;
        expect(await Promise.all(open.map(failure))).to.deep.equal([gone, gone]);
        expect(channel.isGone).to.equal(true);
        expect(await failure(channel.ask({ text: 'c' }))).to.equal(gone);
        expect(reasons).to.have.length(1);
      });

    it('ends the thread whatever it does', async () => {
      const asked = failure(channel.ask({ text: 'a' }));
      await channel.terminate();
      await channel.terminate();
      expect(await asked).to.match(/^(none|gone: the thread support\/echo-worker ended: exit code \d)$/);
      expect(await failure(channel.ask({ text: 'b' }))).to.match(/ended: exit code \d$/);
    });
  });
});
