import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createCtLog, type NewCtLog } from '../../ct-log/create-log.ts';
import { LogError, type LogReason } from '../../tlog/core/log-error.ts';
import { nameOfOrigin } from '../../tlog/core/log-identity.ts';
import { readIdentity } from '../../ct-log/log-identity.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { judgeStorage } from '../../tlog/judge-storage.ts';
import { logSigners } from '../ct-log/support/log-keys.ts';
import { skipUnless } from '../support/skipped.ts';

describe('tlog/create-log', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-create-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  const { treeHead, checkpoint } = logSigners();
  const make = (over: Partial<NewCtLog> = {}): ReturnType<typeof createCtLog> =>
    createCtLog({
      directory: join(root, 'logs', '2026'),
      origin: 'ca.example.org/log/2026',
      sctExtensions: 'none',
      ecdsaPublicKey: treeHead.publicKey,
      ed25519PublicKey: checkpoint.publicKey.subarray(-32),
      clock: () => 1_700_000_000_123,
      ...over,
    });

  const code = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => undefined,
      (error: unknown) => (error instanceof LogError ? error.code : error),
    );

  it('writes an identity that reads back', async () => {
    const made = await make();
    expect(made).to.include({ name: '2026', sctExtensions: 'none', createdAt: 1_700_000_000_123 });
    expect(made.logId).to.deep.equal(sha256(treeHead.publicKey));
    expect(await readIdentity(join(root, 'logs', '2026'))).to.deep.equal({
      ...made,
      publicKey: Uint8Array.from(treeHead.publicKey),
      ed25519PublicKey: Uint8Array.from(checkpoint.publicKey.subarray(-32)),
      logId: Uint8Array.from(made.logId),
    });
    expect(readdirSync(join(root, 'logs'))).to.deep.equal(['2026']);
  });

  it('fills an empty directory but never overwrites anything', async () => {
    mkdirSync(join(root, 'logs', '2026'), { recursive: true });
    await make();
    const before = readFileSync(join(root, 'logs', '2026', 'log.json'), 'utf8');
    expect(await code(make())).to.equal('LOG_EXISTS' satisfies LogReason);
    expect(readFileSync(join(root, 'logs', '2026', 'log.json'), 'utf8')).to.equal(before);
    expect(readdirSync(join(root, 'logs'))).to.deep.equal(['2026']);
  });

  it('says so, and does not try for ever, where no directory can be made', async function () {
    skipUnless(this, process.platform === 'linux', 'this is not Linux');
    writeFileSync(join(root, 'file'), '');
    for (const parent of [
      '/proc/mayfly',
      '/proc/mayfly/logs',
      join(root, 'file'),
      join(root, 'file', 'logs'),
    ]) {
      expect(await code(make({ directory: join(parent, '2026') })), parent).to.equal('LOG_STORAGE');
    }
  });

  it('takes only origins that every client spells alike', async () => {
    for (const origin of ['localhost/log/2026', 'localhost:8899/2026', 'a.b-c.d/x_1/y.z'])
      nameOfOrigin(origin);
    const wrong = [
      'localhost',
      'https://a.b/c',
      'a.b/c/',
      'A.b/c',
      'a.b/C',
      '/c',
      'a.b//c',
      'a b/c',
      'a.b/..',
      '',
    ];
    for (const origin of wrong) expect(await code(make({ origin })), origin).to.equal('LOG_BAD_ORIGIN');
    expect(await code(make({ ed25519PublicKey: new Uint8Array(31) }))).to.equal('LOG_WRONG_KEY');
  });

  it('says what is wrong with a damaged identity', async () => {
    await make();
    const file = join(root, 'logs', '2026', 'log.json');
    const good = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    const damages = [
      { version: 2 },
      { logId: 'AAAA' },
      // Of the right length, and the id of another key.
      { logId: Buffer.alloc(32).toString('base64') },
      { publicKey: Buffer.from(logSigners().treeHead.publicKey).toString('base64') },
      { ed25519PublicKey: Buffer.alloc(31, 1).toString('base64') },
      { origin: 7 },
      { sctExtensions: 'x' },
      { createdAt: 'x' },
    ];
    for (const damage of damages) {
      writeFileSync(file, JSON.stringify({ ...good, ...damage }));
      expect(await code(readIdentity(join(root, 'logs', '2026')))).to.equal('LOG_CORRUPT');
    }
    writeFileSync(file, '[');
    expect(await code(readIdentity(join(root, 'logs', '2026')))).to.equal('LOG_CORRUPT');
    expect(await code(readIdentity(root))).to.equal('LOG_MISSING');
  });

  it('needs a directory that can be read', async () => {
    expect(await code(judgeStorage(join(root, 'nowhere')))).to.equal('LOG_MISSING');
  });
});
