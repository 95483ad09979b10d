import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { MAX_RECENT, RecentTokens } from '../../../policy/replay/recent-tokens.ts';

const keyOf = (name: string | number): Uint8Array => createHash('sha256').update(String(name)).digest();

describe('policy/replay/recent-tokens', () => {
  it('knows a token that was used, for the first time or not, and none whose use is undecided', async () => {
    const seen = new RecentTokens();
    await seen.watch(keyOf('won'), Promise.resolve(true));
    await seen.watch(keyOf('lost'), Promise.resolve(false));
    await seen.watch(keyOf('unclear'), Promise.reject(new Error('no file')));
    expect(['won', 'lost', 'unclear', 'other'].map((name) => seen.has(keyOf(name)))).to.deep.equal([
      ...[true, true],
      ...[false, false],
    ]);
  });

  it('knows a token while the file is asked, and forgets it only when that failed', async () => {
    const seen = new RecentTokens();
    let settle: (value: boolean) => void = () => undefined;
    const watched = seen.watch(keyOf('a'), new Promise<boolean>((resolve) => (settle = resolve)));
    expect(seen.has(keyOf('a'))).to.equal(true);
    settle(false);
    await watched;
    expect(seen.has(keyOf('a'))).to.equal(true);
  });

  it('is bounded: the one that was sent least recently is forgotten', async () => {
    const seen = new RecentTokens();
    for (let i = 0; i < MAX_RECENT; i++) await seen.watch(keyOf(i), Promise.resolve(true));
    expect(seen.has(keyOf(0))).to.equal(true);
    await seen.watch(keyOf('one more'), Promise.resolve(true));
    expect([seen.has(keyOf(0)), seen.has(keyOf(1))]).to.deep.equal([true, false]);
  });
});
