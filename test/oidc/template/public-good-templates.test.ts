import { expect } from 'chai';
import type { Principal } from '../../../oidc/core/principal.ts';
import { TokenError } from '../../../oidc/core/token-error.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { startIssuer } from '../../support/oidc-issuer.ts';
import type { TestIssuer } from '../../support/oidc-issuer.ts';
import { PROVIDER_CASES } from '../../support/provider-claims/all.ts';
import { publicGoodProviders } from '../../support/public-good.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';

type Claims = Readonly<Record<string, unknown>>;
type Extensions = Readonly<Record<number, string | undefined>>;

/** A token of a provider, and what becomes of it. */
interface Row {
  readonly title: string;
  readonly provider: string;
  /** The provider's case of that preset has the claims and what the certificate holds; both with these changes. */
  readonly preset: string;
  readonly claims?: Claims;
  readonly san?: string;
  readonly extensions?: Extensions;
}

const CIRCLE_RUN = 'https://app.circleci.com//workflow/9f8e7d6c-5b4a-4938-8271-605f4e3d2c1b/job/';

const ROWS: readonly Row[] = [
  { title: 'a job on GitHub', provider: 'github-workflow', preset: 'github', claims: { url: undefined } },
  {
    title: 'a job on GitHub without an environment',
    provider: 'github-workflow',
    preset: 'github',
    claims: { url: undefined, environment: undefined },
    extensions: { 23: undefined },
  },
  { title: 'a job of a branch on GitLab', provider: 'gitlab-pipeline', preset: 'gitlab' },
  {
    title: 'a job of a tag on GitLab, its configuration elsewhere',
    provider: 'gitlab-pipeline',
    preset: 'gitlab',
    claims: { ref_type: 'tag', ref: 'v1', ci_config_sha: null, environment: undefined },
    extensions: { 10: '<nil>', 14: 'refs/tags/v1', 19: '<nil>', 23: undefined },
  },
  {
    title: 'a build on Codefresh',
    provider: 'codefresh-workflow',
    preset: 'codefresh',
    claims: { platform_url: undefined },
  },
  {
    title: 'a build on Codefresh that no push started, on an instance of its own',
    provider: 'codefresh-workflow',
    preset: 'codefresh',
    claims: {
      platform_url: 'https://cf.example',
      scm_repo_url: undefined,
      scm_ref: undefined,
      runner_environment: undefined,
    },
    san: 'https://cf.example/acme/app/release:628a80b693a15c0f9c13ab75/65e5a53e52853dc51a5b0cc1',
    extensions: {
      9: 'https://cf.example/build/65e6bcf7c2af1f228fa97f80',
      11: undefined,
      12: undefined,
      14: undefined,
      18: 'https://cf.example/api/pipelines/65e5a53e52853dc51a5b0cc1',
      21: 'https://cf.example/build/65e6bcf7c2af1f228fa97f80',
    },
  },
  {
    title: 'a job on Buildkite',
    provider: 'buildkite-job',
    preset: 'buildkite',
    extensions: { 9: undefined },
  },
  {
    title: 'a job on Buildkite with a number of seven digits',
    provider: 'buildkite-job',
    preset: 'buildkite',
    claims: { build_number: 1_000_000 },
    extensions: {
      9: undefined,
      21: 'https://buildkite.com/acme/app/builds/1000000#0184990a-477b-4fa8-9968-496074483cee',
    },
  },
  {
    title: 'a job on CircleCI',
    provider: 'circleci-job',
    preset: 'circleci',
    extensions: { 11: '""', 21: `${CIRCLE_RUN}1f2e3d4c-5b6a-4798-8089-7a6b5c4d3e2f` },
  },
  {
    title: 'a job on CircleCI with a shell in it, without repository',
    provider: 'circleci-job',
    preset: 'circleci',
    claims: {
      'oidc.circleci.com/ssh-rerun': true,
      'oidc.circleci.com/vcs-origin': undefined,
      'oidc.circleci.com/vcs-ref': undefined,
    },
    extensions: {
      11: 'ssh-rerun',
      12: undefined,
      14: undefined,
      21: `${CIRCLE_RUN}1f2e3d4c-5b6a-4798-8089-7a6b5c4d3e2f`,
    },
  },
  {
    title: 'an execution on Buddy',
    provider: 'buddy-pipeline',
    preset: 'buddy',
    claims: { base_url: 'https://eu.buddy.works' },
  },
];

describe("Fulcio's public-good templates", () => {
  const providers = publicGoodProviders();
  let issuer: TestIssuer;

  before(async () => (issuer = await startIssuer()));
  after(() => issuer.close());

  async function principal(provider: string, claims: Claims): Promise<Principal> {
    const definition = emailDefinition(issuer.url, {
      type: 'ci-provider',
      ciProvider: providers.get(provider),
    });
    const door = createAuthenticator({ issuers: [definition], clock: Date.now });
    try {
      return (await door.identify(await issuer.sign(claims))).principal;
    } finally {
      await door.close();
    }
  }

  const caseOf = (preset: string) => {
    const found = PROVIDER_CASES.find((row) => row.preset === preset);
    if (found === undefined) throw new Error(`no case ${preset}`);
    return found;
  };

  it('are those of six providers, and compile', () => {
    expect([...providers.keys()].sort()).to.deep.equal([
      ...['buddy-pipeline', 'buildkite-job', 'circleci-job', 'codefresh-workflow', 'github-workflow'],
      'gitlab-pipeline',
    ]);
  });

  for (const row of ROWS) {
    it(`name ${row.title}`, async () => {
      const base = caseOf(row.preset);
      const made = await principal(row.provider, { ...base.claims, ...row.claims });
      const wanted = Object.entries({ ...base.extensions, ...row.extensions }).filter(([, value]) => value);
      const subject = String(base.claims['sub']);
      expect(made.san).to.deep.equal({ type: 'uri', value: row.san ?? base.san });
      expect(Object.fromEntries(made.extensions)).to.deep.equal({
        1: issuer.url,
        8: issuer.url,
        24: subject,
        ...Object.fromEntries(wanted),
      });
    });
  }

  it('refuse a job whose claims are incomplete, with the words that clients of Fulcio know', async () => {
    const { claims } = caseOf('gitlab');
    for (const [name, words] of [
      [
        'ci_config_ref_uri',
        'template: :1:11: executing "" at <.ci_config_ref_uri>: map has no entry for key',
      ],
      ['ref_type', 'template: :1:13: executing "" at <.ref_type>: map has no entry for key "ref_type"'],
      [
        'sha',
        'value <sha> not present in either claims or defaults. {\n\t"ExtensionName": "SourceRepositoryDigest"',
      ],
    ] as const) {
      const error = await failureOf(() => principal('gitlab-pipeline', { ...claims, [name]: undefined }));
      expect(error).to.be.instanceOf(TokenError);
      expect((error as TokenError).code).to.equal('TEMPLATE_FAILED');
      expect((error as TokenError).fulcioMessage).to.contain(words);
    }
  });
});
