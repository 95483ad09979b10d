import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { LoadedState } from '../../tlog/store/commit-store.ts';
import { fileTileStore } from '../../tlog/store/file-tile-store.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { checkpointSigners } from '../../ct-log/log-keys.ts';
import { openReadOnlyCtLog } from '../../ct-log/read-only-log.ts';
import { TILE_LEAVES } from '../../ct-log/tile-leaves.ts';
import { rebuildEdge } from '../../tlog/tree/rebuild-edge.ts';
import { refuseRollback } from '../../tlog/rollback.ts';
import { sqliteCommitStore } from '../../tlog/store/sqlite-commit-store.ts';
import { Ledger } from './support/ledger.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';
import { failureOf } from '../support/failure.ts';

describe('ct-log/log with an old commit store', () => {
  let test: TestLog;
  let clone: string;
  beforeEach(async () => {
    test = await testLog();
    clone = join(test.root, 'clone');
  });
  afterEach(() => test.remove());

  const file = (name: string): string => join(test.directory, name);

  /** Grows the log in `directory` by `count` entries, numbered from `first`. */
  const grow = async (count: number, first: number, directory = test.directory): Promise<void> => {
    const log = await test.open({ directory });
    await Promise.all(Array.from({ length: count }, (_, i) => log.append(entry(first + i))));
    await log.close();
  };

  /** Copies the directory as it is. */
  const copy = (): void => {
    cpSync(test.directory, clone, { recursive: true });
  };

  /** Puts the copy's commit store into the log. */
  const putBack = (): void => {
    rmSync(file('commit.db'));
    cpSync(join(clone, 'commit.db'), file('commit.db'));
  };

  /** What opening the log says; nothing may be signed for it. */
  const refusal = async (): Promise<LogError> => {
    const ledger = new Ledger();
    const failure: unknown = await failureOf(test.open({ signers: ledger.watch(test.signers) }));
    expect(failure).to.be.instanceOf(LogError);
    expect(ledger.heads).to.deep.equal([]);
    return failure as LogError;
  };

  it('does not open when the signed checkpoint is of a larger log', async () => {
    await grow(200, 0);
    copy();
    await grow(100, 200);
    const newest = readFileSync(file('commit.db'));
    putBack();
    const { code, message, hint } = await refusal();
    expect(code).to.equal('LOG_ROLLED_BACK');
    expect(message).to.include('200').and.include('300').and.include('checkpoint');
    const read: unknown = await failureOf(openReadOnlyCtLog(test.directory, []));
    expect(read).to.be.instanceOf(LogError).with.property('code', 'LOG_ROLLED_BACK');
    expect(hint).to.include('docs/keys-and-backups.md');

    writeFileSync(file('commit.db'), newest);
    await grow(1, 300);
  });

  for (const [name, more] of [
    ['of the same size', 0],
    ['of a smaller size', 150],
  ] as const) {
    it(`does not open when the signed checkpoint is ${name} and of another history`, async () => {
      await grow(100, 0);
      copy();
      await grow(50, 100);
      await grow(50 + more, 5000, clone);
      putBack();
      const { code, message } = await refusal();
      expect(code).to.equal('LOG_ROLLED_BACK');
      expect(message).to.include('150').and.include('do not continue');
    });
  }

  for (const gone of ['checkpoint', 'checkpoint and data tile']) {
    it(`does not open when a full tile lies beyond the head, without its ${gone}`, async () => {
      await grow(300, 0);
      copy();
      await grow(700, 300);
      putBack();
      rmSync(file('checkpoint'));
      if (gone !== 'checkpoint') rmSync(file('tile/data/001'));
      const { code, message } = await refusal();
      expect(code).to.equal('LOG_ROLLED_BACK');
      expect(message)
        .to.include('300')
        .and.include('512')
        .and.match(/tile\/(data|0)\/001/);
    });
  }

  it('does not open when the full tiles of its entries are of another history', async () => {
    await grow(200, 0);
    copy();
    await grow(200, 200);
    await grow(200, 5000, clone);
    putBack();
    rmSync(file('checkpoint'));
    const { code, message } = await refusal();
    expect(code).to.equal('LOG_ROLLED_BACK');
    expect(message).to.include('tile/data/000');
  });

  const committed = async (): Promise<LoadedState> => {
    const store = sqliteCommitStore(test.directory, test.identity);
    return store.load().finally(() => store.close());
  };

  const damage = (name: string, at: number): void => {
    const bytes = readFileSync(file(name));
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    rmSync(file(name));
    writeFileSync(file(name), bytes);
  };

  it('calls a damaged tile damaged, not an old commit store', async () => {
    await grow(300, 0);
    damage('tile/data/000', 60);
    expect((await refusal()).code).to.equal('LOG_CORRUPT');
  });

  it('calls a damaged tile damaged, also when an older checkpoint depends on it', async () => {
    await grow(200, 0);
    const older = readFileSync(file('checkpoint'));
    await grow(100, 200);
    await grow(1, 300);
    const state = await committed();
    const edge = await rebuildEdge(TILE_LEAVES, state, fileTileStore(test.directory));
    writeFileSync(file('checkpoint'), older);
    damage('tile/0/000', 5);
    const { directory, identity, signers } = test;
    const tiles = fileTileStore(directory);
    const failure: unknown = await failureOf(
      refuseRollback({
        log: { entries: TILE_LEAVES, keys: checkpointSigners(identity, signers) },
        checkpoint: older,
        state,
        edge,
        tiles,
      }),
    );
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    expect((failure as LogError).message).to.include('200');
  });

  it('takes no word from a checkpoint that is cut off, damaged, foreign or missing', async () => {
    await grow(10, 0);
    const good = readFileSync(file('checkpoint'));
    const other = await testLog();
    const foreign = await other.open();
    await Promise.all(Array.from({ length: 20 }, (_, i) => foreign.append(entry(i))));
    await foreign.close();
    const strange = readFileSync(join(other.directory, 'checkpoint'));
    await other.remove();
    const text = good.toString().replace('\n10\n', '\n11\n');
    for (const bytes of [good.subarray(0, 40), Buffer.alloc(0), Buffer.alloc(300), strange, text]) {
      writeFileSync(file('checkpoint'), bytes);
      await grow(0, 0);
      expect(readFileSync(file('checkpoint'), 'utf8')).to.include('\n10\n');
    }
    rmSync(file('checkpoint'));
    await grow(0, 0);
    expect(readFileSync(file('checkpoint'), 'utf8')).to.include('\n10\n');
  });
});
