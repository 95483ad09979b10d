/** What other CAs hand in, at the log itself: what is not known to be absent is not logged. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { parseCertificate } from '../../../core/certificate.ts';
import type { CtLog } from '../../../ct-log/ct-log.ts';
import { SubmissionError } from '../../../ct-log/submission/submission-error.ts';
import { Submissions } from '../../../ct-log/submission/submissions.ts';
import { SubmittedChains, type SubmittedEntry } from '../../../ct-log/submission/submitted-chain.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { failureOf } from '../../support/failure.ts';
import { derOf, outsideCa, type OutsideCa } from '../support/outside-ca.ts';
import { testLog, type TestLog } from '../support/test-log.ts';

describe('ct-log/submission/submissions', () => {
  let ca: OutsideCa;
  let test: TestLog;
  const open: Submissions[] = [];

  before(async () => {
    ca = await outsideCa();
  });
  beforeEach(async () => {
    test = await testLog();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((submissions) => submissions.close()));
    await test.remove();
  });

  const submitted = async (): Promise<SubmittedEntry> => {
    const rules = {
      roots: [parseCertificate(derOf(ca.root))],
      usages: undefined,
      ownKeys: new Set<string>(),
    };
    return new SubmittedChains(rules).read('precertificate', [await ca.precertificate(), derOf(ca.issuing)]);
  };
  const over = async (log: CtLog): Promise<Submissions> => {
    const submissions = await Submissions.open(log, test.directory, 20);
    open.push(submissions);
    return submissions;
  };

  /** What becomes of it once the index of what is there was made. */
  const settled = async (submissions: Submissions, one: SubmittedEntry): Promise<unknown> => {
    for (;;) {
      const answer = await submissions.add(one).catch((error: unknown) => error);
      if (!(answer instanceof SubmissionError)) return answer;
      expect(answer.code).to.equal('SUBMISSION_BUSY');
      await delay(5);
    }
  };

  it('logs nothing while it is not known whether it is there, and finds it afterwards', async () => {
    const log = await test.open();
    const first = await submitted();
    const { index } = (await settled(await over(log), first)) as { readonly index: number };
    let release = (): void => undefined;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    const { tiles } = log.tree;
    const entries: typeof tiles.entries = async (...args) => {
      await blocked;
      return tiles.entries(...args);
    };
    const slow = Object.create(tiles, { entries: { value: entries } }) as typeof tiles;
    const again = await over({ ...log, tree: { ...log.tree, tiles: slow } });
    for (const one of [first, await submitted()])
      expect(await failureOf(again.add(one))).to.include({ code: 'SUBMISSION_BUSY' });
    release();
    expect(await settled(again, first)).to.include({ index, isNew: false });
    expect(log.status().size).to.equal(1);
  });

  it('signs no entry again that is not the one of the tree', async () => {
    const log = await test.open();
    const first = await submitted();
    await settled(await over(log), first);
    const holds: CtLog['reader']['holds'] = () => Promise.resolve(false);
    const damaged = await over({ ...log, reader: { ...log.reader, holds } });
    expect(await settled(damaged, first)).to.include({ code: 'LOG_CORRUPT' });
    expect(log.status().size).to.equal(1);
  });

  it('still answers what it has when the log takes nothing', async () => {
    const log = await test.open();
    const [first, second] = [await submitted(), await submitted()];
    const submissions = await over(log);
    const { index } = (await settled(submissions, first)) as { readonly index: number };
    const refusal = new LogError('LOG_FROZEN', 'it has ended');
    const ended = await over({ ...log, refusal: () => refusal });
    expect(await settled(ended, first)).to.include({ index, isNew: false });
    expect(await settled(ended, second)).to.equal(refusal);
  });
});
