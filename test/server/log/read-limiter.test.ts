import { expect } from 'chai';
import { ReadLimiter } from '../../../server/log/read-limiter.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Reads that begin in some order and end when the test says so. */
class Reads {
  readonly begun: string[] = [];
  readonly #ends: (() => void)[] = [];

  read(name: string): () => Promise<string> {
    return async () => {
      this.begun.push(name);
      await new Promise<void>((resolve) => this.#ends.push(resolve));
      return name;
    };
  }

  /** Ends the oldest read that runs, and waits until the next ones have begun. */
  async endOne(): Promise<void> {
    this.#ends.shift()?.();
    for (let i = 0; i < 3; i++) await settle();
  }

  async endAll(): Promise<void> {
    while (this.begun.length === 0) await settle();
    while (this.#ends.length > 0) await this.endOne();
  }
}

describe('server/log/read-limiter', () => {
  it('takes clients in turns: one with many reads delays another by one', async () => {
    const reads = new Reads();
    const budget = new ReadLimiter({ concurrency: 1 });
    const all = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name) =>
      budget.run(name.slice(0, 1), reads.read(name)),
    );
    await reads.endAll();
    expect(reads.begun).to.deep.equal(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
    expect(await Promise.all(all)).to.deep.equal(['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']);
    expect(budget.running).to.equal(0);
  });

  it('leaves half of the limit to others, however many reads one client has', async () => {
    const reads = new Reads();
    const budget = new ReadLimiter({ concurrency: 4 });
    const greedy = ['a1', 'a2', 'a3', 'a4', 'a5'].map((name) => budget.run('a', reads.read(name)));
    const modest = budget.run('b', reads.read('b1'));
    for (let i = 0; i < 3; i++) await settle();
    expect(reads.begun).to.deep.equal(['a1', 'a2', 'b1']);
    await reads.endAll();
    expect(await Promise.all([...greedy, modest])).to.deep.equal(['a1', 'a2', 'a3', 'a4', 'a5', 'b1']);
    expect(budget.running).to.equal(0);
  });

  it('refuses what one client has waiting beyond its share, and nothing of another', async () => {
    const reads = new Reads();
    const budget = new ReadLimiter({ concurrency: 1, waitingPerClient: 2, waiting: 8 });
    const greedy = ['a1', 'a2', 'a3', 'a4', 'a5'].map((name) => budget.run('a', reads.read(name)));
    const modest = budget.run('b', reads.read('b1'));
    expect(await Promise.all(greedy.slice(3))).to.deep.equal([undefined, undefined]);
    await reads.endAll();
    expect(await modest).to.equal('b1');
    expect(reads.begun).to.deep.equal(['a1', 'a2', 'b1', 'a3']);
  });

  it('takes the newest read of the longest queue for a client with a shorter one, when no more may wait', async () => {
    const reads = new Reads();
    const budget = new ReadLimiter({ concurrency: 1, waitingPerClient: 4, waiting: 4 });
    const greedy = ['a1', 'a2', 'a3', 'a4', 'a5'].map((name) => budget.run('a', reads.read(name)));
    const modest = ['b1', 'b2', 'b3'].map((name) => budget.run('b', reads.read(name)));
    expect(await greedy[4]).to.equal(undefined);
    expect(await greedy[3]).to.equal(undefined);
    expect(await modest[2], 'no more than the other has').to.equal(undefined);
    await reads.endAll();
    expect(reads.begun).to.deep.equal(['a1', 'a2', 'b1', 'a3', 'b2']);
  });

  it('begins the next read when one fails', async () => {
    const budget = new ReadLimiter({ concurrency: 1 });
    const failed = budget.run('a', () => Promise.reject(new Error('no tile')));
    const next = budget.run('b', () => Promise.resolve('read'));
    expect(await failed.catch((error: unknown) => String(error))).to.equal('Error: no tile');
    expect(await next).to.equal('read');
    expect(budget.running).to.equal(0);
  });
});
