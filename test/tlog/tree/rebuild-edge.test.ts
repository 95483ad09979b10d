import { expect } from 'chai';
import { provenEdge } from '../../../tlog/tree/rebuild-edge.ts';
import { ARTIFACT_ENTRIES } from '../support/artifact-log.ts';

describe('tlog/tree/rebuild-edge', () => {
  it('reads the tiles of an edge side by side, so that a store that answers late delays a start by a few answers', async () => {
    const size = 255 * 65_536 + 255 * 256;
    let [reads, inFlight, most, rounds] = [0, 0, 0, 0];
    const tiles = {
      get: async (path: string): Promise<Uint8Array> => {
        reads++;
        if (inFlight++ === 0) rounds++;
        most = Math.max(most, inFlight);
        await new Promise(setImmediate);
        inFlight--;
        return new Uint8Array(8192).fill(path.length);
      },
    };
    const head = { size, root: new Uint8Array(32), timestamp: 1 };
    const texts = { name: '', source: '', contradictionHint: '', damageHint: '', rollbackHint: '' };
    const identity = { logId: new Uint8Array(32), bound: undefined };
    const state = { head, firstEntry: size, entries: [], identity, texts };
    // The root is not that of such tiles.
    expect(await provenEdge(ARTIFACT_ENTRIES, state, tiles)).to.equal(undefined);
    expect(reads).to.equal(2 * 255);
    expect(most).to.be.at.most(32);
    expect(rounds).to.be.at.most(16);
  });
});
