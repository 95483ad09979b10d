import { expect } from 'chai';
import { shardNames, shardPlan, type ShardRules, type ShardState } from '../../instance/shard-plan.ts';

const DAY = 86_400_000;
const at = (text: string): number => Date.parse(`${text}Z`);

/** By the calendar, two weeks ahead. */
const rules = (change: Partial<ShardRules> = {}): ShardRules => ({
  every: 'year',
  at: [],
  entries: undefined,
  leadMs: 14 * DAY,
  stagedBy: 'service',
  ...change,
});

const state = (change: Partial<ShardState> = {}): ShardState => ({
  createdAt: at('2026-03-01T00:00:00'),
  inUseSince: undefined,
  size: 0,
  stagedAt: undefined,
  publishedAt: change.stagedAt,
  ...change,
});

const YEAR_END = at('2027-01-01T00:00:00');

describe('when one log follows another', () => {
  it('makes the next one before its lead time begins, and puts it in use when the year ends', () => {
    const plan = (now: string, stagedAt?: number) => shardPlan(rules(), state({ stagedAt }), at(now));
    expect(plan('2026-12-17T22:59:59')).to.include({ endsAt: YEAR_END, needsNext: false, isDue: false });
    expect(plan('2026-12-17T23:00:00')).to.include({ needsNext: true, isDue: false, late: undefined });
    const staged = at('2026-12-17T23:00:01');
    expect(plan('2026-12-31T23:59:59', staged)).to.include({ isDue: false, late: undefined });
    expect(plan('2027-01-01T00:00:00', staged)).to.include({ isDue: true, late: undefined });
  });

  it('never puts one in use that verifiers have not had for the lead time, and says that it is late', () => {
    const staged = at('2026-12-25T00:00:00');
    const plan = (now: string) => shardPlan(rules(), state({ stagedAt: staged }), at(now));
    expect(plan('2027-01-01T00:00:00').isDue).to.equal(false);
    expect(plan('2027-01-01T00:00:00').late).to.match(/not there for as long/);
    expect(plan('2027-01-08T00:00:00')).to.include({ isDue: true, late: undefined });
    expect(shardPlan(rules(), state(), YEAR_END).late).to.match(/none to follow it/);
  });

  it('counts the lead time from when the signed targets have the key, and asks for them in time', () => {
    const stagedAt = at('2026-12-17T23:00:01');
    const plan = (now: string, publishedAt?: number) =>
      shardPlan(rules(), state({ stagedAt, publishedAt }), at(now));
    expect(plan('2026-12-17T23:59:59').late).to.equal(undefined);
    expect(plan('2026-12-18T00:00:01').late).to.equal(
      'the log in use will end later than it should: the targets of the TUF repository are not signed with the key of the next one',
    );
    expect(plan('2027-01-01T00:00:00')).to.deep.include({
      isDue: false,
      late: 'the log in use should have ended: the targets of the TUF repository are not signed with the key of the next one',
    });
    const signed = at('2026-12-25T00:00:00');
    expect(plan('2027-01-01T00:00:00', signed).isDue).to.equal(false);
    expect(plan('2027-01-01T00:00:00', signed).late).to.match(/not there for as long/);
    expect(plan('2027-01-08T00:00:00', signed)).to.include({ isDue: true, late: undefined });
    // What was signed before the log was made does not make it older.
    expect(plan('2026-12-31T23:00:00', at('2026-12-01T00:00:00')).isDue).to.equal(false);
  });

  it('says at once of a next log that it was made in the future', () => {
    const stagedAt = at('2027-12-17T00:00:00');
    const plan = (now: string) => shardPlan(rules({ leadMs: 0 }), state({ stagedAt }), at(now));
    expect(plan('2026-06-01T00:00:00').late).to.match(
      /made at 2027-12-17T00:00:00Z, which is to come: .*rotate --discard/,
    );
    expect(plan('2027-02-01T00:00:00').isDue).to.equal(false);
    expect(shardPlan(rules(), state({ stagedAt }), stagedAt - 1_000).late).not.to.match(/to come/);
  });

  it('does not end a log at the time for which it was made', () => {
    const created = at('2026-12-17T23:00:01');
    const endsAt = (change: Partial<ShardState>): number | undefined =>
      shardPlan(rules(), state({ createdAt: created, ...change }), YEAR_END).endsAt;
    expect(endsAt({ inUseSince: YEAR_END + 3 })).to.equal(at('2028-01-01T00:00:00'));
    // The one before was moved away, and nothing says when.
    expect(endsAt({})).to.equal(at('2028-01-01T00:00:00'));
    // Made a month ahead, by a command, and put in use in time.
    const early = { createdAt: at('2026-11-20T00:00:00'), inUseSince: YEAR_END };
    expect(endsAt(early)).to.equal(at('2028-01-01T00:00:00'));
    // Put in use in the middle of a year, after a theft.
    const other = { createdAt: at('2026-05-01T00:00:00'), inUseSince: at('2026-05-01T00:00:09') };
    expect(endsAt(other)).to.equal(YEAR_END);
  });

  it('knows half-years, quarters, months and times, whichever comes first', () => {
    const endsAt = (change: Partial<ShardRules>, createdAt = '2026-03-01T00:00:00'): number | undefined =>
      shardPlan(rules({ leadMs: DAY, ...change }), state({ createdAt: at(createdAt) }), at(createdAt)).endsAt;
    expect(endsAt({ every: 'half-year' })).to.equal(at('2026-07-01T00:00:00'));
    expect(endsAt({ every: 'quarter' })).to.equal(at('2026-04-01T00:00:00'));
    expect(endsAt({ every: 'month' }, '2026-12-05T00:00:00')).to.equal(YEAR_END);
    const times = [at('2026-02-01T00:00:00'), at('2026-06-15T12:00:00')];
    expect(endsAt({ every: undefined, at: times })).to.equal(times[1]);
    expect(endsAt({ every: 'year', at: times })).to.equal(times[1]);
    expect(endsAt({ every: undefined, at: times.slice(0, 1) })).to.equal(undefined);
  });

  it('goes by entries: the next log is there from half of them on', () => {
    const plan = (size: number, stagedAt?: number) =>
      shardPlan(
        rules({ every: undefined, entries: 1000 }),
        state({ size, stagedAt }),
        at('2026-06-01T00:00:00'),
      );
    expect(plan(499)).to.include({ endsAt: undefined, needsNext: false, isDue: false });
    expect(plan(500)).to.include({ needsNext: true, isDue: false, late: undefined });
    expect(plan(1000, at('2026-05-18T00:00:01'))).to.include({ isDue: false });
    expect(plan(1000, at('2026-05-18T00:00:00'))).to.include({ isDue: true, late: undefined });
    // It is not near by the calendar, after whose periods logs are named.
    const both = shardPlan(rules({ entries: 1000 }), state({ size: 500 }), at('2026-06-01T00:00:00'));
    expect(both).to.include({ endsAt: YEAR_END, needsNext: true, isNear: false });
    expect(plan(999, at('2026-05-18T00:00:00'))).to.include({ isDue: false });
  });

  it('asks an operator twice as long before', () => {
    const plan = (now: string) => shardPlan(rules({ stagedBy: 'operator' }), state(), at(now));
    expect(plan('2026-12-03T22:59:59').needsNext).to.equal(false);
    expect(plan('2026-12-03T23:00:00').needsNext).to.equal(true);
  });

  it('names a log by what begins with it', () => {
    const named = (change: Partial<ShardRules>, endsAt: string | undefined): string | undefined =>
      shardNames(rules(change), endsAt === undefined ? undefined : at(endsAt), at('2026-12-17T00:00:00'))[0];
    expect(named({}, '2027-01-01T00:00:00')).to.equal('2027');
    expect(named({ every: 'half-year' }, '2027-07-01T00:00:00')).to.equal('2027h2');
    expect(named({ every: 'quarter' }, '2027-10-01T00:00:00')).to.equal('2027q4');
    expect(named({ every: 'month' }, '2027-01-01T00:00:00')).to.equal('2027-01');
    expect(named({ every: undefined }, '2027-02-03T12:00:00')).to.equal('2027-02-03');
    expect(named({ every: 'year' }, '2027-02-03T12:00:00')).to.equal('2027-02-03');
    expect(named({ every: undefined }, undefined)).to.equal('2026');
    expect(shardNames(rules(), undefined, YEAR_END).slice(0, 3)).to.deep.equal(['2027', '2027-2', '2027-3']);
  });
});
