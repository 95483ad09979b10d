import { expect } from 'chai';
import { configWarnings, type ConfigWarning } from '../../service/config-warnings.ts';
import { parseConfig } from '../../config/load/load.ts';
import { PUBLIC_GOOD } from '../support/public-good.ts';

describe('service/config-warnings', () => {
  const warningsOf = (file: string, findings: ReturnType<typeof parseConfig>['findings']): ConfigWarning[] =>
    configWarnings(file, findings, 'npx mayfly');
  const entry = (url: string, more = ''): string =>
    `"${url}": {client-id: ours, type: email, mayfly: {rules: [{name: all, allow: has(claims.email)}]}${more}}`;
  const findingsOf = (...entries: string[]): ReturnType<typeof parseConfig>['findings'] =>
    parseConfig(`oidc-issuers: {${entries.join(', ')}}`).findings;

  it("reports every kind of warning of Fulcio's public configuration once, with how many there are", () => {
    const { findings } = parseConfig(PUBLIC_GOOD);
    const warnings = warningsOf('config.yaml', findings);
    expect(warnings.map(({ code, count }) => [code, count])).to.deep.equal([
      ['OPEN_TO_THE_WORLD', 23],
      ['SHARED_AUDIENCE', 31],
      ['NO_RULES', 8],
      ['ISSUER_CLAIM_OPEN', 2],
    ]);
    expect(warnings.reduce((sum, { count }) => sum + count, 0)).to.equal(findings.length);
    for (const { hint = '' } of findings)
      expect(warnings.some(({ sentence }) => sentence.includes(hint))).to.equal(true);
  });

  it('names the first five places, and where all of them are listed', () => {
    const warnings = warningsOf('my config.yaml', parseConfig(PUBLIC_GOOD).findings);
    const shared = warnings.find(({ code }) => code === 'SHARED_AUDIENCE');
    expect(shared?.paths).to.have.length(5);
    expect(shared?.sentence)
      .to.match(/^my config\.yaml: the audience "sigstore" is shared with .* \(31 places: /)
      .and.include('oidc-issuers."https://accounts.google.com".client-id; ')
      .and.include('; and 26 more). Who receives')
      .and.match(
        /`npx mayfly config check '\/[^']*\/my config\.yaml'` lists them all with line and column\.$/,
      );
  });

  it('describes each of them in its own words where these differ', () => {
    const [open] = warningsOf('config.yaml', parseConfig(PUBLIC_GOOD).findings);
    expect(open?.sentence)
      .to.include('23 places of one kind: oidc-issuers."https://accounts.google.com": has no allow rule')
      .and.include('everybody with a Google account')
      .and.include('every job of every organization on Buildkite')
      .and.include('; and 18 more. Say who may');
  });

  it('keeps a single one as it is, with its place', () => {
    const [warning, ...others] = warningsOf('config.yaml', findingsOf(entry('http://one.example')));
    expect(others).to.deep.equal([]);
    expect(warning).to.deep.equal({
      code: 'PLAIN_HTTP',
      count: 1,
      paths: ['oidc-issuers."http://one.example"'],
      sentence:
        'config.yaml:1:16: oidc-issuers."http://one.example": is reached over plain HTTP. Anyone who can change traffic on the way to it decides who gets certificates. Use https.',
    });
  });

  it('keeps apart what needs different advice', () => {
    const [near, far] = warningsOf(
      'config.yaml',
      findingsOf(
        entry('https://one.example', ', client-idd: x'),
        entry('https://two.example', ', zzzzzzzzzzz: x'),
      ),
    );
    expect([near?.code, far?.code]).to.deep.equal(['UNKNOWN_KEY', 'UNKNOWN_KEY']);
    expect(near?.sentence).to.match(/is ignored\. Did you mean "client-id"\?$/);
    expect(far?.sentence).to.match(/"zzzzzzzzzzz" is ignored$/);
  });
});
