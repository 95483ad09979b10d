import { expect } from 'chai';
import { parseConfig } from '../../../config/load/load.ts';
import { devConfig, productionConfig } from '../../../config/presets/template.ts';
import { githubProvider } from '../../../config/presets/github.ts';
import { GITHUB_ISSUER } from '../../../oidc/types/github-provider.ts';

const PROVIDER = githubProvider('github-workflow', 'https://github.com');

/** Takes the `#` off every setting that the text says is ready. */
const switchedOn = (text: string): string => text.replace(/^( *)#(?=[^ #])/gm, '$1');

describe('config/presets/template', () => {
  it('writes a production file that loads, and says that nothing can be issued yet', () => {
    const { issuers, findings } = parseConfig(productionConfig());
    expect(issuers).to.deep.equal([]);
    expect(findings).to.have.length(1);
    expect(findings[0]?.message).to.include('no issuer is configured, so no certificate can be issued');
  });

  it('writes settings that are ready: GitHub Actions and e-mail addresses', () => {
    const { issuers } = parseConfig(switchedOn(productionConfig()));
    expect(issuers.map(({ definition: { url, type } }) => [url, type])).to.deep.equal([
      [GITHUB_ISSUER, 'ci-provider'],
      ['https://login.example.com', 'email'],
    ]);
    expect(issuers[0]?.definition.ciProvider).to.deep.equal(PROVIDER);
  });

  it('lets jobs of GitHub in when the lines of the issuer alone are switched on', () => {
    const [head = '', tail = ''] = productionConfig().split('ci-issuer-metadata:');
    const github = head.replace(/^ {2}#https:\/\/token\.actions[\s\S]*?(?=\n\n)/m, switchedOn);
    const { issuers, findings } = parseConfig(`${github}ci-issuer-metadata:${tail}`);
    expect(issuers.map(({ definition }) => definition.url)).to.deep.equal([GITHUB_ISSUER]);
    expect(issuers[0]?.definition.ciProvider).to.deep.equal(PROVIDER);
    expect(findings.map(({ code }) => code)).to.deep.equal(['STILL_MARKED']);
    expect(issuers[0]?.policy.rules.map(({ name }) => name)).to.deep.equal([
      'our-main-branches',
      'no-pull-requests',
    ]);
  });

  it('has examples with nothing to find fault with once their marks are filled in', () => {
    const [head = '', tail = ''] = productionConfig().split('ci-issuer-metadata:');
    const edited = switchedOn(head).replaceAll('EDIT-ME-owner-id', '123456');
    const { issuers, findings } = parseConfig(`${edited}ci-issuer-metadata:${tail}`);
    expect(issuers).to.have.length(2);
    expect(findings).to.deep.equal([]);
  });

  it('shows an audience that no other deployment has, and how a job asks for it', () => {
    const audienceIn = (text: string): string | undefined =>
      parseConfig(switchedOn(text)).issuers[0]?.definition.audiences[0];
    const text = productionConfig();
    const audience = audienceIn(text);
    expect(audience).to.match(/^mayfly-[0-9a-f]{12}$/);
    expect(text).to.include(`mayfly certificate --client-id ${audience ?? ''}\n`);
    expect(audienceIn(productionConfig())).not.to.equal(audience);
    expect(audienceIn(productionConfig({ audience: 'ours' }))).to.equal('ours');
  });

  it('shows the defaults of our own settings as they are', () => {
    const off = parseConfig('').mayfly;
    const on = parseConfig(switchedOn(productionConfig())).mayfly;
    const noDefault = { publicUrl: undefined, logAccessTokenFile: undefined, audit: undefined };
    expect({ ...on, ...noDefault, requireRules: false }).to.deep.equal({ ...off, ...noDefault });
    expect(on.audit?.file?.path).to.match(/\/audit\/audit\.jsonl$/);
  });

  it('asks for rules, also when everything else is as it was written', () => {
    expect(parseConfig(productionConfig()).mayfly.requireRules).to.equal(true);
    const { issuers } = parseConfig(switchedOn(productionConfig()));
    for (const { policy } of issuers) {
      expect(policy.requireRules).to.equal(true);
      expect(policy.rules.some(({ effect }) => effect === 'allow')).to.equal(true);
    }
  });

  it('writes the public URL that is known', () => {
    const text = productionConfig({ publicUrl: 'https://ca.example.org' });
    expect(parseConfig(text).mayfly.publicUrl).to.equal('https://ca.example.org');
  });

  it('has no line that runs off the screen, and none that trails', () => {
    for (const line of productionConfig().split('\n')) {
      expect(line.length, line).to.be.at.most(120);
      expect(line).to.equal(line.trimEnd());
    }
  });

  it('writes a development file with the development issuer', () => {
    const text = devConfig({ issuerUrl: 'http://127.0.0.1:5556', publicUrl: 'http://127.0.0.1:5555' });
    const { issuers, mayfly, findings } = parseConfig(text);
    expect(
      issuers.map(({ definition: { url, audiences, type } }) => [url, audiences[0], type]),
    ).to.deep.equal([['http://127.0.0.1:5556', 'sigstore', 'email']]);
    expect(mayfly.publicUrl).to.equal('http://127.0.0.1:5555');
    expect(findings.map(({ code }) => code)).to.deep.equal(['SHARED_AUDIENCE']);
    expect(text).to.include('INSECURE');
  });
});
