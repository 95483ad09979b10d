/** CI systems other than GitHub's and GitLab's. */
import {
  BOOL,
  BRACED_UUID,
  COMMIT,
  DIGITS,
  FULL_REFERENCE,
  like,
  LIST,
  NUMBER,
  oneOf,
  SHORT_REFERENCE,
  TEXT,
  UUID,
} from './claim-shape.ts';
import { at, claims, COMMON, type ClaimShapes, type Provider } from './provider.ts';

const prefixed = (prefix: string, inner: ClaimShapes): ClaimShapes =>
  Object.fromEntries(Object.entries(inner).map(([name, shape]) => [`${prefix}${name}`, shape]));

const circleci: Provider = {
  title: 'CircleCI',
  preset: 'circleci',
  types: ['ci-provider'],
  isOf: at(/^https:\/\/oidc\.circleci\.com(?:\/|$)/),
  claims: {
    ...COMMON,
    ...prefixed(
      'oidc.circleci.com/',
      claims(
        [UUID, 'org-id project-id pipeline-id pipeline-definition-id workflow-id job-id'],
        [LIST, 'context-ids'],
        [BOOL, 'ssh-rerun'],
        [FULL_REFERENCE, 'vcs-ref'],
        [like(/^(?!\w+:)[^/\s*]+\/[^\s*]+$/, 'github.com/acme/app'), 'vcs-origin'],
      ),
    ),
  },
};

const buildkite: Provider = {
  title: 'Buildkite',
  preset: 'buildkite',
  types: ['ci-provider', 'buildkite-job'],
  isOf: at(/^https:\/\/agent\.buildkite\.com$/),
  claims: {
    ...COMMON,
    ...claims(
      [UUID, 'organization_id pipeline_id cluster_id queue_id build_id job_id agent_id'],
      [TEXT, 'organization_slug pipeline_slug build_commit step_key cluster_name queue_key'],
      [NUMBER, 'build_number'],
      [SHORT_REFERENCE, 'build_branch build_tag'],
      [oneOf('webhook', 'ui', 'api', 'schedule', 'trigger_job'), 'build_source'],
      [oneOf('self-hosted', 'buildkite-hosted'), 'runner_environment'],
    ),
  },
};

const codefresh: Provider = {
  title: 'Codefresh',
  preset: 'codefresh',
  types: ['ci-provider', 'codefresh-workflow'],
  isOf: at(/^https:\/\/oidc\.codefresh\.io$/),
  claims: {
    ...COMMON,
    ...claims(
      [TEXT, 'account_id account_name pipeline_id pipeline_name workflow_id initiator platform_url'],
      [TEXT, 'runner_environment scm_repo_url scm_ref scm_user_name scm_pull_request_target_branch'],
    ),
  },
};

const buddy: Provider = {
  title: 'Buddy',
  preset: 'buddy',
  types: ['ci-provider'],
  isOf: at(/^https:\/\/(?:\w+-)?oidc\.buddyusercontent\.com$/),
  claims: {
    ...COMMON,
    ...claims(
      [
        TEXT,
        'workspace_domain project_name pipeline_name base_url execution_id triggered_on runner_environment',
      ],
      [NUMBER, 'pipeline_id'],
      [COMMIT, 'revision'],
      [FULL_REFERENCE, 'ref'],
    ),
  },
};

const bitbucket: Provider = {
  title: 'Bitbucket Pipelines',
  preset: 'bitbucket',
  types: ['ci-provider'],
  isOf: at(/^https:\/\/api\.bitbucket\.org\/2\.0\/workspaces\//),
  claims: {
    ...COMMON,
    ...claims(
      [BRACED_UUID, 'workspaceUuid repositoryUuid pipelineUuid pipelineRunUuid stepUuid accountUuid'],
      [BRACED_UUID, 'deploymentEnvironmentUuid'],
      [SHORT_REFERENCE, 'branchName'],
    ),
  },
};

const azureDevops: Provider = {
  title: 'Azure DevOps',
  preset: 'azure-devops',
  types: ['ci-provider'],
  isOf: at(/^https:\/\/vstoken\.dev\.azure\.com\//),
  claims: {
    ...COMMON,
    ...claims(
      [UUID, 'org_id prj_id sc_id'],
      [DIGITS, 'def_id run_id'],
      [TEXT, 'rpo_id rpo_uri'],
      [COMMIT, 'rpo_ver'],
      [FULL_REFERENCE, 'rpo_ref'],
    ),
  },
};

const jenkins: Provider = {
  title: 'Jenkins',
  preset: 'jenkins',
  types: ['uri', 'ci-provider'],
  isOf: ({ url, type }) => type === 'uri' && url.endsWith('/oidc'),
  claims: {
    ...COMMON,
    ...claims(
      [like(/^https?:\/\/[^\s*]+$/, 'https://jenkins.example.com/job/app/', 'http'), 'sub'],
      [NUMBER, 'build_number'],
    ),
  },
};

export const CI_SYSTEMS: readonly Provider[] = [
  ...[circleci, buildkite, codefresh, buddy, bitbucket, azureDevops, jenkins],
];
