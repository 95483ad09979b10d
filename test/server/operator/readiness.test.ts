import { expect } from 'chai';
import { generateKey } from '../../../signers/key-types.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import type { LogStatus } from '../../../tlog/log-status.ts';
import { createReadiness, type ReadinessCheck } from '../../../server/operator/readiness.ts';
import type { OtherLogStatus } from '../../../server/operator/service-sources.ts';

const START = Date.UTC(2026, 10, 22);

describe('server: readiness', () => {
  let now: number;
  let status: LogStatus;
  let others: readonly OtherLogStatus[];
  let readiness: ReturnType<typeof createReadiness>;
  const failedChecks = async (): Promise<ReadinessCheck['name'][]> =>
    (await readiness()).checks.filter(({ ok }) => !ok).map(({ name }) => name);

  beforeEach(async () => {
    now = START;
    others = [];
    status = {
      size: 7,
      root: new Uint8Array(32),
      timestamp: START,
      queued: 0,
      tileBacklog: 0,
      walBytes: 0,
      stops: 0,
    };
    readiness = createReadiness({
      authority: {
        signer: localSigner(await generateKey('p256')),
        validity: { notBefore: START - 1000, notAfter: START + 86_400_000 },
      },
      log: { status: () => status },
      otherLogs: { currentName: '2026', status: () => others },
      policy: { current: { issuers: [] } },
      clock: () => now,
      isClosing: () => false,
    });
  });

  it('holds for an idle log that gets a burst, however old its head is', async () => {
    now += 3_600_000;
    expect(await failedChecks()).to.deep.equal([]);
    status = { ...status, queued: 500 };
    expect(await failedChecks()).to.deep.equal([]);
    now += 9_000;
    expect(await failedChecks()).to.deep.equal([]);
  });

  it('holds for a log that commits under load without a pause', async () => {
    for (let size = 8; size < 40; size++) {
      now += 2_000;
      status = { ...status, size, timestamp: now - 500, queued: 300 };
      expect(await failedChecks()).to.deep.equal([]);
    }
  });

  it('ends when entries wait for ten seconds and the head does not move, and comes back when it does', async () => {
    now += 3_600_000;
    status = { ...status, queued: 3 };
    expect(await failedChecks()).to.deep.equal([]);
    now += 10_001;
    expect(await failedChecks()).to.deep.equal(['head']);
    status = { ...status, size: 10, timestamp: now, queued: 1 };
    expect(await failedChecks()).to.deep.equal([]);
  });

  it('forgets a queue that was empty in between', async () => {
    status = { ...status, queued: 3 };
    await failedChecks();
    status = { ...status, queued: 0 };
    now += 9_000;
    await failedChecks();
    status = { ...status, queued: 2 };
    now += 9_000;
    expect(await failedChecks()).to.deep.equal([]);
  });

  it('counts anew when the clock was set back', async () => {
    status = { ...status, queued: 3 };
    await failedChecks();
    now -= 500;
    expect(await failedChecks()).to.deep.equal([]);
    now += 10_001;
    expect(await failedChecks()).to.deep.equal(['head']);
  });

  it('ends for a head ahead of the clock, a log that failed, and a CA out of its validity', async () => {
    status = { ...status, timestamp: now + 1_001 };
    expect(await failedChecks()).to.deep.equal(['head']);
    status = { ...status, timestamp: now, failed: 'the disk is full' };
    expect(await failedChecks()).to.deep.equal(['log']);
    expect((await readiness()).ready).to.equal(false);
    status = { ...status, timestamp: now + 86_400_000, failed: 'the disk is full' };
    now += 86_400_000;
    expect(await failedChecks()).to.deep.equal(['authority', 'log']);
  });

  it('reports a log beside the one in use that fails, and stays ready', async () => {
    const check = async (): Promise<ReadinessCheck | undefined> =>
      (await readiness()).checks.find(({ name }) => name === 'other-logs');
    expect(await check()).to.equal(undefined);
    const good = { name: '2024', state: 'frozen', size: 7, failure: undefined } as const;
    others = [good];
    expect(await check()).to.include({ ok: true, detail: '2024: frozen' });
    others = [good, { name: '2025', state: 'unreadable', size: undefined, failure: 'tile/0/000 is missing' }];
    expect(await check()).to.include({ ok: false, detail: '2025: tile/0/000 is missing' });
    expect((await readiness()).ready).to.equal(true);
  });

  it('reports for a day that lines were taken out of the audit file, and stays ready', async () => {
    const incidents = { truncated: 1, deleted: 0, notRotated: 0, lastLoss: START };
    const places = [{ name: 'file', isFailing: false, lost: 0, incidents }] as const;
    const readiness = createReadiness({
      authority: {
        signer: localSigner(await generateKey('p256')),
        validity: { notBefore: START - 1000, notAfter: START + 2 * 86_400_000 },
      },
      log: { status: () => status },
      otherLogs: { currentName: '2026', status: () => others },
      policy: { current: { issuers: [] } },
      clock: () => now,
      isClosing: () => false,
      audit: {
        isFailClosed: true,
        status: () => ({ lines: { issued: 0, logged: 0, refused: 0, suppressed: 0 }, destinations: places }),
      },
    });
    now = START + 86_000_000;
    const { ready, checks } = await readiness();
    expect(ready).to.equal(true);
    const failing = checks.filter(({ ok }) => !ok);
    expect(failing.map(({ name }) => name)).to.deep.equal(['audit-file']);
    expect(failing[0]?.detail).to.include('truncated or deleted').and.include('2026-11-22T00:00:00.000Z');
    now = START + 86_400_000;
    expect((await readiness()).checks.every(({ ok }) => ok)).to.equal(true);
  });
});
