/** What every TileStore must keep, whatever it is made of. Call this from the test of each backend. */
import { expect } from 'chai';
import { LogError } from '../../../tlog/core/log-error.ts';
import type { TileStore } from '../../../tlog/store/tile-store.ts';
import { failureOf } from '../../support/failure.ts';

/** A place where tiles lie; each `open` sees what the others put. */
export interface TileStorePlace {
  open(): TileStore;
  remove(): Promise<void>;
}

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

/** Declares the suite. */
export function tileStoreContract(name: string, place: () => Promise<TileStorePlace>): void {
  describe(`${name} as a tile store`, () => {
    let here: TileStorePlace;
    beforeEach(async () => {
      here = await place();
    });
    afterEach(() => here.remove());

    it('answers what was put, and nothing where nothing was', async () => {
      await here.open().put('tile/0/x001/x234/067', bytes(8192, 1));
      await here.open().put('tile/data/000', bytes(1_000_000, 2));
      const store = here.open();
      expect(Uint8Array.from((await store.get('tile/0/x001/x234/067')) ?? [])).to.deep.equal(bytes(8192, 1));
      expect((await store.get('tile/data/000'))?.length).to.equal(1_000_000);
      expect(await store.get('tile/0/000')).to.equal(undefined);
      expect(await store.get('tile/0/x001/x234/068')).to.equal(undefined);
    });

    it('takes the same bytes again and refuses others', async () => {
      const store = here.open();
      await store.put('tile/1/000', bytes(8192, 1));
      await store.put('tile/1/000', bytes(8192, 1));
      for (const other of [bytes(8192, 2), bytes(8191, 1), bytes(8193, 1), bytes(0, 0)]) {
        const failure: unknown = await failureOf(store.put('tile/1/000', other));
        expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
      }
      expect(Uint8Array.from((await store.get('tile/1/000')) ?? [])).to.deep.equal(bytes(8192, 1));
    });

    it('takes issuers by their hash, and no other path', async () => {
      const store = here.open();
      await store.put(`issuer/${'ab'.repeat(32)}`, bytes(5, 1));
      for (const path of [
        'tile/../x',
        '../commit.db',
        'issuer/x',
        'tile/0/000.p/1',
        '/etc/passwd',
        'checkpoint',
      ]) {
        const failure: unknown = await failureOf(store.put(path, bytes(1, 1)));
        expect(failure, path).to.be.instanceOf(LogError);
      }
    });
  });
}
