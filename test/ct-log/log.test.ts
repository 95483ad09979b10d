import { expect } from 'chai';
import { isCommitted } from '../../ct-log/committed.ts';
import { parseLeafIndex } from '../../ct-log/format/leaf-index.ts';
import { parseSct } from '../../ct-log/format/sct.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';

describe('log', () => {
  let test: TestLog;
  beforeEach(async () => {
    test = await testLog();
  });
  afterEach(() => test.remove());

  it('answers an SCT that says where the entry stands', async () => {
    const log = await test.open();
    const committed = await log.append(entry(1));
    expect(isCommitted(committed)).to.equal(true);
    const sct = parseSct(committed.sct);
    expect(sct.timestamp).to.equal(committed.timestamp);
    expect(parseLeafIndex(sct.extensions)).to.equal(0);
    expect(log.status()).to.include({ size: 1, queued: 0 });
  });

  it('goes on where it stopped', async () => {
    const first = await test.open();
    await Promise.all(Array.from({ length: 300 }, (_, i) => first.append(entry(i))));
    const before = first.status();
    await first.close();
    const second = await test.open();
    expect(second.status().size).to.equal(300);
    expect(second.status().root).to.deep.equal(before.root);
    expect((await second.append(entry(300))).index).to.equal(300);
  });
});
