import { expect } from 'chai';
import { parse } from 'yaml';
import { fixAliasKeys } from '../../config/yaml/alias-keys.ts';
import { EXTENSION_NUMBERS } from '../../config/schema/fulcio-schema.ts';
import { parseConfig } from '../../config/load/load.ts';
import { FULCIO_EXTENSIONS } from '../../core/fulcio-extensions.ts';
import { PUBLIC_GOOD as TEXT } from '../support/public-good.ts';

/** The names that Fulcio's source has in JSON for its YAML keys. */
const JSON_NAMES: ReadonlyMap<string, string> = new Map([
  ['oidc-issuers', 'OIDCIssuers'],
  ['meta-issuers', 'MetaIssuers'],
  ['ci-issuer-metadata', 'CIIssuerMetadata'],
  ['issuer-url', 'IssuerURL'],
  ['client-id', 'ClientID'],
  ['type', 'Type'],
  ['ci-provider', 'CIProvider'],
  ['issuer-claim', 'IssuerClaim'],
  ['description', 'Description'],
  ['contact', 'Contact'],
  ['environment', 'Environment'],
  ['default-template-values', 'DefaultTemplateValues'],
  ['extension-templates', 'ExtensionTemplates'],
  ['subject-alternative-name-template', 'SubjectAlternativeNameTemplate'],
  ...FULCIO_EXTENSIONS.flatMap(({ name, number }) =>
    [...EXTENSION_NUMBERS].filter(([, other]) => other === number).map(([yaml]) => [yaml, name] as const),
  ),
]);

/** The same in Fulcio's JSON names, as an operator who prefers JSON has it. */
function asJson(text: string, spell: (name: string) => string): string {
  const value: unknown = parse(fixAliasKeys(text).text);
  return JSON.stringify(value, (key, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    // The operator's own names (claims) stay what they are.
    if (key.toLowerCase() === 'defaulttemplatevalues') return member;
    return Object.fromEntries(
      Object.entries(member).map(([name, inner]) => [spell(JSON_NAMES.get(name) ?? name), inner as unknown]),
    );
  });
}

describe("config: the configuration of Fulcio's public instance", () => {
  const { issuers, mayfly, findings } = parseConfig(TEXT);
  const definitions = issuers.map(({ definition }) => definition);

  it('loads unchanged: 22 issuers, 9 patterns, 6 CI providers', () => {
    expect(definitions.filter(({ isMeta }) => !isMeta)).to.have.length(22);
    expect(definitions.filter(({ isMeta }) => isMeta)).to.have.length(9);
    expect(new Set(definitions.flatMap(({ ciProvider }) => ciProvider?.name ?? []))).to.deep.equal(
      new Set([
        ...['github-workflow', 'gitlab-pipeline', 'codefresh-workflow'],
        ...['buildkite-job', 'circleci-job', 'buddy-pipeline'],
      ]),
    );
    expect(definitions.every(({ audiences }) => audiences.join() === 'sigstore')).to.equal(true);
  });

  it("keeps Fulcio's meaning: no rules are asked for, and a certificate lives ten minutes", () => {
    expect(mayfly.requireRules).to.equal(false);
    for (const { policy, definition } of issuers) {
      expect(policy).to.deep.include({ rules: [], requireRules: false, lifetimeSeconds: 600, csr: true });
      expect(policy).to.deep.include({ replayGuard: 'off', keyAlgorithms: undefined });
      expect(definition.issuerClaimValues).to.equal(undefined);
      expect(definition.leewaySeconds).to.equal(0);
    }
  });

  it('names issuer blocks by their keys, in the order of the file', () => {
    expect(definitions.map(({ name }) => name)).to.deep.equal(definitions.map(({ url }) => url));
    expect(definitions[0]?.url).to.equal('https://accounts.google.com');
    expect(definitions.at(-1)?.url).to.equal('https://token.actions.githubusercontent.com/*');
  });

  it('reads aliases as keys, templates and defaults', () => {
    const provider = definitions.find(({ url }) => url === 'https://gitlab.com')?.ciProvider;
    expect(provider?.defaults).to.deep.equal(
      new Map([
        ['url', 'https://gitlab.com'],
        ['environment', ''],
      ]),
    );
    expect(provider?.extensionTemplates.get(14)).to.equal(
      'refs/{{if eq .ref_type "branch"}}heads/{{ else }}tags/{{end}}{{ .ref }}',
    );
    expect(provider?.extensionTemplates.size).to.equal(15);
  });

  for (const [name, spell] of [
    ['as the source spells them', (text: string) => text],
    ['in small letters', (text: string) => text.toLowerCase()],
    ['in capitals', (text: string) => text.toUpperCase()],
  ] as const)
    it(`reads the same from the JSON form, its names ${name}`, () => {
      // Keys that are the operator's own have the case that they have.
      const known = new Set(JSON_NAMES.values());
      const json = asJson(TEXT, (key) => (known.has(key) ? spell(key) : key));
      expect(json).to.not.include('"client-id"');
      expect(parseConfig(json).issuers).to.deep.equal(issuers);
    });

  it('says of every entry that it is open, and to whom where that is everybody', () => {
    const open = findings.filter(({ code }) => code === 'NO_RULES' || code === 'OPEN_TO_THE_WORLD');
    expect(open).to.have.length(31);
    const world = findings.filter(({ code }) => code === 'OPEN_TO_THE_WORLD').map(({ message }) => message);
    expect(world).to.include('has no allow rule, so every workflow on github.com may sign');
    expect(world).to.include(
      'has no allow rule, so everybody for whom an issuer fits https://oidc.circleci.com/org/* may sign',
    );
    expect(findings.filter(({ code }) => code === 'SHARED_AUDIENCE')).to.have.length(31);
    expect(findings.filter(({ code }) => code === 'ISSUER_CLAIM_OPEN')).to.have.length(2);
    expect(findings.map(({ code }) => code).filter((code) => code === 'UNKNOWN_KEY')).to.deep.equal([]);
  });
});
