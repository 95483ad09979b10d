import { expect } from 'chai';
import { ConfigError } from '../../../config/findings/config-error.ts';
import { inspectText } from '../../../config/load/inspect.ts';
import { parseConfig } from '../../../config/load/load.ts';
import { filledPreset } from '../../support/filled-preset.ts';
import { PRESETS } from '../../../config/presets/all.ts';
import { issuer } from '../support/mistakes.ts';

const unexpanded = (text: string): readonly string[] =>
  inspectText(text, 'config.yaml', '.')
    .findings.filter(({ code }) => code === 'UNEXPANDED')
    .map(({ line, column, message }) => `${line ?? 0}:${column ?? 0} ${message}`);

const entry = (clientId: string, rule = 'claims.sub == "a"'): string =>
  issuer(`\n    client-id: ${clientId}\n    type: email\n    mayfly: {rules: [{name: a, allow: '${rule}'}]}`);

describe('config: what stands for something else', () => {
  for (const variable of [
    '${AUDIENCE}',
    '${AUDIENCE:-x}',
    '${var.audience}',
    '$(AUDIENCE)',
    '{{ .Values.audience }}',
  ])
    it(`warns of a variable that nothing replaces: ${variable}`, () => {
      const said = `holds "${variable}", which nothing replaces`;
      expect(unexpanded(entry(`"${variable}"`))).to.deep.equal([`3:16 ${said}`]);
      expect(unexpanded(entry('x', `claims.sub == "repo-${variable}"`))).to.have.length(1);
      expect(unexpanded(`mayfly: {public-url: "https://a.example/${variable}"}`)).to.have.length(1);
      expect(
        unexpanded(`oidc-issuers:\n  'https://${variable}/a': {client-id: x, type: email}`),
      ).to.deep.equal([`2:3 ${said}`]);
    });

  it('warns of those that are all of a text', () => {
    expect(unexpanded(entry('$AUDIENCE'))).to.have.length(1);
    expect(unexpanded(entry('x', 'claims.sub == "$OWNER"'))).to.have.length(1);
    expect(unexpanded(entry('x', 'claims.sub == "<owner-id>"'))).to.have.length(1);
    expect(unexpanded(entry('x', 'claims.sub == "{{ owner }}"'))).to.have.length(1);
  });

  it('leaves what has a meaning here: templates, ends of lines in expressions, paths of claims', () => {
    for (const { name } of PRESETS) expect(unexpanded(filledPreset(name)), name).to.deep.equal([]);
    expect(
      unexpanded(entry('x', 'claims.sub.matches("^[a-z]{2}$") && claims.sub.matches(r"^(a|B$)")')),
    ).to.deep.equal([]);
    const claim = issuer(
      '\n    client-id: x\n    type: email\n    issuer-claim: $.federated_claims.connector_id\n    mayfly: {any-issuer-claim: true}',
    );
    expect(unexpanded(claim)).to.deep.equal([]);
  });

  it('warns of tags of other tools, which are not read', () => {
    expect(unexpanded(entry('!secret audience'))).to.deep.equal([
      '3:24 has the YAML tag "!secret", which means nothing here',
    ]);
    expect(unexpanded(entry('!reference [a, b]'))).to.have.length(1);
    expect(unexpanded(entry('!!str 5'))).to.deep.equal([]);
  });

  it('is not slow for what is long', () => {
    for (const part of ['${a', '{{', '<%', "'<a", '$(a'])
      expect(unexpanded(`define: ${JSON.stringify(part.repeat(50_000))}`)).to.deep.equal([]);
  }).timeout(5000);
});

describe('config: another file with the configuration inside', () => {
  const refusal = (text: string): ConfigError => {
    try {
      parseConfig(text);
    } catch (error) {
      if (error instanceof ConfigError) return error;
      throw error;
    }
    throw new Error('it was taken');
  };
  const YAML = 'oidc-issuers:\n      https://a.example: {client-id: x, type: email}\n';
  const CASES: readonly (readonly [string, string, string, string])[] = [
    [
      'a ConfigMap',
      `apiVersion: v1\nkind: ConfigMap\ndata:\n  config.yaml: |\n      # ours\n      ${YAML}`,
      'is a Kubernetes ConfigMap, not a configuration',
      'data."config.yaml"',
    ],
    [
      'a Secret',
      `apiVersion: v1\nkind: Secret\nstringData:\n  mayfly.yaml: |\n      ${YAML}`,
      'is a Kubernetes Secret, not a configuration',
      'stringData."mayfly.yaml"',
    ],
    [
      'a ConfigMap in JSON with Fulcio’s JSON inside',
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', data: { 'config.json': '{"OIDCIssuers": {}}' } }),
      'is a Kubernetes ConfigMap, not a configuration',
      'data."config.json"',
    ],
    [
      'a list of objects',
      `apiVersion: v1\nkind: List\nitems:\n  - kind: ConfigMap\n    data:\n      config.yaml: "mayfly: {}"`,
      'is a Kubernetes List, not a configuration',
      'items.0.data."config.yaml"',
    ],
    [
      'values of a chart',
      `server:\n  config: |\n      ${YAML}`,
      'is not a configuration, but holds one as a text',
      'server.config',
    ],
    [
      'a Deployment',
      'apiVersion: apps/v1\nkind: Deployment\nspec: {}',
      'is a Kubernetes Deployment, not a configuration',
      'each key of a ConfigMap is a file',
    ],
  ];
  for (const [name, text, message, hint] of CASES)
    it(`is refused: ${name}`, () => {
      const { problems } = refusal(text);
      expect(problems.map((problem) => problem.message)).to.deep.equal([message]);
      expect(problems[0]?.hint).to.include(hint);
    });

  it('is not mistaken for a configuration that has such keys beside its own', () => {
    expect(
      parseConfig(`apiVersion: v1\nkind: x\noidc-issuers: {}`).findings.map(({ code }) => code),
    ).to.include('UNKNOWN_KEY');
    expect(parseConfig('note: "mayfly is here"').issuers).to.deep.equal([]);
  });
});
