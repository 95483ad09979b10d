import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { generateKey } from '../../signers/key-types.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { ANYWHERE, runMayfly, startMayfly } from '../support/mayfly.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

/** Every file with the hash of its content. */
async function filesIn(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = names.filter((name) => name.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const hash = async (path: string): Promise<string> =>
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  return Object.fromEntries(
    await Promise.all(files.sort().map(async (path) => [path, await hash(path)] as const)),
  );
}

describe('cli/serve: a start that is refused', function () {
  this.timeout(120_000);
  let root: string;
  let killed: string;
  let issuer: TestIssuer;
  const edit = async (path: string, change: (text: string) => string): Promise<void> =>
    writeFile(path, change(await readFile(path, 'utf8')));

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-refused-'));
    issuer = await startIssuer();
    killed = join(root, 'killed');
    const config = emailConfig(issuer.url).replace(
      'type: email',
      'type: email\n    mayfly: { replay-guard: token }',
    );
    await makeDataDirectory(killed, { config });
    // A service that was killed: both stores have a WAL.
    const program = startMayfly(['serve', ...ANYWHERE, '--json', '--data', killed]);
    const { url } = JSON.parse(await program.firstLine) as { url: string };
    const body = bodyV2(await emailToken({ issuer }), clientKey());
    expect((await post(`${url}/api/v2/signingCert`, body)).status).to.equal(200);
    program.child.kill('SIGKILL');
    await program.ended;
  });
  after(async () => {
    await issuer.close();
    await rm(root, { recursive: true, force: true });
  });

  const garbage =
    (name: string) =>
    (data: string): Promise<void> =>
      writeFile(join(data, name), 'nothing of the kind '.repeat(1000));
  const otherKey = (name: string) => async (data: string) =>
    writeFile(join(data, 'keys', name), writeKeyPem(await generateKey('p256'), undefined));

  const SPOILED: Record<string, (data: string) => Promise<void>> = {
    'a WAL of something else': garbage('logs/2026/commit.db-wal'),
    'another log key': otherKey('log-2026-ecdsa.key.pem'),
    'another CA key': otherKey('intermediate.key.pem'),
    'a bad configuration': (data) => edit(join(data, 'config.yaml'), (text) => `${text}\n- nonsense\n`),
    'a replay.db of something else': garbage('replay.db'),
  };

  for (const [what, spoil] of Object.entries(SPOILED)) {
    it(`leaves the data directory byte for byte as it was: ${what}`, async () => {
      const data = join(root, 'data');
      await rm(data, { recursive: true, force: true });
      await cp(killed, data, { recursive: true });
      await spoil(data);
      const before = await filesIn(data);
      const { code, stdout } = await runMayfly(['serve', ...ANYWHERE, '--json', '--data', data]);
      expect(code).to.equal(1);
      const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
      expect(error.code).to.not.equal('INTERNAL');
      expect(await filesIn(data), error.message).to.deep.equal(before);
    });
  }
});
