import { expect } from 'chai';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditLines } from '../audit/support/audit-schema.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { ANYWHERE, mayflyWords, runMayfly, startMayfly } from '../support/mayfly.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

interface Ready {
  readonly url: string;
  readonly metricsUrl: string;
}

describe('cli/serve with an audit', function () {
  this.timeout(60_000);
  let scratch: string;
  let issuer: TestIssuer;
  let made = 0;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-serve-'));
    issuer = await startIssuer();
  });
  after(async () => {
    await issuer.close();
    await rm(scratch, { recursive: true, force: true });
  });

  async function directory(audit: string): Promise<string> {
    const root = join(scratch, String(++made));
    await makeDataDirectory(root, { config: emailConfig(issuer.url, `{ audit: ${audit} }`) });
    return root;
  }

  it('writes decisions to a file beside the configuration and to stdout, where all is JSON', async () => {
    const data = await directory('{ stdout: true, file: { path: audit/a.jsonl }, fail-closed: true }');
    const program = startMayfly(['serve', ...ANYWHERE, '--json', '--data', data]);
    const { url } = JSON.parse(await program.firstLine) as Ready;
    const sign = async (token: string) =>
      (await post(`${url}/api/v2/signingCert`, bodyV2(token, clientKey()))).status;
    expect(await sign(await emailToken({ issuer }))).to.equal(200);
    expect(await sign('nonsense')).to.equal(400);
    program.child.kill('SIGTERM');
    expect(await program.ended).to.equal(0);
    const file = auditLines(await readFile(join(data, 'audit/a.jsonl'), 'latin1'));
    expect(file.map(({ event, reason }) => reason ?? event)).to.deep.equal(['issued', 'TOKEN_MALFORMED']);
    const [, ...stdout] = program.stdout().split('\n');
    expect(auditLines(stdout.join('\n'))).to.deep.equal(file);
    expect(program.stderr()).to.contain('TOKEN_MALFORMED').and.not.contain('"event":"issued"');
  });

  it('does not start when the file cannot be written, and leaves nothing behind', async () => {
    const data = await directory('{ file: { path: /dev/null/audit.jsonl } }');
    for (let times = 0; times < 2; times++) {
      const { code, stdout } = await runMayfly(['serve', ...ANYWHERE, '--json', '--data', data]);
      expect(code).to.equal(1);
      expect(stdout).to.contain('the audit file /dev/null/audit.jsonl cannot be written');
    }
  });

  it('goes on, and ends, though nobody reads what it writes to a pipe', async () => {
    const data = await directory('{ stdout: true, refusals-per-minute: 100000 }');
    const pipe = join(scratch, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reader = await open(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(pipe, 'w');
    const args = mayflyWords(['serve', ...ANYWHERE, '--json', '--data', data], 'always');
    const child = spawn(process.execPath, args, { stdio: ['ignore', writer, 'pipe'] });
    closeSync(writer);
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const { url } = await readyOf(reader);
    const send = (token: string) => post(`${url}/api/v2/signingCert`, bodyV2(token, clientKey()));
    // More than a pipe holds.
    const token = await emailToken({ issuer });
    for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 25 }, () => send('nonsense')));
    expect((await send(token)).status).to.equal(200);
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).to.equal(0);
    expect(stderr).to.contain('audit lines lost');
    await reader.close();
  });
});

/** The first line of a pipe. */
async function readyOf(reader: Awaited<ReturnType<typeof open>>): Promise<Ready> {
  for (let text = ''; ;) {
    const { buffer, bytesRead } = await reader.read(Buffer.alloc(4096)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN')
        return { buffer: Buffer.alloc(0), bytesRead: 0 };
      throw error;
    });
    text += buffer.subarray(0, bytesRead).toString();
    if (text.includes('\n')) return JSON.parse(text) as Ready;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
