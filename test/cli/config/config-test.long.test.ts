import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { parse } from 'yaml';
import { projectRoot } from '../../support/project-root.ts';
import { type MayflyResult, runMayfly } from '../../support/mayfly.ts';

const CONFIG = `
oidc-issuers:
  https://login.acme.example:
    client-id: ca.acme.example
    type: email
    mayfly:
      name: people
      lifetime: 5
      rules:
        - {name: our-domain, allow: claims.email.endsWith("@acme.example")}
        - {name: not-eve, deny: claims.sub == "eve"}
        - {name: not-at-night, deny: now.getHours() < 6}
`;

const SUE = `{iss: https://login.acme.example, aud: ca.acme.example, sub: sue, email: sue@acme.example, email_verified: true}`;

describe('mayfly config test', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-config-test-'));
    await writeFile(join(directory, 'config.yaml'), CONFIG);
    await writeFile(join(directory, 'sue.json'), JSON.stringify(parse(SUE)));
  });
  after(() => rm(directory, { recursive: true }));

  const run = (args: readonly string[], stdin?: string): Promise<MayflyResult> =>
    runMayfly(['config', 'test', ...args], { cwd: directory, ...(stdin === undefined ? {} : { stdin }) });

  /** One case of Sue at noon, who is expected to get what `expected` says. */
  const cases = (expected: string, more = ''): string =>
    `config: config.yaml\nat: 2026-11-22T12:00:00Z\ncases:\n  - name: sue\n    claims: ${SUE}\n    expect: ${expected}\n${more}`;

  it('passes the example of the documentation, as the documentation shows it', async () => {
    const text = await readFile(join(projectRoot, 'docs/explain.md'), 'utf8');
    const example = /```yaml\n(# cases\.yaml\n[^]*?)```/.exec(text)?.[1] ?? expect.fail();
    const shown = /\$ mayfly config test cases\.yaml\n([^]*?)```/.exec(text)?.[1];
    const [, preset = ''] = /`mayfly (config preset [^`]*)`/.exec(text) ?? [];
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-config-test-'));
    const config = await runMayfly(preset.split(' '));
    await writeFile(join(folder, 'config.yaml'), config.stdout);
    await writeFile(join(folder, 'cases.yaml'), example);
    const { code, stdout, stderr } = await runMayfly(['config', 'test', 'cases.yaml'], { cwd: folder });
    await rm(folder, { recursive: true });
    expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: shown, stderr: '' });
  });

  it('passes what is as expected, and shows what is not', async () => {
    const good = await run(['-'], cases('issued'));
    expect(good.code).to.equal(0);
    expect(good.stdout)
      .to.match(/^ok +sue\n/)
      .and.to.match(/\n1 passed, 0 failed\n$/);
    const bad = await run(['-'], cases('refused'));
    expect(bad.code).to.equal(1);
    expect(bad.stdout).to.match(
      /^FAILED +sue \(-:4\)\n +outcome\n +expected +refused\n +found +issued, by the rule "our-domain"/,
    );
  });

  it('compares refusals, and knows the time of each case', async () => {
    const more = [
      `  - {name: eve, claims-file: sue.json, claims: {sub: eve}, expect: {refused: {reason: RULE_DENIED, rule: not-eve, entry: people}}}`,
      `  - {name: at night, claims-file: sue.json, at: 2026-11-22T03:00:00Z, expect: {refused: {rule: not-at-night}}}`,
      `  - {name: another key, claims-file: sue.json, key-type: Ed25519, expect: issued}`,
      `  - {name: somebody else, claims-file: sue.json, claims: {iss: https://evil.example}, expect: {refused: {reason: RULE_DENIED}}}`,
    ];
    const { code, stdout } = await run(['-', '--json'], cases('issued', `${more.join('\n')}\n`));
    expect(code).to.equal(1);
    const answer = JSON.parse(stdout) as {
      passed: number;
      failed: number;
      cases: { ok: boolean; name: string; differences: { what: string; found: string }[] }[];
      unreached: unknown[];
    };
    expect(answer).to.deep.include({ ok: false, passed: 4, failed: 1, unreached: [] });
    expect(answer.cases[4]?.differences[0]?.found).to.include('ISSUER_UNKNOWN');
  });

  it('names the rules that no case makes hold', async () => {
    const { stdout } = await run(['-'], cases('issued'));
    expect(stdout).to.match(
      /No case makes these rules hold:\n +not-eve \(people\)\n +not-at-night \(people\)\n/,
    );
  });

  it('takes another configuration than the one that the file names', async () => {
    await writeFile(
      join(directory, 'other.yaml'),
      CONFIG.replace('"sue"', '"x"').replace('lifetime: 5', 'lifetime: 7'),
    );
    const { code } = await run(['-', '--config', 'other.yaml'], cases('{issued: {lifetime: 7}}'));
    expect(code).to.equal(0);
  });

  const wrong: readonly (readonly [what: string, text: () => string, says: RegExp])[] = [
    ['a misspelt key', () => cases('issued', '    kye-type: P-256\n'), /-:7:5: .*unknown key "kye-type"/],
    [
      'a file of claims that is not there',
      () => cases('issued', '    claims-file: none.json\n'),
      /none\.json does not exist/,
    ],
    [
      'no configuration',
      () => cases('issued').replace('config: config.yaml\n', ''),
      /say which configuration/,
    ],
    [
      'a configuration that cannot be used',
      () => cases('issued').replace('config.yaml', '.'),
      /is a directory/,
    ],
  ];
  for (const [what, text, says] of wrong) {
    it(`exits with 2 for ${what}`, async () => {
      const { code, stdout, stderr } = await run(['-'], text());
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr).to.match(says);
    });
  }

  it('has a JSON Schema that accepts what is right and refuses a slip', async () => {
    const { stdout } = await runMayfly(['config', 'schema', '--cases']);
    const validate = new Ajv.default({ strict: false }).compile(JSON.parse(stdout) as object);
    expect(validate(parse(cases('{issued: {rule: our-domain, extensions: {"24": sue}}}')))).to.equal(true);
    expect(validate(parse(cases('{isued: {}}')))).to.equal(false);
  });
});
