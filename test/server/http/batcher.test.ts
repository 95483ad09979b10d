import { expect } from 'chai';
import { Batcher } from '../../../server/http/batcher.ts';

/** Resolves when everything that was put off to the ends of the next `turns` turns has run. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('server: waves', () => {
  it('begin together, in the order in which they came, and not before the turn ends', async () => {
    const wave = new Batcher(() => 0);
    const begun: number[] = [];
    for (let i = 0; i < 5; i++) wave.join(() => begun.push(i));
    expect(begun).to.deep.equal([]);
    await turns(1);
    expect(begun).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('go side by side: every await lets the others catch up', async () => {
    const wave = new Batcher(() => 0);
    const steps: string[] = [];
    const work = async (name: string): Promise<void> => {
      steps.push(`${name} checks`);
      await Promise.resolve();
      steps.push(`${name} signs`);
    };
    wave.join(() => void work('a'));
    wave.join(() => void work('b'));
    await turns(2);
    expect(steps).to.deep.equal(['a checks', 'b checks', 'a signs', 'b signs']);
  });

  it('are bounded: a crowd takes several turns, and nobody is forgotten', async () => {
    const wave = new Batcher(() => 0);
    let begun = 0;
    for (let i = 0; i < 100; i++) wave.join(() => begun++);
    await turns(1);
    expect(begun).to.be.greaterThan(0).and.lessThan(100);
    await turns(10);
    expect(begun).to.equal(100);
    wave.join(() => begun++);
    await turns(1);
    expect(begun).to.equal(101);
  });

  it('are bounded by time as well where that is asked, each turn going on for one piece at least', async () => {
    const wave = new Batcher(() => 0, { pieces: 16, ms: 2 });
    const begun: number[] = [];
    const busy = (i: number): void => {
      begun.push(i);
      const until = performance.now() + 3;
      while (performance.now() < until);
    };
    for (let i = 0; i < 5; i++)
      wave.join(() => {
        busy(i);
      });
    await turns(1);
    expect(begun).to.deep.equal([0]);
    await turns(2);
    expect(begun).to.deep.equal([0, 1, 2]);
    await turns(2);
    expect(begun).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('begin little of low priority in a turn, behind everything else', async () => {
    const wave = new Batcher(() => 0);
    const begun: string[] = [];
    for (let i = 0; i < 100; i++) wave.join(() => begun.push('low'), 'low');
    for (let i = 0; i < 5; i++) wave.join(() => begun.push('normal'), 'normal');
    await turns(1);
    expect(begun.slice(0, 5)).to.deep.equal(Array.from({ length: 5 }, () => 'normal'));
    expect(begun.length).to.be.greaterThan(5).and.lessThan(12);
    wave.join(() => begun.push('normal'));
    await turns(1);
    expect(begun.slice(6).indexOf('normal')).to.be.lessThan(10);
    await turns(100);
    expect(begun).to.have.length(106);
  });

  it('begin nothing of low priority while connections come in, and still forget nothing', async () => {
    let arrivals = 0;
    const wave = new Batcher(() => ++arrivals);
    const begun: number[] = [];
    for (let i = 0; i < 3; i++) wave.join(() => begun.push(i), 'low');
    await turns(3);
    expect(begun).to.deep.equal([]);
    await turns(30);
    expect(begun).to.deep.equal([0, 1, 2]);
  });
});
