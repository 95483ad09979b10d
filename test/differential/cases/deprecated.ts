/** The CI types that Fulcio has built in and calls deprecated. */
import { PROVIDER_CASES } from '../../support/provider-claims/all.ts';
import {
  casesOf,
  explaining,
  STRICTER,
  withoutEach,
  type CaseClaims,
  type DifferentialCase,
} from '../differential-case.ts';

const claimsOf = (preset: string): CaseClaims =>
  PROVIDER_CASES.find((row) => row.preset === preset)?.claims ?? {};

const github = { ...claimsOf('github'), url: undefined };
const gitlab = claimsOf('gitlab');
const codefresh = { ...claimsOf('codefresh'), platform_url: undefined };
const buildkite = claimsOf('buildkite');

const ODD_PATHS: readonly string[] = [
  ...[
    'a/../b',
    'a//b',
    './a',
    '/a',
    'a b',
    'ü',
    'a%2Fb',
    'a%zz',
    'a?b#c',
    'a\nb',
    'a\0b',
    'a:b',
    '://x',
    'https://evil.example/x',
    '@evil.example/x',
    '\\evil',
  ],
];
const odd = (issuer: string, base: CaseClaims, name: string): DifferentialCase[] =>
  ODD_PATHS.map((path) => ({
    title: `with ${JSON.stringify(path)} as ${name}`,
    issuer,
    claims: { ...base, [name]: path },
  }));

const all: readonly DifferentialCase[] = [
  ...casesOf('github-workflow', github, {
    'of a job': {},
    'of a job with ids that are numbers': { repository_id: 456789, repository_owner_id: 123456 },
    'of a job with a run that is a number': { run_id: 9876543210, run_attempt: 1 },
    'of a job of another URL': { url: 'https://evil.example' },
    'of a job whose subject holds ids': { sub: 'repo:octo-org@123456/octo-repo@456789:ref:refs/heads/main' },
  }),
  ...withoutEach('github-workflow', github, [
    ...[
      'job_workflow_ref',
      'sha',
      'event_name',
      'repository',
      'workflow',
      'ref',
      'job_workflow_sha',
      'runner_environment',
    ],
    ...[
      'repository_id',
      'repository_owner',
      'repository_owner_id',
      'repository_visibility',
      'workflow_ref',
      'workflow_sha',
    ],
    ...['run_id', 'run_attempt', 'sub'],
  ]),
  ...odd('github-workflow', github, 'job_workflow_ref'),
  ...odd('github-workflow', github, 'repository'),
  ...casesOf('gitlab-pipeline', gitlab, {
    'of a branch': {},
    'of a tag': { ref_type: 'tag', ref: 'v1' },
    'of something else': { ref_type: 'merge' },
    'of a configuration elsewhere': { ci_config_sha: null },
    'of a runner that is a text': { runner_id: '1' },
    'of the runner zero': { runner_id: 0 },
    'of a runner with a fraction': { runner_id: 1.5 },
    'of a runner below zero': { runner_id: -1 },
    'of a large runner': { runner_id: 123456789 },
    'of a larger runner': { runner_id: 1e20 },
    'of a project that is a number': { project_id: 20 },
  }),
  ...withoutEach('gitlab-pipeline', gitlab, [
    ...[
      'project_path',
      'pipeline_source',
      'pipeline_id',
      'ci_config_ref_uri',
      'job_id',
      'ref',
      'ref_type',
      'namespace_path',
    ],
    ...[
      'namespace_id',
      'project_id',
      'sha',
      'runner_environment',
      'runner_id',
      'ci_config_sha',
      'project_visibility',
      'sub',
    ],
  ]),
  ...odd('gitlab-pipeline', gitlab, 'ci_config_ref_uri'),
  ...odd('gitlab-pipeline', gitlab, 'project_path'),
  ...casesOf('codefresh-workflow', codefresh, {
    'of a build': {},
    'of a build on an instance of its own': { platform_url: 'https://cf.example' },
    'of a build on an instance with a slash': { platform_url: 'https://cf.example/' },
    'of a build on an instance with a path': { platform_url: 'https://cf.example/a/b' },
    'of a build on no instance': { platform_url: '' },
    'of a build on an instance that is none': { platform_url: 'cf.example' },
    'of a build on an instance that cannot be': { platform_url: '%zz' },
    'of a build that no push started': { scm_repo_url: undefined, scm_ref: undefined },
  }),
  ...withoutEach('codefresh-workflow', codefresh, [
    ...[
      'account_id',
      'account_name',
      'pipeline_id',
      'pipeline_name',
      'workflow_id',
      'initiator',
      'runner_environment',
      'sub',
    ],
  ]),
  ...odd('codefresh-workflow', codefresh, 'pipeline_name'),
  ...casesOf('buildkite-job', buildkite, {
    'of a job': {},
    'of a job whose organisation is a number': { organization_slug: 7 },
  }),
  ...withoutEach('buildkite-job', buildkite, ['organization_slug', 'pipeline_slug', 'sub']),
  ...odd('buildkite-job', buildkite, 'pipeline_slug'),
];

export const deprecatedCases = explaining(
  all,
  ['escapes', STRICTER, /with "a%zz" as (?:job_workflow_ref|repository|project_path|pipeline_name)/],
  ['hostless', STRICTER, /^gitlab-pipeline with "(?:\/a|a:b)" as ci_config_ref_uri/],
  ['hostless', STRICTER, /^codefresh-workflow of a build on an instance that is none/],
  [
    'spellings',
    STRICTER,
    /^(?:github|codefresh)-workflow with "(?:a\/\.\.\/b|a\/\/b|\.\/a|\/a|:\/\/x|https:.*)" as (?:job_workflow_ref|pipeline_name)/,
  ],
  ['spellings', STRICTER, /^gitlab-pipeline with "https:.*" as ci_config_ref_uri/],
  ['spellings', STRICTER, /^codefresh-workflow of a build on an instance with a slash/],
  ['nameless', STRICTER, /^codefresh-workflow with(?:out| an empty| null as) (?:account|pipeline)_name$/],
);
