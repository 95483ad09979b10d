import { expect } from 'chai';
import { parseConfig } from '../../../config/load/load.ts';
import { PRESETS } from '../../../config/presets/all.ts';
import { fillerOf, isBlankValue, presetYaml } from '../../../config/presets/preset-yaml.ts';
import { isUnset } from '../../../config/presets/preset.ts';
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import type { Principal } from '../../../oidc/core/principal.ts';
import { AUDIENCE, examplesOf, filledPreset, presetNamed } from '../../support/filled-preset.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { standingIn } from '../../support/standing-in.ts';
import { PROVIDER_CASES } from '../../support/provider-claims/all.ts';
import { ELSEWHERE } from '../../support/provider-claims/gitlab.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';

const WANTED = [
  ...['github', 'github-enterprise', 'gitlab', 'gitlab-self-hosted', 'circleci', 'buildkite', 'codefresh'],
  ...['buddy', 'bitbucket', 'forgejo', 'jenkins', 'azure-devops', 'google', 'entra', 'okta', 'keycloak'],
  ...['kubernetes', 'eks', 'gke', 'aks', 'aws-sts', 'spire'],
];

describe('config/presets', () => {
  it('has every provider', () => {
    expect(PRESETS.map(({ name }) => name)).to.have.members(WANTED);
  });

  it('has tokens of every provider to test with', () => {
    expect(new Set(PROVIDER_CASES.map(({ preset }) => preset))).to.have.keys(WANTED);
  });

  for (const preset of PRESETS) {
    describe(preset.name, () => {
      const one = (text: string): ReturnType<typeof parseConfig>['issuers'][number] => {
        const { issuers } = parseConfig(text);
        expect(issuers).to.have.length(1);
        return issuers[0] ?? expect.fail();
      };

      it('loads as it is printed, marked where it must be edited, and lets a rule decide', () => {
        const text = presetYaml(preset, new Map([['audience', AUDIENCE]]));
        const { definition, policy } = one(text);
        expect(definition.name).to.equal(preset.name);
        expect(policy.rules.some(({ effect }) => effect === 'allow')).to.equal(true);
        for (const { effect, expression } of policy.rules)
          if (effect === 'allow' && preset.name !== 'entra')
            expect(isUnset(expression), expression).to.equal(true);
        const { findings } = parseConfig(text);
        expect(findings.map(({ code }) => code)).to.include('STILL_MARKED');
        for (const { name } of preset.blanks) expect(text.toLowerCase()).to.include('edit-me', name);
      });

      it('has nothing left to edit and nothing to find fault with when its blanks are filled', () => {
        const text = filledPreset(preset.name);
        expect(isUnset(text)).to.equal(false);
        expect(text).not.to.match(/%[a-z-]+%/);
        expect(parseConfig(text).findings).to.deep.equal([]);
      });

      it('takes an audience that is not everybody’s', () => {
        const { audiences } = one(filledPreset(preset.name)).definition;
        expect(audiences).not.to.include('sigstore');
        expect(audiences).not.to.be.empty;
      });

      it('fills in examples that the command line takes, and explains each blank', () => {
        for (const { example, about } of preset.blanks) {
          expect(isBlankValue(example), example).to.equal(true);
          expect(about).not.to.equal('');
        }
      });

      it('has every command and setting to be copied in one piece', () => {
        const [comment = ''] = filledPreset(preset.name).split('\noidc-issuers:');
        const lines = comment.split('\n');
        const fill = fillerOf(preset, examplesOf(preset));
        const texts = `${preset.about.join(' ')} ${fill(preset.token)}`;
        const codes = [...texts.matchAll(/`([^`]*)`/g)].map(([, code = '']) => code);
        const isWhole = (code: string): boolean =>
          lines.some((line) => line.includes(`\`${code}\``) || line === `#     ${code}`);
        expect(codes.filter((code) => !isWhole(code))).to.deep.equal([]);
        // Its tokens come by a click, and nothing of it is to be typed.
        expect(codes.length > 0).to.equal(preset.name !== 'buddy');
      });

      it('has no comment that runs off the screen', () => {
        for (const line of filledPreset(preset.name).split('\n'))
          if (/^ *#(?! {5}\S)/.test(line)) expect(line.length, line).to.be.below(115);
      });
    });
  }

  it('has blocks that fit into one file, and names that do not clash', () => {
    const below = (title: string): string[] =>
      PRESETS.map(({ name }) => {
        const block = new RegExp(`^${title}:\\n((?: .*\\n)*)`, 'm').exec(filledPreset(name));
        return block?.[1] ?? '';
      });
    const text = ['oidc-issuers', 'ci-issuer-metadata'].map((title) => `${title}:\n${below(title).join('')}`);
    const { issuers, findings } = parseConfig(text.join(''));
    expect(issuers.map(({ definition }) => definition.name)).to.deep.equal(PRESETS.map(({ name }) => name));
    expect(findings).to.deep.equal([]);
  });

  it('says of every mark that is left that it is left, also in what is pinned', () => {
    const values = new Map([
      ['audience', AUDIENCE],
      ['org-id', '6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e'],
      ['repository-id', '0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9'],
    ]);
    const { findings } = parseConfig(presetYaml(presetNamed('azure-devops'), values));
    expect(findings.map(({ code }) => code)).to.deep.equal(['STILL_MARKED']);
  });

  it('knows the three kinds of GitHub Enterprise by their host', () => {
    const issuerOf = (host: string): string | undefined => {
      const values = new Map([
        ['host', host],
        ['owner-id', '1'],
        ['audience', AUDIENCE],
      ]);
      return parseConfig(presetYaml(presetNamed('github-enterprise'), values)).issuers[0]?.definition.url;
    };
    expect(issuerOf('github.acme.example')).to.equal('https://github.acme.example/_services/token');
    expect(issuerOf('acme.ghe.com')).to.equal('https://token.actions.acme.ghe.com');
    expect(issuerOf('github.com/acme')).to.equal('https://token.actions.githubusercontent.com/acme');
  });

  it('knows the region of Buddy that has no prefix', () => {
    const values = new Map([
      ['region', 'app'],
      ['audience', AUDIENCE],
    ]);
    const text = presetYaml(presetNamed('buddy'), values);
    expect(text)
      .to.include('  https://oidc.buddyusercontent.com:\n')
      .and.to.include('https://app.buddy.works');
  });

  describe('with a token of the provider', () => {
    let issuer: TestIssuer;
    before(async () => (issuer = await startIssuer()));
    after(() => issuer.close());

    const definitionOf = (name: string): IssuerDefinition =>
      parseConfig(filledPreset(name)).issuers[0]?.definition ?? expect.fail();

    async function principalOf(definition: IssuerDefinition, claims: object): Promise<Principal> {
      const door = createAuthenticator({
        issuers: [definition],
        clock: Date.now,
        createFetcher: standingIn(issuer, definition.url),
      });
      const aud = definition.audiences.at(-1);
      try {
        return (await door.identify(await issuer.sign({ iss: definition.url, aud, ...claims }))).principal;
      } finally {
        await door.close();
      }
    }

    for (const name of ['gitlab', 'gitlab-self-hosted'])
      it(`names no project whose pipeline configuration lies elsewhere: ${name}`, async () => {
        const claims = PROVIDER_CASES.find(({ preset }) => preset === name)?.claims;
        const error = await failureOf(() => principalOf(definitionOf(name), { ...claims, ...ELSEWHERE }));
        expect(error).to.include({ code: 'TEMPLATE_FAILED' });
        expect((error as Error).message).to.equal(
          'the token\'s "ci_config_ref_uri" is null, and the name in the certificate is made of it',
        );
        // As the preset says.
        const text = filledPreset(name)
          .replace(
            /(subject-alternative-name-template: ).*/,
            "$1'{{ .url }}/{{ .project_path }}@{{ .ref_path }}'",
          )
          .replace(/\n *(build-signer-uri|build-config-uri):.*/g, '');
        const definition = parseConfig(text).issuers[0]?.definition ?? expect.fail();
        const { san } = await principalOf(definition, { ...claims, ...ELSEWHERE });
        expect(san.value).to.match(/^https:\/\/gitlab\.[a-z.]+\/grp\/app@refs\/heads\/main$/);
      });

    it('names nobody by a claim that is null or empty, whatever the preset', async () => {
      for (const { preset, claims, san } of PROVIDER_CASES) {
        const definition = definitionOf(preset);
        if (definition.ciProvider === undefined) continue;
        const used = [...definition.ciProvider.subjectTemplate.matchAll(/(?:\{\{ \.|index \. ")([\w./-]+)/g)];
        for (const [, name = ''] of used) {
          if (definition.ciProvider.pinned?.has(name) === true) continue;
          for (const value of [null, '', [], {}, ['a'], { a: 'b' }, 2 ** 53, 0.1]) {
            const error = await failureOf(() => principalOf(definition, { ...claims, [name]: value }));
            const words = `${preset}: ${name}: ${JSON.stringify(value)} instead of what makes ${san}`;
            expect(error, words)
              .to.have.property('code')
              .that.matches(/^(TEMPLATE_FAILED|CLAIM_(MISSING|INVALID))$/);
          }
        }
      }
    }).timeout(60_000);

    PROVIDER_CASES.forEach(({ preset, claims, san, extensions }, index) => {
      it(`has the expected name and extensions: ${preset} (${index})`, async () => {
        const definition = definitionOf(preset);
        const principal = await principalOf(definition, claims);
        expect(principal.san.value).to.equal(san);
        const { 1: v1, 8: v2, 24: subject, ...rest } = Object.fromEntries(principal.extensions);
        expect([v1, v2]).to.deep.equal([definition.url, definition.url]);
        expect(subject).to.equal(claims['sub']);
        expect(rest).to.deep.equal(extensions);
      });
    });
  });
});
