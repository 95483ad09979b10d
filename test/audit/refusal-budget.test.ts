import { expect } from 'chai';
import { RefusalBudget } from '../../audit/refusal-budget.ts';

const START = 1_000_000;

describe('audit: lines for refusals', () => {
  const time = { now: START };
  const budget = (perMinute: number) => new RefusalBudget(perMinute, () => time.now);
  beforeEach(() => {
    time.now = START;
  });
  const takeMany = (from: RefusalBudget, count: number, entry?: string, reason = 'TOKEN_MISSING'): number =>
    Array.from({ length: count }, () => from.take(entry, reason)).filter(Boolean).length;

  it('has a minute’s lines at once, and then as many a minute', () => {
    const lines = budget(60);
    expect(takeMany(lines, 1000)).to.equal(60);
    time.now += 30_000;
    expect(takeMany(lines, 1000)).to.equal(30);
    time.now += 600_000;
    expect(takeMany(lines, 1000)).to.equal(60);
  });

  it('keeps a flood of one reason or entry from taking the lines of another', () => {
    const lines = budget(2);
    expect(takeMany(lines, 1000, 'a', 'RULE_DENIED')).to.equal(2);
    expect(takeMany(lines, 1000, 'b', 'RULE_DENIED')).to.equal(2);
    expect(takeMany(lines, 1000, 'a', 'TOKEN_EXPIRED')).to.equal(2);
  });

  it('counts every refusal that gets no line, with the times of the first and the last', () => {
    const lines = budget(1);
    takeMany(lines, 4);
    time.now += 500;
    takeMany(lines, 1);
    takeMany(lines, 3, 'ci', 'RULE_DENIED');
    expect(lines.takeSuppressed()).to.deep.equal([
      { entry: undefined, reason: 'TOKEN_MISSING', count: 4, from: START, to: START + 500 },
      { entry: 'ci', reason: 'RULE_DENIED', count: 2, from: START + 500, to: START + 500 },
    ]);
    expect(lines.takeSuppressed()).to.deep.equal([]);
  });

  it('fills no bucket when the clock jumps back', () => {
    const lines = budget(60);
    takeMany(lines, 60);
    time.now -= 3_600_000;
    expect(takeMany(lines, 10)).to.equal(0);
  });

  it('counts by reason alone when there are more names than it keeps', () => {
    const lines = budget(1);
    for (let i = 0; i < 4_096; i++) lines.take(`entry ${i}`, 'RULE_DENIED');
    expect(takeMany(lines, 3, 'one more', 'RULE_DENIED')).to.equal(1);
    expect(lines.takeSuppressed()).to.deep.include({
      entry: undefined,
      reason: 'RULE_DENIED',
      count: 2,
      from: START,
      to: START,
    });
  });
});
