import { expect } from 'chai';
import { Registry } from 'prom-client';
import type { LogStatus } from '../../../tlog/log-status.ts';
import { isDegraded, registerLogMetrics } from '../../../server/operator/log-metrics.ts';
import { LOG_COMPONENTS } from '../../../server/operator/log-components.ts';
import { LogWatch } from '../../../server/operator/log-watch.ts';

const GOOD: LogStatus = {
  size: 7,
  root: new Uint8Array(32),
  timestamp: 0,
  queued: 0,
  tileBacklog: 0,
  walBytes: 8,
  stops: 0,
};

/** A status for each component that can fail. */
const BROKEN: Record<string, Partial<LogStatus>> = {
  entries: { failed: 'the disk is full' },
  recovery: { blocked: 'tile/data/000 exists with other bytes' },
  signing: { signingFailure: 'the key is gone' },
  clock: { clockFailure: 'the clock jumped' },
  tiles: { tileFailure: 'no space' },
  index: { indexFailure: 'index.db is damaged' },
  files: { unreadable: { count: 1, first: 'tile/0/000 is missing' } },
  checkpoint: { checkpointFailure: 'checkpoint cannot be synced' },
  anchor: { anchorFailure: 'the anchor does not answer' },
  store: { storeGrowth: 'commit.db-wal has grown' },
  witnesses: {
    witnesses: { isRequired: false, witnesses: [], witnessedSize: 0, failure: 'no witness answers' },
  },
};

/** What such a value says. */
function sentenceOf(value: unknown): unknown {
  const { first, failure } =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  return first ?? failure ?? value;
}

describe('server/operator/log-watch', () => {
  let status: LogStatus;
  let lines: string[];
  let watch: LogWatch;
  beforeEach(() => {
    status = GOOD;
    lines = [];
    watch = new LogWatch({ status: () => status }, (level, event, facts) =>
      lines.push(`${level}: ${event}: ${String(facts['sentence'])}`),
    );
  });
  afterEach(() => {
    watch.stop();
  });

  it('knows every component', () => {
    expect(LOG_COMPONENTS.map(({ name }) => name)).to.have.members(Object.keys(BROKEN));
  });

  for (const { name, fails, works, isDerived } of LOG_COMPONENTS) {
    it(`says once that ${name} fails, with why, and once that it works again; and so does the metric`, async () => {
      const registry = new Registry();
      registerLogMetrics([registry], { status: () => status });
      status = { ...GOOD, ...BROKEN[name] };
      watch.check();
      watch.check();
      expect(await registry.metrics()).to.include(`mayfly_log_trouble{part="${name}"} 1`);
      expect((await registry.metrics()).match(/mayfly_log_trouble\{.*\} 1/g)).to.have.length(1);
      expect(isDegraded(status)).to.equal(isDerived);
      status = GOOD;
      watch.check();
      watch.check();
      const [value] = Object.values(BROKEN[name] ?? {});
      const sentence = sentenceOf(value);
      expect(lines).to.deep.equal([
        `${isDerived ? 'warn' : 'error'}: ${fails}: ${String(sentence)}`,
        `warn: ${works}: undefined`,
      ]);
      expect(await registry.metrics()).to.include(`mayfly_log_trouble{part="${name}"} 0`);
    });
  }

  it('says of each log what notices its copies: that for Rekor v1 has no witnesses', async () => {
    const registry = new Registry();
    const of = (copies: LogStatus['copies']) => ({ status: () => ({ ...GOOD, copies }) as LogStatus });
    const artifacts = { logs: [of('accidents'), of('synchronous')], names: ['v1', 'v2'] };
    registerLogMetrics([registry], of('synchronous'), artifacts);
    const lines = (await registry.metrics()).match(/^mayfly_log_copies.*/gm);
    expect(lines).to.deep.equal([
      'mayfly_log_copies{log="certificates",level="synchronous"} 1',
      'mayfly_log_copies{log="v1",level="accidents"} 1',
      'mayfly_log_copies{log="v2",level="synchronous"} 1',
    ]);
  });

  it('says that the log stopped also when it has gone on before anybody looked', () => {
    status = { ...GOOD, stops: 1, lastStop: 'the disk was full' };
    watch.check();
    watch.check();
    expect(lines).to.deep.equal(['error: log stopped: the disk was full', 'warn: log goes on: undefined']);
  });

  it('writes few lines about what fails and recovers all the time', () => {
    for (let i = 0; i < 100; i++) {
      status = { ...GOOD, tileFailure: 'no space' };
      watch.check();
      status = { ...GOOD, stops: i, lastStop: 'the disk was full' };
      watch.check();
    }
    expect(lines).to.have.length(4);
  });
});
