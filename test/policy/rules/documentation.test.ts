import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { inspectText, type Inspection } from '../../../config/load/inspect.ts';
import type { RuleDefinition } from '../../../policy/rules/rule-definition.ts';
import { overloadsOf } from '../../../policy/rules/functions.ts';
import { compileRules } from '../../../policy/rules/rules.ts';
import { filledPreset } from '../../support/filled-preset.ts';
import { projectRoot } from '../../support/project-root.ts';
import { outcomeOf, ruleInput } from './support/rule-input.ts';

const KUBERNETES = { namespace: 'build', serviceaccount: { name: 'signer' } };
const MAIN = { repository_owner_id: '123456', ref: 'refs/heads/main', event_name: 'push' };
const WORKFLOW = 'acme/workflows/.github/workflows/release.yml@refs/heads/main';

/** The first rule of a block → the preset into whose entry it belongs, and the claims of a token that it admits. */
const BLOCKS: Readonly<Record<string, readonly [preset: string, claims: Record<string, unknown>]>> = {
  'main-branch-of-acme': ['github', MAIN],
  'production-or-none': ['github', { environment: 'production' }],
  'release-workflow': [
    'github',
    { ...MAIN, job_workflow_ref: WORKFLOW, runner_environment: 'github-hosted' },
  ],
  'protected-refs-of-acme': [
    'gitlab',
    { project_path: 'acme/app', namespace_id: '1001', ref_protected: 'true' },
  ],
  staff: ['google', { hd: 'example.com', email: 'sue@example.com' }],
  'release-managers': ['keycloak', { groups: ['release-managers'] }],
  builders: ['kubernetes', { 'kubernetes.io': KUBERNETES }],
  migration: ['okta', { sub: 'service-42' }],
};

/** Claims by which the expressions in the text of the page are decided. */
const CLAIMS = {
  x: 'y',
  a: '1',
  n: 5,
  is_bot: 'true',
  name: 'x',
  run_number: '7',
  ref: 'refs/tags/v1',
  'https://example.com/groups': ['g'],
  email: 'SUE@example.com',
  sub: 'repo:acme/app',
  groups: ['release-managers'],
  iat: ruleInput().now / 1000 - 60,
};

describe('docs/rules.md', () => {
  const text = readFileSync(join(projectRoot, 'docs/rules.md'), 'utf8');
  const blocks = [...text.matchAll(/^```yaml\n(?<yaml>[^]*?)^```$/gm)].map(
    (match) => match.groups?.['yaml'] ?? '',
  );

  it('has examples that this test knows', () => {
    const names = blocks.map((block) => /- name: (\S+)/.exec(block)?.[1]);
    expect(names).to.have.members(Object.keys(BLOCKS));
  });

  for (const block of blocks) {
    const [, name = ''] = /- name: (\S+)/.exec(block) ?? [];
    it(`shows what can be used as it is, and admits whom it says: ${name}`, () => {
      const [preset, claims] = BLOCKS[name] ?? expect.fail();
      const { problems, findings, issuers } = inspectText(inPlace(block, preset), 'config.yaml', '.');
      expect([problems, findings]).to.deep.equal([[], []]);
      const rules = compileRules(rulesOf(issuers));
      expect(rules.decide({ ...ruleInput(), claims })).to.deep.equal({ allowed: true, rule: name });
      const nobody = rules.decide({ ...ruleInput(), claims: { environment: 'other' } });
      expect(nobody.allowed).to.equal(false);
    });
  }

  it('has only conditions in its text that do what it says', () => {
    const said = text.slice(text.indexOf('## How they decide'), text.indexOf('## Examples'));
    const conditions = [
      ...said.matchAll(/`((?:"[^"`]*" in |has\(|int\(|double\()?(?:claims|now)\b[^`…]*)`/g),
    ].map(([, condition = '']) => condition.replaceAll('\\|', '|'));
    expect(conditions.length).to.be.above(18);
    for (const condition of conditions) {
      const isWhole = / [=!<>]=? | in |^has\(|\.(?:startsWith|exists)\(/.test(condition);
      // A part of one does as well where a value may stand.
      const outcome = outcomeOf(isWhole ? condition : `size([${condition}]) == 1`, CLAIMS);
      // The page says of these two that they do not.
      const isUnlike = /^claims\.is_bot [!=]= true$/.test(condition);
      expect(outcome, condition).to.equal(isUnlike ? 'does not hold' : 'holds');
    }
  });

  it('names only functions that are there', () => {
    const [, said = ''] = /## What a rule can say\n([^]*?)\n\nEverything/.exec(text) ?? [];
    const names = [...said.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([a-zA-Z]+)`/g)].map(([, name = '']) => name),
    );
    const macros = ['all', 'exists', 'filter', 'map'];
    expect(names.length).to.be.greaterThan(20);
    for (const name of names)
      expect(macros.includes(name) || overloadsOf(name).length > 0, name).to.equal(true);
  });
});

/** The file that a reader gets: a whole one as it is, and a block of rules in the place of the preset's own. */
function inPlace(block: string, preset: string): string {
  if (!block.startsWith('rules:')) return block;
  const lines = block.trimEnd().split('\n');
  const rules = lines.map((line) => `      ${line}`).join('\n');
  return filledPreset(preset).replace(/^ {6}rules:\n(?: {7}.*\n)+/m, `${rules}\n`);
}

const rulesOf = (issuers: Inspection['issuers']): readonly RuleDefinition[] =>
  issuers.flatMap(({ policy }) => policy.rules);
