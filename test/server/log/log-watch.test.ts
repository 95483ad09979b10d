import { expect } from 'chai';
import { Registry } from 'prom-client';
import type { LogStatus } from '../../../tlog/log-status.ts';
import { isDegraded, registerLogMetrics } from '../../../server/log/log-metrics.ts';
import { LOG_PARTS } from '../../../server/log/log-parts.ts';
import { LogWatch } from '../../../server/log/log-watch.ts';

const GOOD: LogStatus = {
  ...{ size: 7, root: new Uint8Array(32), timestamp: 0, queued: 0, tileBacklog: 0, walBytes: 8, stops: 0 },
};

/** A status for each part that can fail. */
const BROKEN: Record<string, Partial<LogStatus>> = {
  entries: { failed: 'the disk is full' },
  recovery: { blocked: 'tile/data/000 exists with other bytes' },
  signing: { signingFailure: 'the key is gone' },
  clock: { clockFailure: 'the clock jumped' },
  tiles: { tileFailure: 'no space' },
  index: { indexFailure: 'index.db is damaged' },
  files: { unreadable: { count: 1, first: 'tile/0/000 is missing' } },
  checkpoint: { checkpointFailure: 'checkpoint cannot be synced' },
  store: { storeGrowth: 'commit.db-wal has grown' },
};

describe('server: lines about the log', () => {
  let status: LogStatus;
  let lines: string[];
  let watch: LogWatch;
  beforeEach(() => {
    status = GOOD;
    lines = [];
    watch = new LogWatch(
      () => status,
      (level, event, facts) => lines.push(`${level}: ${event}: ${String(facts['sentence'])}`),
    );
  });
  afterEach(() => {
    watch.stop();
  });

  it('knows every part', () => {
    expect(LOG_PARTS.map(({ part }) => part)).to.have.members(Object.keys(BROKEN));
  });

  for (const { part, fails, works, isDerived } of LOG_PARTS) {
    it(`says once that ${part} fails, with why, and once that it works again; and so does the metric`, async () => {
      const registry = new Registry();
      registerLogMetrics([registry], () => status);
      status = { ...GOOD, ...BROKEN[part] };
      watch.look();
      watch.look();
      expect(await registry.metrics()).to.include(`mayfly_log_trouble{part="${part}"} 1`);
      expect((await registry.metrics()).match(/mayfly_log_trouble\{.*\} 1/g)).to.have.length(1);
      expect(isDegraded(status)).to.equal(isDerived);
      status = GOOD;
      watch.look();
      watch.look();
      const [value] = Object.values(BROKEN[part] ?? {});
      const sentence = typeof value === 'object' && 'first' in value ? value.first : value;
      expect(lines).to.deep.equal([
        `${isDerived ? 'warn' : 'error'}: ${fails}: ${String(sentence)}`,
        `warn: ${works}: undefined`,
      ]);
      expect(await registry.metrics()).to.include(`mayfly_log_trouble{part="${part}"} 0`);
    });
  }

  it('says that the log stopped also when it has gone on before anybody looked', () => {
    status = { ...GOOD, stops: 1, lastStop: 'the disk was full' };
    watch.look();
    watch.look();
    expect(lines).to.deep.equal(['error: log stopped: the disk was full', 'warn: log goes on: undefined']);
  });

  it('writes few lines about what fails and recovers all the time', () => {
    for (let i = 0; i < 100; i++) {
      status = { ...GOOD, tileFailure: 'no space' };
      watch.look();
      status = { ...GOOD, stops: i, lastStop: 'the disk was full' };
      watch.look();
    }
    expect(lines).to.have.length(4);
  });
});
