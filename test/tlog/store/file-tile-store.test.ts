import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fileTileStore } from '../../../tlog/store/file-tile-store.ts';
import { tileStoreContract } from './tile-store-contract.ts';

const directory = (): string => mkdtempSync(join(tmpdir(), 'mayfly-tiles-'));

tileStoreContract('tlog/store/file-tile-store', () => {
  const path = directory();
  return Promise.resolve({
    open: () => fileTileStore(path),
    remove: () => {
      rmSync(path, { recursive: true });
      return Promise.resolve();
    },
  });
});

describe('tlog/store/file-tile-store', () => {
  it('writes read-only files, leaves no temporary one, and writes equal bytes anew', async () => {
    const path = directory();
    try {
      const store = fileTileStore(path);
      await store.put('tile/0/000', Uint8Array.of(1));
      const first = statSync(join(path, 'tile/0/000'));
      expect(first.mode & 0o777).to.equal(0o444);
      await store.put('tile/0/000', Uint8Array.of(1));
      expect(statSync(join(path, 'tile/0/000')).ino).to.not.equal(first.ino);
      expect(readdirSync(join(path, 'tile/0'))).to.deep.equal(['000']);
    } finally {
      chmodSync(path, 0o700);
      rmSync(path, { recursive: true });
    }
  });
});
