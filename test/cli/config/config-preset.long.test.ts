import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseConfig } from '../../../config/load/load.ts';
import { PRESETS } from '../../../config/presets/all.ts';
import { runMayfly } from '../../support/mayfly.ts';

const preset = (...args: readonly string[]) => runMayfly(['config', 'preset', ...args]);

describe('mayfly config preset', () => {
  it('prints a block that can be used as it is, and nothing else', async () => {
    const { code, stdout, stderr } = await preset(
      'github',
      '--set',
      'owner-id=123456',
      '--audience',
      'ca.acme.example',
    );
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    const { issuers, findings } = parseConfig(stdout);
    expect(findings).to.deep.equal([]);
    expect(issuers[0]?.definition.audiences).to.deep.equal(['ca.acme.example']);
    expect(issuers[0]?.policy.rules[0]?.expression).to.include('claims.repository_owner_id == "123456"');
  });

  it('makes an audience of its own, another one each time', async () => {
    const audiences = await Promise.all(
      [1, 2].map(
        async () => parseConfig((await preset('gitlab')).stdout).issuers[0]?.definition.audiences[0],
      ),
    );
    for (const audience of audiences) expect(audience).to.match(/^mayfly-[0-9a-f]{12}$/);
    expect(audiences[0]).not.to.equal(audiences[1]);
  });

  it('marks what was left out, and says so with --json', async () => {
    const { stdout } = await preset('bitbucket', '--org', 'acme', '--json');
    const answer = JSON.parse(stdout) as { yaml: string; missing: string[]; preset: string };
    expect(answer.missing).to.deep.equal(['workspace-uuid', 'repository-uuid']);
    expect(answer.yaml).to.include('"{EDIT-ME-workspace-uuid}"').and.to.include('/workspaces/acme/');
  });

  it('takes the address of an instance for its host', async () => {
    const { stdout } = await preset('gitlab-self-hosted', '--host', 'https://gitlab.acme.example/');
    expect(parseConfig(stdout).issuers[0]?.definition.url).to.equal('https://gitlab.acme.example');
  });

  it('lists what there is', async () => {
    const { code, stdout } = await preset('--list');
    expect(code).to.equal(0);
    for (const {
      name,
      title,
      blanks: [{ name: blank } = { name: '' }],
    } of PRESETS)
      expect(
        stdout
          .split('\n')
          .some(
            (row) => row.startsWith(`${name} `) && row.includes(`${title}  `) && row.includes(`  ${blank}`),
          ),
        name,
      ).to.equal(true);
    const { presets } = JSON.parse((await preset('--list', '--json')).stdout) as { presets: unknown[] };
    expect(presets).to.have.length(PRESETS.length);
  });

  it('puts several into a file, keeps its mode, and says what is left to do', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mayfly-preset-'));
    try {
      const file = join(directory, 'config.yaml');
      await writeFile(file, '# Ours.\noidc-issuers:\n', { mode: 0o640 });
      const args = [
        'github',
        'gitlab',
        '--set',
        'owner-id=1',
        '--set',
        'gitlab.namespace-id=2',
        '--into',
        file,
      ];
      const { code, stdout } = await preset(...args);
      expect(code).to.equal(0);
      expect(stdout).to.match(/^Put into .*: github, gitlab, for the audience mayfly-[0-9a-f]{12}\.\nNext: /);
      const text = await readFile(file, 'utf8');
      expect(text.startsWith('# Ours.\noidc-issuers:\n')).to.equal(true);
      const { issuers, findings } = parseConfig(text);
      expect(findings).to.deep.equal([]);
      expect(new Set(issuers.flatMap(({ definition }) => definition.audiences))).to.have.property('size', 1);
      expect((await stat(file)).mode & 0o777).to.equal(0o640);
      const again = await preset('gitlab', '--into', file);
      expect(again.code).to.equal(1);
      expect(again.stderr).to.include('is there already');
      expect(await readFile(file, 'utf8')).to.equal(text);
      // The audience is the file's.
      const third = JSON.parse((await preset('okta', '--into', file, '--json')).stdout) as object;
      expect(third).to.deep.include({
        audience: issuers[0]?.definition.audiences[0],
        missing: ['host', 'client-id', 'group'],
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('prints several as one block', async () => {
    const { stdout } = await preset('github', 'gitlab', '--audience', 'ca.acme.example');
    expect(parseConfig(stdout).issuers.map(({ definition }) => definition.name)).to.deep.equal([
      'github',
      'gitlab',
    ]);
  });

  const refusals: readonly (readonly [what: string, args: readonly string[], says: RegExp])[] = [
    ['a name that is nearly right', ['githb'], /there is no preset "githb"\n +Did you mean "github"\?/],
    ['a name that is not there', ['sourceforge'], /there is no preset "sourceforge"\n +There are github, /],
    ['no name', [], /say which preset/],
    ['a name that is given twice', ['github', 'github'], /the preset github is named twice/],
    [
      'a value that two of them have',
      ['github-enterprise', 'gitlab-self-hosted', '--host', 'x'],
      /several of the presets have a host.*\n.*--set gitlab-self-hosted\.host=/,
    ],
    ['a file that is not there', ['github', '--into', '/nowhere/config.yaml'], /does not exist/],
    ['a host for a provider that has none', ['github', '--host', 'x'], /the preset github takes no --host/],
    ['a blank that is not there', ['github', '--set', 'owner=1'], /nothing of that name.*\n.*owner-id/],
    ['a setting without a value', ['github', '--set', 'owner-id'], /--set takes name=value/],
    [
      'a value that would break out of the rule',
      ['github', '--set', 'owner-id=1" || true'],
      /owner-id has characters/,
    ],
    ['a value that would break out of the line', ['okta', '--set', 'group=a\nb'], /group has characters/],
  ];
  for (const [what, args, says] of refusals) {
    it(`refuses ${what}`, async () => {
      const { code, stdout, stderr } = await preset(...args);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr).to.match(says);
    });
  }

  it('never repeats what may be a secret in the wrong place', async () => {
    const { stderr } = await preset('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2VjcmV0');
    expect(stderr).to.include('there is no such preset').and.not.to.include('eyJ');
  });
});
