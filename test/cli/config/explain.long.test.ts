import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Explanation } from '../../../explain/explanation.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { type MayflyResult, runMayfly } from '../../support/mayfly.ts';

describe('mayfly explain', () => {
  let directory: string;
  let issuer: TestIssuer;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-explain-'));
    issuer = await startIssuer();
    const config = [
      'oidc-issuers:',
      `  ${issuer.url}:`,
      '    client-id: ca.acme.example',
      '    type: email',
      '    mayfly:',
      '      name: people',
      '      rules:',
      '        - {name: our-domain, allow: claims.email.endsWith("@acme.example")}',
      '        - {name: not-eve, deny: claims.sub == "eve", message: Ask Sue.}',
    ];
    await writeFile(join(directory, 'config.yaml'), config.join('\n'));
    await writeFile(join(directory, 'sue.json'), JSON.stringify(claims()));
    await writeFile(join(directory, 'eve.json'), JSON.stringify(claims({ sub: 'eve' })));
  });

  after(async () => {
    await issuer.close();
    await rm(directory, { recursive: true });
  });

  const claims = (changes: object = {}): Record<string, unknown> => ({
    iss: issuer.url,
    aud: 'ca.acme.example',
    sub: 'sue',
    email: 'sue@acme.example',
    email_verified: true,
    ...changes,
  });

  const explain = (args: readonly string[], stdin?: string): Promise<MayflyResult> =>
    runMayfly(['explain', '--config', 'config.yaml', ...args], {
      cwd: directory,
      ...(stdin === undefined ? {} : { stdin }),
    });

  it('exits with 0 and says what the certificate would hold', async () => {
    const { code, stdout, stderr } = await explain(['--claims', 'sue.json']);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout).to.match(/chosen +people/);
    expect(stdout).to.match(/name +email sue@acme\.example/);
    expect(stdout).to.match(/24 TokenSubject +sue/);
    expect(stdout).to.match(/not checked +signature/);
    expect(stdout).to.match(/Would be issued, by the rule "our-domain", if an issuer signed this\.\n$/);
  });

  it('exits with 1 and says who refuses, with the message of the rule', async () => {
    const { code, stdout } = await explain(['--claims', 'eve.json']);
    expect(code).to.equal(1);
    expect(stdout).to.include('Would be refused by the rule "not-eve": RULE_DENIED: Ask Sue.');
    expect(stdout).to.match(/holds +deny +not-eve/);
  });

  it('checks a token with the keys of its issuer, and never shows it', async () => {
    const token = await issuer.sign(claims());
    const good = await explain(['--token-file', '-'], `${token}\n`);
    expect(good.code).to.equal(0);
    expect(good.stdout).to.match(/ok +signature/);
    const bad = await explain(['--token-file', '-'], `${token.slice(0, -6)}AAAAAA`);
    expect(bad.code).to.equal(1);
    expect(bad.stdout).to.include('TOKEN_SIGNATURE_INVALID');
    const broken = await explain(['--token-file', '-'], `${token}.${token}`);
    expect(broken.stdout).to.include('TOKEN_MALFORMED');
    for (const { stdout, stderr } of [good, bad, broken])
      for (const part of token.split('.')) expect(stdout + stderr).not.to.include(part);
  });

  it('names in one line what it skipped, and in JSON each check on its own', async () => {
    const text = await explain(['--token-file', '-'], 'nonsense');
    expect(text.code).to.equal(1);
    const lines = text.stdout.split('\n').filter((line) => line.includes('skipped'));
    const names =
      'algorithm, issuer, signature, audience, expiry, not-before, identity, key, rules, rate-limit';
    expect(lines).to.deep.equal([
      `  skipped      ${names}, replay, lifetime, encoding: an earlier check failed`,
    ]);
    const json = await explain(['--token-file', '-', '--json'], 'nonsense');
    const { checks } = JSON.parse(json.stdout) as Explanation;
    expect(checks.filter(({ outcome }) => outcome === 'skipped')).to.have.length(13);
    expect((await explain(['--claims', 'sue.json'])).stdout).not.to.include('skipped');
  });

  it('answers one JSON object with --json', async () => {
    const options = ['--json', '--key-type', 'ed25519', '--at', '2026-11-22T10:00:00Z'];
    const { stdout } = await explain(['--claims', 'eve.json', ...options]);
    const answer = JSON.parse(stdout) as Explanation;
    expect(answer.issued).to.equal(false);
    expect(answer.refusal).to.deep.include({ reason: 'RULE_DENIED', sentence: 'Ask Sue.', rule: 'not-eve' });
    expect(answer.rules).to.have.length(2);
    expect(answer.certificate?.san).to.deep.equal({ type: 'email', value: 'sue@acme.example' });
    expect(answer.certificate?.notAfter).to.equal('2026-11-22T10:10:00Z');
  });

  it('answers as of another time', async () => {
    const at = Date.UTC(2026, 10, 22, 10) / 1000;
    const stdin = JSON.stringify(claims({ exp: at + 60 }));
    expect((await explain(['--claims', '-', '--at', '2026-11-22T10:00:00Z'], stdin)).code).to.equal(0);
    expect((await explain(['--claims', '-', '--at', '2026-11-22T10:01:00Z'], stdin)).code).to.equal(1);
  });

  it('makes claims harmless for the terminal that shows them', async () => {
    const stdin = JSON.stringify(claims({ sub: 'sue\u001b[2J\u202e' }));
    const { stdout } = await explain(['--claims', '-'], stdin);
    expect(stdout).to.include('sue\\u{1b}[2J\\u{202e}').and.not.to.include('\u001b');
  });

  it('takes configuration and CA of a data directory, which limits the certificate', async () => {
    const config = `oidc-issuers: {${JSON.stringify(issuer.url)}: {client-id: ca.acme.example, type: email}}\n`;
    await makeDataDirectory(join(directory, 'data'), { config });
    const ask = (at: string): Promise<MayflyResult> =>
      runMayfly(['explain', '--data', 'data', '--claims', 'sue.json', '--at', at], { cwd: directory });
    const now = await ask(new Date(Date.now() + 60_000).toISOString());
    expect(now.code, now.stderr).to.equal(0);
    const late = await ask('2999-01-01T00:00:00Z');
    expect(late.code).to.equal(1);
    expect(late.stdout).to.include('AUTHORITY_EXPIRED');
  });

  const wrong: readonly (readonly [what: string, args: readonly string[], says: RegExp, stdin?: string])[] = [
    ['nothing to explain', [], /give either --token-file or --claims/],
    [
      'a token and claims',
      ['--claims', 'sue.json', '--token-file', '-'],
      /give either --token-file or --claims/,
    ],
    ['claims that are no JSON', ['--claims', '-'], /not JSON/, 'eyJhbGciOiJIUzI1NiJ9.e30.c2VjcmV0'],
    ['claims that are no object', ['--claims', '-'], /not a JSON object/, '[]'],
    ['an unknown type of key', ['--claims', 'sue.json', '--key-type', 'P-1'], /--key-type must be one of/],
    ['a time that is none', ['--claims', 'sue.json', '--at', 'noon'], /RFC 3339/],
    [
      'a configuration that is not there',
      ['--claims', 'sue.json', '--config', 'other.yaml'],
      /does not exist/,
    ],
  ];
  for (const [what, args, says, stdin] of wrong) {
    it(`exits with 2 for ${what}`, async () => {
      const { code, stdout, stderr } = await explain(args, stdin);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr).to.match(says).and.not.to.include('eyJ');
    });
  }

  it('exits with 2 without a configuration', async () => {
    const { code, stderr } = await runMayfly(['explain', '--claims', 'sue.json'], { cwd: directory });
    expect(code).to.equal(2);
    expect(stderr).to.include('--config or --data');
  });
});
