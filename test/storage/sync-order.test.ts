/**
 * What must survive a power cut: written and synced before it gets its name, and the name synced before anybody relies
 * on it. Each of these is one line of code, and nothing but a power cut would show that it is missing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AuditDefinition, AuditFileDefinition } from '../../audit/audit-definition.ts';
import { createDataDirectory } from '../../instance/create-data-directory.ts';
import { CheckpointFile } from '../../tlog/store/checkpoint-file.ts';
import { createCtLog } from '../../ct-log/create-log.ts';
import { fileTileStore } from '../../tlog/store/file-tile-store.ts';
import { freezeLog } from '../../tlog/freeze.ts';
import { openCtLog } from '../../ct-log/ct-log.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { ReplayDatabase } from '../../policy/replay/replay-database.ts';
import { makeDirectory, writeDurably, writeNew } from '../../storage/durable-file.ts';
import { issuedDecision } from '../audit/support/decisions.ts';
import { openFileAudit } from '../audit/support/file-audit.ts';
import { logSigners } from '../ct-log/support/log-keys.ts';
import { fileSteps } from '../support/file-steps.ts';

/** The steps of a file that is there whole, or not at all. */
const whole = (path: string): string[] => {
  const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.';
  const temporary = path.replace(/[^/]*$/, (name) => `.${name}.*.tmp`);
  return [
    ...[`create ${temporary}`, `write ${temporary}`, `sync ${temporary}`],
    ...[`rename ${temporary} ${path}`, `sync ${parent}`],
  ];
};

describe('storage: the order of syncs', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-sync-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });
  const steps = (work: Parameters<typeof fileSteps>[1]): Promise<string[]> => fileSteps(root, work);
  const bytes = Buffer.from('text');

  it('of a file', async () => {
    expect(await steps(() => writeDurably(join(root, 'file'), bytes, 0o600))).to.deep.equal(whole('file'));
  });

  it('of a new file, whose name is for who made it to sync', async () => {
    const made = ['create file', 'write file', 'sync file'];
    expect(await steps(() => writeNew(join(root, 'file'), bytes, 0o600))).to.deep.equal(made);
  });

  it('of directories: each name in its parent, also of those that were there', async () => {
    const made = await steps(() => makeDirectory(join(root, 'a/b')));
    expect(made).to.deep.equal(['mkdir a', 'mkdir a/b', 'sync a', 'sync .']);
    expect(await steps(() => makeDirectory(join(root, 'a/b'), root))).to.deep.equal(['sync a', 'sync .']);
  });

  const { treeHead, checkpoint } = logSigners();
  const directory = (): string => join(root, 'logs/2026');
  const newLog = () =>
    createCtLog({
      directory: directory(),
      origin: 'localhost/log/2026',
      sctExtensions: 'leaf_index',
      ecdsaPublicKey: treeHead.publicKey,
      ed25519PublicKey: checkpoint.publicKey.subarray(-32),
      clock: Date.now,
    });

  it('of a new log', async () => {
    expect(await steps(newLog)).to.deep.equal([
      ...['mkdir logs', 'sync .', ...whole('logs/.2026-*/log.json')],
      ...['rename logs/.2026-* logs/2026', 'sync logs'],
    ]);
  });

  it('of tiles, also of one that was there and may be in the cache alone', async () => {
    const put = (): Promise<void> => fileTileStore(root).put('tile/0/x001/067', bytes);
    const names = ['sync tile/0', 'sync tile', 'sync .'];
    const made = ['mkdir tile', 'mkdir tile/0', 'mkdir tile/0/x001'];
    expect(await steps(put)).to.deep.equal([...made, ...names, ...whole('tile/0/x001/067')]);
    expect(await steps(put)).to.deep.equal([...names, ...whole('tile/0/x001/067')]);
  });

  it('of the checkpoint, and of a log that ends', async () => {
    const file = new CheckpointFile(root, bytes);
    expect(await steps(() => file.close())).to.deep.equal(whole('checkpoint'));
    const identity = await newLog();
    const log = await openCtLog({
      directory: directory(),
      signers: { treeHead, checkpoint },
      chain: [],
      clock: Date.now,
    });
    await log.close();
    const frozen = await steps(() => freezeLog(directory(), identity, logKeys(identity), Date.now));
    expect(frozen).to.deep.equal(whole('logs/2026/checkpoint'));
  });

  it('of a data directory', async () => {
    const data = join(root, 'data');
    const made = await steps(() =>
      createDataDirectory(data, 'production', Date.now, () => Promise.resolve()),
    );
    const parts = made.filter((step) => /^mkdir data\/\w+$/.test(step)).map((step) => step.slice(6));
    expect(parts).to.include('data/keys');
    expect(made.slice(0, 2)).to.deep.equal(['mkdir data', 'sync .']);
    const end = [...parts.map((part) => `sync ${part}`), ...whole('data/mayfly.json'), 'sync data'];
    expect(made.slice(-end.length)).to.deep.equal(end);
  });

  const path = (): string => join(root, 'audit.jsonl');
  /** An audit with two lines, from its opening to its end. */
  const audited = (definition: Partial<AuditDefinition>, file: Partial<AuditFileDefinition> = {}) =>
    steps(async (mark) => {
      const opened = await openFileAudit({ definition, file: { path: path(), ...file } });
      mark('opened');
      for (const id of ['r1', 'r2']) await opened.audit.issued(issuedDecision(id));
      mark('delivered');
      await opened.audit.close();
      await opened.remove();
    });

  it('of a line of the audit on which a certificate waits', async () => {
    expect(await audited({ failClosed: true })).to.deep.equal([
      ...['create audit.jsonl', 'sync .', 'opened'],
      ...['write audit.jsonl', 'sync audit.jsonl', 'write audit.jsonl', 'sync audit.jsonl', 'delivered'],
      'sync audit.jsonl',
    ]);
  });

  it('of the last lines of an audit on which nothing waits', async () => {
    expect(await audited({})).to.deep.equal([
      ...['create audit.jsonl', 'sync .', 'opened', 'delivered'],
      ...['write audit.jsonl', 'sync audit.jsonl'],
    ]);
  });

  it('of a file of the audit that is rotated', async () => {
    const all = await audited({ failClosed: true }, { maxBytes: 100 });
    expect(all.slice(all.indexOf('opened'), all.indexOf('delivered'))).to.deep.equal([
      ...['opened', 'write audit.jsonl', 'sync audit.jsonl'],
      ...['sync audit.jsonl', 'rename audit.jsonl audit.jsonl.*', 'create audit.jsonl', 'sync .'],
      ...['write audit.jsonl', 'sync audit.jsonl'],
    ]);
  });

  it('of the memory of used tokens', async () => {
    const opened: ReplayDatabase[] = [];
    const made = await steps(() => opened.push(new ReplayDatabase(join(root, 'replay.db'))));
    expect(made).to.deep.equal(['sync .']);
    expect(opened[0]?.pragma('synchronous'), 'FULL').to.equal(2);
    opened[0]?.close();
  });
});
