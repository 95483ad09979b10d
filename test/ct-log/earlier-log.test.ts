import { createPrivateKey } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { fromBase64, utf8Text } from '../../core/bytes.ts';
import { openCtLog, type CtLog } from '../../ct-log/ct-log.ts';
import { parseLeafIndex } from '../../ct-log/format/leaf-index.ts';
import { parseSct } from '../../ct-log/format/sct.ts';
import type { EntryJson } from '../../ct-log/entry-json.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { projectRoot } from '../support/project-root.ts';
import { signersOf, type KeyTexts } from './support/log-keys.ts';
import { entry, ISSUER } from './support/test-log.ts';

/** A log of 300 entries as version 0.1 left it, and what it answered at that size. Made once, never again. */
interface EarlierLog {
  /** PKCS#8 in base64. The keys are of this file alone. */
  readonly keys: KeyTexts;
  /** Path in the directory → bytes in base64. */
  readonly files: Readonly<Record<string, string>>;
  readonly sth: { readonly tree_size: number; readonly timestamp: number; readonly sha256_root_hash: string };
  /** Of entry 3. */
  readonly entryAndProof: EntryJson & { readonly audit_path: readonly string[] };
  /** From 100 entries to all. */
  readonly consistency: readonly string[];
}

const FILE = join(projectRoot, 'test/ct-log/support/earlier-log.json');

const pem = (base64: string): string =>
  createPrivateKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString();

describe('ct-log: a log on disk from before', function () {
  this.timeout(20_000);
  const earlier = JSON.parse(readFileSync(FILE, 'utf8')) as EarlierLog;
  const signers = signersOf({
    treeHead: pem(earlier.keys.treeHead),
    checkpoint: pem(earlier.keys.checkpoint),
  });
  let root: string;
  let log: CtLog;
  const path = (name: string): string => join(root, '2026', name);
  const open = (): Promise<CtLog> =>
    openCtLog({ directory: join(root, '2026'), signers, chain: [ISSUER], clock: Date.now });

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-earlier-'));
    for (const [name, bytes] of Object.entries(earlier.files)) {
      mkdirSync(dirname(path(name)), { recursive: true });
      writeFileSync(path(name), fromBase64(bytes));
    }
    log = await open();
  });
  afterEach(async () => {
    await log.close();
    rmSync(root, { recursive: true });
  });

  it('opens with the same head, and answers the same proofs', async () => {
    expect(log.warnings.filter((warning) => !warning.includes('lies'))).to.deep.equal([]);
    const { tree_size, timestamp, sha256_root_hash } = log.reader.getSth();
    expect({ tree_size, timestamp, sha256_root_hash }).to.deep.equal({
      tree_size: earlier.sth.tree_size,
      timestamp: earlier.sth.timestamp,
      sha256_root_hash: earlier.sth.sha256_root_hash,
    });
    expect(await log.reader.getEntryAndProof(3, 300)).to.deep.equal(earlier.entryAndProof);
    const { consistency } = await log.reader.getSthConsistency(100, 300);
    expect(consistency).to.deep.equal(earlier.consistency);
  });

  it('leaves every file that never changes as it was, and signs the head in the same form', async () => {
    await log.close();
    for (const [name, bytes] of Object.entries(earlier.files))
      if (!['checkpoint', 'commit.db'].includes(name))
        expect(readFileSync(path(name)).toString('base64'), name).to.equal(bytes);
    const [was, is] = [fromBase64(earlier.files['checkpoint'] ?? ''), readFileSync(path('checkpoint'))];
    const { signedBy, ...head } = verifyCheckpoint(is, logKeys(log.identity));
    expect(signedBy).to.have.length(2);
    expect(verifyCheckpoint(was, logKeys(log.identity))).to.deep.include(head);
    // ECDSA signatures differ each time. Ed25519 signs the same text with the same bytes.
    const lines = (note: Uint8Array): string[] => utf8Text(note).split('\n').toSpliced(4, 1);
    expect(lines(is)).to.deep.equal(lines(was));
  });

  it('has the same tables, with the rows that were there', async () => {
    await log.close();
    const before = join(root, 'before.db');
    writeFileSync(before, fromBase64(earlier.files['commit.db'] ?? ''));
    const dump = (file: string): unknown[] => {
      const db = new DatabaseSync(file);
      try {
        return ['sqlite_schema', 'meta', 'head', 'entry'].map((table) =>
          db.prepare(`SELECT * FROM ${table}`).all(),
        );
      } finally {
        db.close();
      }
    };
    expect(dump(path('commit.db'))).to.deep.equal(dump(before));
  });

  it('goes on with the next entry', async () => {
    const { index, receipt } = await log.append(entry(300));
    expect([index, parseLeafIndex(parseSct(receipt.sct).extensions)]).to.deep.equal([300, 300]);
    await log.close();
    log = await open();
    expect(log.status().size).to.equal(301);
  });
});
