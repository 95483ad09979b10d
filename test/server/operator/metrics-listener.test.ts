import { expect } from 'chai';
import { coalesce } from '../../../server/operator/metrics-listener.ts';
import { failureOf } from '../../support/failure.ts';

describe('server: one text for many who ask', () => {
  it('is made once for all who ask before it is begun, and anew for who asks then', async () => {
    let made = 0;
    const text = coalesce(() => Promise.resolve(`text ${++made}`));
    const first = await Promise.all([text(), text(), text()]);
    expect(first).to.deep.equal(['text 1', 'text 1', 'text 1']);
    expect(await text()).to.equal('text 2');
  });

  it('is made one at a time, and shows what happened before it was asked for', async () => {
    let running = 0;
    let most = 0;
    let state = 0;
    const text = coalesce(async () => {
      most = Math.max(most, ++running);
      const seen = String(state);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return seen;
    });
    const asked: Promise<void>[] = [];
    for (let i = 1; i <= 20; i++) {
      state = i;
      asked.push(
        text().then((seen) => {
          expect(Number(seen)).to.be.at.least(i);
        }),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(asked);
    expect(most).to.equal(1);
  });

  it('goes on after one that could not be made', async () => {
    let isBroken = true;
    const text = coalesce(() => (isBroken ? Promise.reject(new Error('broken')) : Promise.resolve('text')));
    const failure: unknown = await failureOf(text());
    expect(failure).to.be.instanceOf(Error);
    isBroken = false;
    expect(await text()).to.equal('text');
  });
});
