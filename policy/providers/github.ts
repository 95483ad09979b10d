/** GitHub Actions, and Forgejo, which has taken over its tokens. */
import {
  COMMIT,
  DIGITS,
  FULL_REFERENCE,
  knownAs,
  like,
  oneOf,
  SHORT_REFERENCE,
  TEXT,
  TEXT_OR_NUMBER,
} from './claim-shape.ts';
import { at, claims, COMMON, isNamedBy, TRUTH_AS_TEXT, type Provider } from './provider.ts';

const REPOSITORY = like(/^[^/\s*]+\/[^/\s*]+$/, 'acme/app');
const WORKFLOW = like(
  /^[^/\s*]+\/[^/\s*]+\/[^@*]+@[^\s*]+$/,
  'acme/app/.github/workflows/release.yml@refs/heads/main',
);

/** What may start a run, as the documentation lists it. */
const EVENTS = knownAs(
  ...['branch_protection_rule', 'check_run', 'check_suite', 'create', 'delete', 'deployment'],
  ...['deployment_status', 'discussion', 'discussion_comment', 'dynamic', 'fork', 'gollum', 'image_version'],
  ...['issue_comment', 'issues', 'label', 'merge_group', 'milestone', 'page_build', 'public', 'pull_request'],
  ...['pull_request_comment', 'pull_request_review', 'pull_request_review_comment', 'pull_request_target'],
  ...['push', 'registry_package', 'release', 'repository_dispatch', 'schedule', 'status', 'watch'],
  ...['workflow_call', 'workflow_dispatch', 'workflow_run'],
);

const RUN = {
  ...COMMON,
  ...claims(
    [TEXT, 'actor workflow'],
    [DIGITS, 'actor_id run_attempt run_id run_number'],
    [SHORT_REFERENCE, 'base_ref head_ref'],
    [FULL_REFERENCE, 'ref'],
    [oneOf('branch', 'tag'), 'ref_type'],
    [TRUTH_AS_TEXT, 'ref_protected'],
    [EVENTS, 'event_name'],
    [COMMIT, 'sha'],
    [REPOSITORY, 'repository'],
    [like(/^[^/\s*]+$/, 'acme'), 'repository_owner'],
    [WORKFLOW, 'workflow_ref'],
  ),
};

/** github.com, GitHub Enterprise Cloud with a name of its own, and GitHub Enterprise Server. */
const GITHUB =
  /^https:\/\/(?:token\.actions\.(?:[\w-]+\.ghe\.com|githubusercontent\.com)(?:\/|$)|[^/]+\/_services\/token$)/;

/** Jobs on GitHub of every kind. */
export const githubActions: Provider = {
  title: 'GitHub Actions',
  preset: 'github',
  types: ['ci-provider', 'github-workflow'],
  isOf: (issuer) =>
    GITHUB.test(issuer.url) || issuer.type === 'github-workflow' || isNamedBy(issuer, 'job_workflow_ref'),
  claims: {
    ...RUN,
    ...claims(
      [DIGITS, 'repository_id repository_owner_id enterprise_id check_run_id'],
      [TEXT, 'environment environment_node_id enterprise issuer_scope'],
      [oneOf('public', 'private', 'internal'), 'repository_visibility'],
      [oneOf('github-hosted', 'self-hosted'), 'runner_environment'],
      [WORKFLOW, 'job_workflow_ref'],
      [COMMIT, 'workflow_sha job_workflow_sha'],
    ),
  },
};

/** Jobs on a Forgejo. */
export const forgejo: Provider = {
  title: 'Forgejo',
  preset: 'forgejo',
  types: ['ci-provider'],
  isOf: at(/\/api\/actions$/),
  // A number in some versions.
  claims: { ...RUN, ...claims([TEXT_OR_NUMBER, 'repository_id repository_owner_id']) },
};
