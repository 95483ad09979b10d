import { expect } from 'chai';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { productionConfig } from '../../../config/presets/template.ts';
import { projectRoot } from '../../support/project-root.ts';
import { type MayflyResult, runMayfly } from '../../support/mayfly.ts';
import { vectorPath } from '../../support/vectors.ts';

const GOOD = `oidc-issuers:
  https://a.example:
    client-id: mine
    type: email
    mayfly: {rules: [{name: ours, allow: claims.email.endsWith("@a.example")}]}
`;

const OPEN = `oidc-issuers:
  https://accounts.google.com: {client-id: mine, type: email}
  https://a.example: {client-id: mine, type: email}
`;

const BAD = `oidc-issuers:
  https://a.example:
    client-id: sigstore
    type: emial
    mayfly:
      rules:
        - name: ours
          allow: clams.email == "a"
mayfly:
  log-levle: info
`;

describe('mayfly config', function () {
  this.timeout(60_000);
  let cwd: string;
  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-config-check-'));
    const files = { good: GOOD, open: OPEN, bad: BAD, broken: 'a: [', fresh: productionConfig() };
    for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, `${name}.yaml`), text);
  });
  after(() => rm(cwd, { recursive: true }));

  const check = (...args: string[]): Promise<MayflyResult> =>
    runMayfly(['config', 'check', ...args], { cwd });

  describe('check', () => {
    it('is content with a good file', async () => {
      const { code, stdout, stderr } = await check('good.yaml', '--strict');
      expect([code, stdout, stderr]).to.deep.equal([
        0,
        'good.yaml: 1 issuer, 0 meta issuers, 1 rule: ok\n',
        '',
      ]);
    });

    it('reads stdin', async () => {
      const { code, stdout } = await runMayfly(['config', 'check', '-'], { cwd, stdin: BAD });
      expect(code).to.equal(1);
      expect(stdout).to.include('-:8:18: error: ').and.include('-: 3 errors, 1 warning');
    });

    it('reports everything that is wrong, where, and what to do, and fails', async () => {
      const { code, stdout } = await check('bad.yaml');
      expect(code).to.equal(1);
      expect(stdout.trimEnd().split('\n')).to.deep.equal([
        'bad.yaml:4:11: error: oidc-issuers."https://a.example".type: issuer https://a.example has the unknown type "emial"',
        '    Did you mean "email"? Supported are email, uri, username, spiffe, kubernetes, ci-provider, chainguard-identity.',
        'bad.yaml:8:18: error: oidc-issuers."https://a.example".mayfly.rules.0.allow: there is no variable "clams"',
        '    Did you mean "claims"?',
        'bad.yaml:10:3: error: mayfly: unknown key "log-levle"',
        '    Did you mean "log-level"?',
        'bad.yaml:3:16: warning: oidc-issuers."https://a.example".client-id: the audience "sigstore" is shared with every other Sigstore service',
        '    Who receives a token made for another service can use it here while it lasts. A client-id of your own prevents that.',
        'bad.yaml: 3 errors, 1 warning',
      ]);
    });

    it('warns of what is open, once with each advice', async () => {
      const { code, stdout } = await check('open.yaml');
      expect(code).to.equal(0);
      expect(stdout).to.contain('open.yaml:2:3: warning: ').and.to.contain('everybody with a Google account');
      expect(stdout)
        .to.contain('open.yaml:3:3: warning: ')
        .and.to.contain('whomever the issuer authenticates');
      expect(stdout.split('Say who may with an allow rule')).to.have.length(2);
      expect(stdout).to.contain('\nopen.yaml: 2 issuers, 0 meta issuers, 0 rules: ok, with 2 warnings\n');
    });

    it('takes warnings for errors where it is strict', async () => {
      expect((await check('open.yaml', '--strict')).code).to.equal(1);
      const { code, stdout } = await check('open.yaml', '--strict', '--json');
      expect(code).to.equal(1);
      expect(JSON.parse(stdout)).to.deep.include({ ok: false, errors: [] });
    });

    it('answers one JSON object', async () => {
      const { code, stdout, stderr } = await check('bad.yaml', '--json');
      expect([code, stderr]).to.deep.equal([1, '']);
      const answer = JSON.parse(stdout) as Record<string, Record<string, unknown>[]>;
      expect(Object.keys(answer)).to.deep.equal(['ok', 'file', 'errors', 'warnings']);
      expect(answer['errors']?.[1]).to.deep.equal({
        path: 'oidc-issuers."https://a.example".mayfly.rules.0.allow',
        line: 8,
        column: 18,
        message: 'there is no variable "clams"',
        hint: 'Did you mean "claims"?',
      });
      expect(answer['warnings']?.map(({ code: name }) => name)).to.deep.equal(['SHARED_AUDIENCE']);
      const good = JSON.parse((await check('good.yaml', '--json')).stdout) as unknown;
      expect(good).to.deep.equal({
        ok: true,
        file: 'good.yaml',
        errors: [],
        warnings: [],
        issuers: 1,
        metaIssuers: 0,
        rules: 1,
      });
    });

    it('says what is the matter with a file that has no structure, or is not there', async () => {
      const broken = await check('broken.yaml');
      expect(broken.code).to.equal(1);
      expect(broken.stdout).to.match(/^broken\.yaml:1:5: error: [^]*\nbroken\.yaml: 1 error\n$/);
      const missing = await check('missing.yaml');
      expect([missing.code, missing.stdout]).to.deep.equal([2, '']);
      expect(missing.stderr).to.contain('missing.yaml: does not exist');
    });

    it('is used with one file', async () => {
      expect((await check()).code).to.equal(2);
      expect((await check('good.yaml', 'bad.yaml')).code).to.equal(2);
      expect((await check('good.yaml', '--stric')).code).to.equal(2);
    });

    it('says of what init writes that nothing can be issued yet', async () => {
      const { code, stdout } = await check('fresh.yaml');
      expect(code).to.equal(0);
      expect(stdout).to.contain('no issuer is configured').and.to.contain('fresh.yaml: 0 issuers');
    });

    it("counts what the configuration of Fulcio's public instance holds", async () => {
      const { code, stdout } = await check(vectorPath('fulcio-public-good.yaml'));
      expect(code).to.equal(0);
      expect(stdout).to.contain(': 22 issuers, 9 meta issuers, 0 rules: ok, with ');
      expect(stdout).to.not.contain('error');
    });
  });

  describe('schema', () => {
    it('prints the schema that the documentation has', async () => {
      const file = await readFile(join(projectRoot, 'docs/config.schema.json'), 'utf8');
      for (const args of [[], ['--json']]) {
        const { code, stdout } = await runMayfly(['config', 'schema', ...args]);
        expect(code).to.equal(0);
        expect(JSON.parse(stdout)).to.deep.equal(JSON.parse(file));
      }
      const ajv = new Ajv2020({ strict: false });
      expect(ajv.validateSchema(JSON.parse(file) as object)).to.equal(true);
    });
  });

  it('shows examples in its help', async () => {
    for (const args of [[], ['check'], ['schema']]) {
      const { code, stdout } = await runMayfly(['config', ...args, '--help']);
      expect([code, stdout.includes('Examples:')]).to.deep.equal([0, true]);
    }
  });
});
