import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decodeJwt, importJWK, jwtVerify } from 'jose';
import { writeDevIssuer } from '../../../dev/issuer-file.ts';
import { ensureIssuerKey } from '../../../dev/issuer-key.ts';
import { type RunOptions, runMayfly } from '../../support/mayfly.ts';

const ISSUER = 'http://127.0.0.1:5556';

describe('mayfly token', () => {
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-token-'));
    await makeDirectory('dev', 'dev');
    await ensureIssuerKey(join(directory, 'dev'));
    await writeDevIssuer(join(directory, 'dev'), ISSUER);
    await makeDirectory('production', 'production');
  });

  after(async () => {
    await rm(directory, { recursive: true });
  });

  async function makeDirectory(name: string, mode: string): Promise<void> {
    await mkdir(join(directory, name));
    const marker = { version: 1, mode, createdAt: '2026-11-22T10:00:00Z' };
    await writeFile(join(directory, name, 'mayfly.json'), JSON.stringify(marker));
  }

  const token = (args: readonly string[], options: RunOptions = {}) =>
    runMayfly(['token', '--data', 'dev', ...args], { cwd: directory, ...options });

  it('prints a token of the dev issuer and nothing else, not even a newline', async () => {
    const { code, stdout, stderr } = await token(['--email', 'ada@example.com']);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout).to.match(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    const { kty, n, e } = await ensureIssuerKey(join(directory, 'dev'));
    const key = await importJWK({ kty, n: String(n), e: String(e) }, 'RS256');
    const { payload } = await jwtVerify(stdout, key, { issuer: ISSUER, audience: 'sigstore' });
    expect(payload).to.include({ sub: 'ada@example.com', email: 'ada@example.com', email_verified: true });
    expect(Number(payload.exp) - Number(payload.iat)).to.equal(600);
  });

  it('takes claims from a file and from stdin, and fills in only what is missing', async () => {
    const claims = JSON.stringify({ sub: 'repo:o/r', aud: 'other', repository: 'o/r' });
    await writeFile(join(directory, 'job.json'), claims);
    const fromFile = await token(['--claims', 'job.json', '--issuer', 'https://ci.example.com']);
    const fromStdin = await token(['--claims', '-', '--issuer', 'https://ci.example.com'], { stdin: claims });
    for (const { stdout } of [fromFile, fromStdin]) {
      const wanted = { iss: 'https://ci.example.com', aud: 'other', sub: 'repo:o/r', repository: 'o/r' };
      expect(decodeJwt(stdout)).to.include(wanted);
    }
  });

  it('makes an expired token when the ttl is negative', async () => {
    const { stdout } = await token(['--email', 'ada@example.com', '--ttl', '-60']);
    expect(Number(decodeJwt(stdout).exp)).to.be.below(Date.now() / 1000 - 30);
  });

  it('shows the claims with --json', async () => {
    const { stdout } = await token(['--email', 'ada@example.com', '--audience', 'x', '--json']);
    const answer = JSON.parse(stdout) as { token: string; claims: object };
    expect(answer.claims).to.deep.equal(decodeJwt(answer.token));
    expect(answer.claims).to.include({ aud: 'x' });
  });

  const wrong: readonly (readonly [what: string, args: string[], code: number, says: RegExp])[] = [
    ['neither --email nor --claims', [], 2, /either --email or --claims/],
    ['both', ['--email', 'a@b.c', '--claims', 'x'], 2, /either --email or --claims/],
    ['an e-mail address that is none', ['--email', 'you'], 2, /not an e-mail address/],
    ['a ttl that is no number', ['--email', 'a@b.c', '--ttl', '10m'], 2, /--ttl must be a whole number/],
    ['a claims file that is not there', ['--claims', 'none.json'], 2, /none\.json does not exist/],
    [
      'claims that are no object',
      ['--claims', 'dev/mayfly.json/..'],
      2,
      /a part of its path is no directory/,
    ],
    ['an unknown option', ['--mail', 'a@b.c'], 2, /unknown option/],
  ];
  for (const [what, args, code, says] of wrong) {
    it(`says what is wrong with ${what}`, async () => {
      const result = await token(args);
      expect(result.stderr).to.match(says);
      expect(result).to.include({ code, stdout: '' });
    });
  }

  it('refuses claims that are JSON but no object', async () => {
    const result = await token(['--claims', '-'], { stdin: '[1]' });
    expect(result).to.include({ code: 1, stdout: '' });
    expect(result.stderr).to.contain('does not hold a JSON object');
  });

  it('says to run npm start when there is no directory yet', async () => {
    const result = await runMayfly(['token', '--email', 'a@b.c'], { cwd: directory });
    expect(result).to.include({ code: 1, stdout: '' });
    expect(result.stderr).to.contain('npm start');
  });

  it('makes no token for a production directory', async () => {
    const result = await token(['--email', 'a@b.c', '--data', 'production']);
    expect(result).to.include({ code: 1, stdout: '' });
    expect(result.stderr).to.contain('production directory');
  });

  it('has help with examples', async () => {
    const result = await runMayfly(['token', '--help']);
    expect(result.code).to.equal(0);
    expect(result.stdout).to.contain('Examples:').and.contain('--ttl -60');
  });
});
