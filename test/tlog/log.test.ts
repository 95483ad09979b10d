import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { isCommitted } from '../../tlog/core/committed.ts';
import { parseLeafIndex } from '../../ct-log/format/leaf-index.ts';
import { parseSct } from '../../ct-log/format/sct.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { entry, testLog, type TestLog } from '../ct-log/support/test-log.ts';
import { skipUnless } from '../support/skipped.ts';
import { failureOf } from '../support/failure.ts';

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
    const sct = parseSct(committed.receipt.sct);
    expect(sct.timestamp).to.equal(committed.timestamp);
    expect(parseLeafIndex(sct.extensions)).to.equal(0);
    expect(log.status()).to.include({ size: 1, queued: 0 });
  });

  for (const which of ['treeHead', 'checkpoint'] as const) {
    it(`does not open when the signer of the ${which} signs something else`, async () => {
      const good = test.signers[which];
      const sign = (data: Uint8Array): Promise<Uint8Array> => good.sign(Uint8Array.of(...data, 0));
      const signers = { ...test.signers, [which]: { ...good, sign } };
      const failure: unknown = await failureOf(test.open({ signers }));
      expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
      expect(existsSync(join(test.directory, 'checkpoint'))).to.equal(false);
      await (await test.open()).append(entry(1));
    });
  }

  it('warns of a directory that lies in memory', async function () {
    const memory = '/dev/shm';
    // statfs says what /dev/shm is on this machine; where it is no tmpfs there is nothing to show.
    const isInMemory = existsSync(memory) && statfsSync(memory).type === 0x01021994;
    skipUnless(this, process.platform === 'linux' && isInMemory, 'there is no tmpfs at /dev/shm');
    const root = mkdtempSync(join(memory, 'mayfly-log-'));
    const directory = join(root, '2026');
    cpSync(test.directory, directory, { recursive: true });
    const log = await test.open({ directory });
    expect(log.warnings).to.have.length(1);
    expect(log.warnings[0]).to.include(directory).and.include('tmpfs');
    await log.append(entry(1));
    await log.close();
    rmSync(root, { recursive: true });
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

  it('is not kept from opening by what cannot be removed', async () => {
    const log = await test.open();
    await log.append(entry(0));
    await log.close();
    // As files of another user are to everybody but the superuser.
    const left = [
      '.checkpoint.0123456789ab.tmp',
      'checkpoint.tmp',
      `issuer/.${'0'.repeat(64)}.0123456789ab.tmp`,
    ];
    for (const name of left) mkdirSync(join(test.directory, name));
    expect((await test.open()).status().size).to.equal(1);
  });

  it('removes the temporary files that a crash left, and no other', async () => {
    const first = await test.open();
    await Promise.all(Array.from({ length: 600 }, (_, i) => first.append(entry(i))));
    await first.close();
    const left = [
      ...['.checkpoint.0123456789ab.tmp', 'checkpoint.tmp', '.opening-commit.db-abc123/commit.db'],
      ...['tile/data/.002.0123456789ab.tmp', 'tile/0/.001.0123456789ab.tmp', 'tile/1/.000.0123456789ab.tmp'],
      `issuer/.${'0'.repeat(64)}.0123456789ab.tmp`,
    ];
    const others = ['notes.tmp', '.notes.tmp', 'tile/data/.002.tmp', '.openings'];
    for (const name of [...left, ...others]) {
      const path = join(test.directory, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, 'left');
    }
    const second = await test.open();
    const names = readdirSync(test.directory, { recursive: true }) as string[];
    for (const name of left) expect(names).to.not.include(name);
    for (const name of others) expect(names).to.include(name);
    expect(names.some((name) => name.startsWith('.opening-'))).to.equal(false);
    expect((await second.append(entry(600))).index).to.equal(600);
  });

  it('names file and act when the file system refuses something', async () => {
    const log = await test.open();
    await log.append(entry(1));
    await log.close();
    rmSync(join(test.directory, 'checkpoint'));
    mkdirSync(join(test.directory, 'checkpoint'));
    const failure: unknown = await failureOf(test.open());
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_STORAGE');
    expect((failure as LogError).message).to.match(/2026\/checkpoint cannot be read \(is a directory\)/);
  });

  it('says that the checkpoint file cannot be written, and writes it when it can', async () => {
    const log = await test.open();
    const path = join(test.directory, 'checkpoint');
    while (!existsSync(path)) await delay(10);
    rmSync(path);
    mkdirSync(join(path, 'in the way'), { recursive: true });
    await log.append(entry(1));
    while (log.status().checkpointFailure === undefined) await delay(10);
    expect(log.status().checkpointFailure).to.match(/checkpoint cannot be renamed \(E/);
    rmSync(path, { recursive: true });
    while (log.status().checkpointFailure !== undefined) await delay(10);
    expect(readFileSync(path, 'utf8')).to.include('\n1\n');
  });
});
