import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { parse } from 'yaml';
import { fixAliasKeys } from '../../../config/yaml/alias-keys.ts';
import { configJsonSchema } from '../../../config/reference/json-schema.ts';
import { PRESETS } from '../../../config/presets/all.ts';
import { presetYaml } from '../../../config/presets/preset-yaml.ts';
import { devConfig, productionConfig } from '../../../config/presets/template.ts';
import { projectRoot } from '../../support/project-root.ts';
import { PUBLIC_GOOD } from '../../support/public-good.ts';

const validate = new Ajv2020({
  allErrors: true,
  strict: true,
  strictRequired: false,
  allowUnionTypes: true,
}).compile(configJsonSchema());

/** What the schema has against a configuration text. */
function faultsOf(text: string): string[] {
  const value: unknown = parse(fixAliasKeys(text).text, { merge: true }) ?? {};
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message = '' }) => `${instancePath}: ${message}`);
}

/** Every configuration in the documentation. */
function* examples(): Generator<readonly [file: string, text: string]> {
  const docs = join(projectRoot, 'docs');
  const files = [...readdirSync(docs).map((name) => join(docs, name)), join(projectRoot, 'README.md')];
  for (const file of files.filter((name) => name.endsWith('.md') && existsSync(name))) {
    for (const [, text = ''] of readFileSync(file, 'utf8').matchAll(/```yaml\n([^]*?)```/g))
      if (/^(oidc-issuers|meta-issuers|mayfly|ci-issuer-metadata):/m.test(text)) yield [file, text];
  }
}

const entry = (rest: string): string =>
  `oidc-issuers: {"https://a.example": {client-id: x, type: email, ${rest}}}`;

describe('docs/config.schema.json', () => {
  it('takes every example of the documentation', () => {
    const found = [...examples()];
    expect(found).to.have.length.above(2);
    for (const [file, text] of found) expect(faultsOf(text), `${file}\n${text}`).to.deep.equal([]);
  });

  it('takes what init and dev write, also with every setting switched on', () => {
    const text = productionConfig({ publicUrl: 'https://ca.example.com' });
    for (const config of [
      text,
      text.replace(/^( *)#(?=[^ #])/gm, '$1'),
      devConfig({ issuerUrl: 'http://a:1' }),
    ])
      expect(faultsOf(config)).to.deep.equal([]);
  });

  it("takes the configuration of Fulcio's public instance", () => {
    expect(faultsOf(PUBLIC_GOOD)).to.deep.equal([]);
  });

  for (const preset of PRESETS)
    it(`takes the preset ${preset.name}`, () => {
      expect(faultsOf(presetYaml(preset, new Map([['audience', 'acme-signing']])))).to.deep.equal([]);
    });

  it('takes lists, words for truth values, and `off`', () => {
    const rules = 'rules: [{name: a, allow: "true"}, {name: b, deny: "false", message: No.}]';
    const block = `mayfly: {csr: off, replay-guard: jti, rate-limit: {issuer: off, principal: {per-minute: 1}}, ${rules}}`;
    expect(
      faultsOf(`oidc-issuers: {"https://a.example": [{client-id: [a, b], type: uri, ${block}}]}`),
    ).to.deep.equal([]);
    expect(faultsOf('mayfly: {rate-limit: off, require-rules: yes}')).to.deep.equal([]);
  });

  const MISTAKES: readonly (readonly [name: string, text: string, where: string])[] = [
    ['a misspelt type', 'oidc-issuers: {"https://a.example": {client-id: x, type: emial}}', '/type'],
    ['an issuer block without audience', 'oidc-issuers: {"https://a.example": {type: email}}', ''],
    ['an empty list of issuer blocks', 'oidc-issuers: {"https://a.example": []}', ''],
    ['a misspelt key of ours', entry('mayfly: {ruels: []}'), '/mayfly'],
    ['a rule that neither allows nor denies', entry('mayfly: {rules: [{name: a}]}'), '/rules/0'],
    ['a rule that does both', entry('mayfly: {rules: [{name: a, allow: x, deny: y}]}'), '/rules/0'],
    ['a certificate for a day', entry('mayfly: {lifetime: 1440}'), '/lifetime'],
    ['a limit of nothing', entry('mayfly: {rate-limit: {issuer: {per-minute: 0}}}'), '/per-minute'],
    ['a misspelt key at the top of ours', 'mayfly: {require-rule: true}', '/mayfly'],
    ['an unknown algorithm', 'mayfly: {client-signing-algorithms: [rsa]}', '/client-signing-algorithms/0'],
  ];
  for (const [name, text, where] of MISTAKES)
    it(`marks ${name}`, () => {
      expect(faultsOf(text).some((fault) => fault.split(': ')[0]?.endsWith(where))).to.equal(true);
    });
});
