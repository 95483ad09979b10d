import { expect } from 'chai';
import { productionConfig } from '../../../config/presets/template.ts';
import { ConfigError } from '../../../config/findings/config-error.ts';
import { parseConfig } from '../../../config/load/load.ts';
import { PRESETS } from '../../../config/presets/all.ts';
import { audienceIn, presetsInto } from '../../../config/edit/presets-into.ts';
import type { FilledPreset } from '../../../config/presets/preset-yaml.ts';
import { AUDIENCE, examplesOf, presetNamed } from '../../support/filled-preset.ts';

const filled = (...names: string[]): readonly FilledPreset[] =>
  names.map((name) => ({ preset: presetNamed(name), values: examplesOf(presetNamed(name)) }));

const into = (text: string, ...names: string[]): string =>
  presetsInto(text, 'config.yaml', '/', filled(...names));

function problemIn(text: string, ...names: string[]): string {
  try {
    into(text, ...names);
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    const [problem] = (error as ConfigError).problems;
    return `${(error as ConfigError).message} / ${problem?.hint ?? ''}`;
  }
  return expect.fail('nothing was said');
}

/** With the presets' lines taken out again. */
function withoutNew(before: string, after: string): string {
  const old = before.split('\n');
  const lines = after.split('\n');
  // All old lines are there, in their order.
  let at = 0;
  for (const line of lines) if (line === old[at]) at++;
  return at === old.length ? before : `line ${at + 1} is gone: ${old[at] ?? ''}`;
}

const OURS = `# Of the platform team.
mayfly:
  require-rules: true   # do not touch
oidc-issuers:
    # People.
    https://login.example.com:   # the old one

        client-id: ${AUDIENCE}
        type: email
        mayfly:
            rules:
                - name: staff
                  allow: >-
                    claims.email == "sue@example.com"

    # An idea for later:
    #https://other.example.com:

# The end.
`;

describe('config/edit/presets-into', () => {
  it('puts every preset into the file that init writes, and then all of them', () => {
    const names = PRESETS.map(({ name }) => name);
    const text = productionConfig({ publicUrl: undefined });
    for (const name of names) {
      const { issuers, findings } = parseConfig(into(text, name));
      expect(issuers.map(({ definition }) => definition.name)).to.deep.equal([name]);
      expect(findings, name).to.deep.equal([]);
    }
    const all = into(text, ...names);
    expect(parseConfig(all).issuers.map(({ definition }) => definition.name)).to.deep.equal(names);
    expect(withoutNew(text, all)).to.equal(text);
    // One after the other is the same as all at once, but for the order.
    const stepwise = names.reduce((before, name) => into(before, name), text);
    expect(parseConfig(stepwise).issuers.map(({ definition }) => definition.name)).to.have.members(names);
  });

  it('keeps comments, indentation and every other line', () => {
    const after = into(OURS, 'github', 'gitlab');
    expect(withoutNew(OURS, after)).to.equal(OURS);
    const { issuers } = parseConfig(after);
    expect(issuers.map(({ definition }) => definition.name)).to.deep.equal([
      ...['https://login.example.com', 'github', 'gitlab'],
    ]);
    expect(after).to.include('\n    https://token.actions.githubusercontent.com:\n');
    // Behind what was there, and before what is not of it.
    const places = ['sue@example.com', '    https://gitlab.com:', '# The end.', 'ci-issuer-metadata:'];
    const found = places.map((place) => after.indexOf(place));
    expect(found).to.deep.equal([...found].sort((a, b) => a - b));
    expect(audienceIn(OURS, 'config.yaml', '/')).to.equal(AUDIENCE);
  });

  it('keeps line ends, and a file without one', () => {
    const crlf = into(OURS.replaceAll('\n', '\r\n'), 'github');
    expect(crlf.replaceAll('\r\n', '')).not.to.match(/[\r\n]/);
    expect(crlf.replaceAll('\r\n', '\n')).to.equal(into(OURS, 'github'));
    const open = 'mayfly:\n  log-level: warn';
    expect(into(open, 'github').startsWith(`${open}\noidc-issuers:\n  #`)).to.equal(true);
  });

  it('uses templates that are there already', () => {
    const once = into('oidc-issuers:\n', 'github');
    const moved = once.replaceAll('token.actions.githubusercontent.com', 'issuer.example');
    const twice = into(moved.replace('name: github\n', 'name: old\n'), 'github');
    expect(twice.match(/^ {2}github-workflow:$/gm)).to.have.length(1);
    expect(parseConfig(twice).issuers).to.have.length(2);
  });

  for (const [what, text, says] of [
    [
      'an issuer that has a block',
      'oidc-issuers:\n  https://gitlab.com:\n    client-id: x\n    type: email\n',
      /^config\.yaml:2:3: oidc-issuers\."https:\/\/gitlab\.com": is there already \/ Nothing was changed/,
    ],
    [
      'templates of the same name that differ',
      'ci-issuer-metadata:\n  gitlab-pipeline:\n    subject-alternative-name-template: project_path\n',
      /^config\.yaml:2:3: ci-issuer-metadata\.gitlab-pipeline: is there already, and differs from/,
    ],
    ['JSON', '{"oidc-issuers": {}}', /oidc-issuers: does not have its values on lines of their own/],
    ['a map in one line', 'oidc-issuers: {}\n', /^config\.yaml:1:1: oidc-issuers: does not have its values/],
    ['a file that cannot be used', 'oidc-issuers:\n  - x\n', /must be a map of keys/],
    [
      'a name that is taken',
      'oidc-issuers:\n  https://a.example:\n    client-id: x\n    type: email\n    mayfly: {name: gitlab}\n',
      /could not be used with the preset in it: .*the name "gitlab" is given twice/,
    ],
    ['a document that has ended', 'mayfly: {}\n...\n', /could not be used with the preset in it/],
    [
      'an anchor that new issuer blocks would be cut off from',
      'define: &all\n  https://a.example: {client-id: x, type: email}\noidc-issuers: *all\n',
      /does not have its values on lines of their own/,
    ],
  ] as const)
    it(`refuses, and says why: ${what}`, () => {
      expect(problemIn(text, 'gitlab')).to.match(says);
    });
});
