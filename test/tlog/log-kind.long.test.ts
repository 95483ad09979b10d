import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { fromBase64, toHex } from '../../core/bytes.ts';
import { consistencyProof } from '../../tlog/format/merkle-proof.ts';
import { verifyConsistency } from '../../tlog/format/merkle-verify.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { artifact, testArtifactLog, verifyReceipt, type TestArtifactLog } from './support/artifact-log.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const WRITER = fileURLToPath(new URL(`./support/artifact-writer.${extension}`, import.meta.url));
const COUNT = 300;

describe('tlog/log-kind in a process that is killed', function () {
  this.timeout(60_000);
  let test: TestArtifactLog;
  beforeEach(async () => {
    test = await testArtifactLog();
  });
  afterEach(() => test.remove());

  /** The receipts that a writer returned before it was killed, between commit and tiles. */
  async function killedWriter(): Promise<Uint8Array[]> {
    const keyFile = join(test.directory, '..', 'key.pem');
    writeFileSync(keyFile, test.key.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const child = spawn(process.execPath, [WRITER, test.directory, keyFile, String(COUNT)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const receipts: Uint8Array[] = [];
    for await (const line of createInterface({ input: child.stdout }))
      if (receipts.push(fromBase64(line)) === COUNT) child.kill('SIGKILL');
    await exited;
    expect(child.signalCode).to.equal('SIGKILL');
    return receipts;
  }

  it('loses no entry whose receipt it returned, and writes the tiles that were missing', async () => {
    const receipts = await killedWriter();
    const bundle = join(test.directory, 'tile/entries/000');
    expect(existsSync(bundle)).to.equal(false);
    const log = await test.open();
    const { tree } = log;
    expect(existsSync(bundle)).to.equal(true);
    const now = tree.head().head;
    expect(now.size).to.equal(COUNT);
    const read = tree.tiles.hashesAt(now.size);
    for (const [i, proof] of receipts.entries()) {
      const then = verifyReceipt({ proof }, artifact(i), test.verifier);
      expect(then.index).to.equal(i);
      const path = await consistencyProof(sha256, then.size, now.size, read);
      expect(verifyConsistency(sha256, then, now, path), toHex(then.root)).to.equal(true);
    }
    expect((await log.append(artifact(COUNT))).index).to.equal(COUNT);
  });
});
