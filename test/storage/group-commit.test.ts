import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { GroupCommit } from '../../storage/group-commit.ts';

/** A queue of numbers whose batches are held until they are let go. */
function heldQueue(gathers: boolean) {
  const waiting: number[] = [];
  const batches: number[][] = [];
  let release: (goOn: boolean) => void = () => undefined;
  const group = new GroupCommit({
    gathers,
    isDue: () => waiting.length > 0,
    commit: () => {
      batches.push(waiting.splice(0, 3));
      return new Promise((resolve) => (release = resolve));
    },
  });
  return {
    batches,
    group,
    add: (item: number) => {
      waiting.push(item);
      group.start();
    },
    finish: async (goOn = true) => {
      release(goOn);
      await turn();
    },
  };
}

describe('storage/group-commit', () => {
  it('begins at once, and puts what arrives meanwhile into the next batches', async () => {
    const { add, batches, finish, group } = heldQueue(false);
    for (const item of [1, 2, 3, 4, 5]) add(item);
    expect(batches).to.deep.equal([[1]]);
    await finish();
    expect(batches).to.deep.equal([[1], [2, 3, 4]]);
    await finish();
    expect(batches).to.deep.equal([[1], [2, 3, 4], [5]]);
    await finish();
    expect(group.running).to.equal(undefined);
    add(6);
    expect(batches.at(-1)).to.deep.equal([6]);
  });

  it('gathers what arrives in one turn of the event loop', async () => {
    const { add, batches } = heldQueue(true);
    for (const item of [1, 2]) add(item);
    expect(batches).to.deep.equal([]);
    await turn();
    expect(batches).to.deep.equal([[1, 2]]);
  });

  it('stops after a batch that says so, until it is started again', async () => {
    const { add, batches, finish, group } = heldQueue(false);
    for (const item of [1, 2]) add(item);
    await finish(false);
    expect([batches, group.running]).to.deep.equal([[[1]], undefined]);
    group.start();
    expect(batches).to.deep.equal([[1], [2]]);
  });

  it('has one batch under way, even when one is asked for while the first is being begun', async () => {
    const waiting = [1, 2];
    const batches: number[][] = [];
    let underWay = 0;
    let most = 0;
    const group: GroupCommit = new GroupCommit({
      gathers: false,
      isDue: () => waiting.length > 0,
      commit: async () => {
        most = Math.max(most, ++underWay);
        batches.push(waiting.splice(0, 1));
        group.start();
        await turn();
        underWay--;
        return true;
      },
    });
    group.start();
    await group.running;
    expect([batches, most, group.running]).to.deep.equal([[[1], [2]], 1, undefined]);
  });

  it('begins nothing when nothing is due', () => {
    const { batches, group } = heldQueue(false);
    group.start();
    expect([batches, group.running]).to.deep.equal([[], undefined]);
  });
});
