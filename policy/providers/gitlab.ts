/** Jobs of GitLab, on gitlab.com and elsewhere. */
import {
  COMMIT,
  DIGITS,
  FULL_REFERENCE,
  knownAs,
  like,
  LIST,
  MAP,
  NUMBER,
  oneOf,
  SHORT_REFERENCE,
  TEXT,
} from './claim-shape.ts';
import { claims, COMMON, isNamedBy, TRUTH_AS_TEXT, type Provider } from './provider.ts';

const PROJECT = like(/^[^/\s*]+(?:\/[^/\s*]+)+$/, 'acme/tools/app');
const NAMESPACE = like(/^[^/\s*][^\s*]*$/, 'acme/tools');
const CONFIGURATION = like(
  /^[\w.:-]+\/(?!\/)[^\s*@]+@[^\s*]+$/,
  'gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main',
);

/** What may start a pipeline, as the documentation of CI_PIPELINE_SOURCE and the source list it. */
const SOURCES = knownAs(
  ...['api', 'chat', 'container_registry_push', 'duo_workflow', 'external', 'external_pull_request_event'],
  ...['merge_request_event', 'ondemand_dast_scan', 'ondemand_dast_validation', 'parent_pipeline', 'pipeline'],
  ...['pipeline_execution_policy_forced', 'pipeline_execution_policy_schedule', 'push', 'schedule'],
  ...[
    'scan_execution_policy_schedule',
    'security_orchestration_policy',
    'trigger',
    'unknown',
    'web',
    'webide',
  ],
);
const ROLES = knownAs('guest', 'planner', 'reporter', 'security_manager', 'developer', 'maintainer', 'owner');

/** People log in at the same URL, and their tokens are others. */
export const gitlabCi: Provider = {
  title: 'GitLab CI',
  preset: 'gitlab',
  types: ['ci-provider', 'gitlab-pipeline'],
  isOf: (issuer) =>
    issuer.type === 'gitlab-pipeline' ||
    isNamedBy(issuer, 'ci_config_ref_uri') ||
    (issuer.type === 'ci-provider' && issuer.url === 'https://gitlab.com'),
  claims: {
    ...COMMON,
    ...claims(
      [
        DIGITS,
        'namespace_id project_id job_namespace_id job_project_id source_namespace_id source_project_id',
      ],
      [DIGITS, 'user_id pipeline_id job_id'],
      [PROJECT, 'project_path job_project_path source_project_path'],
      [NAMESPACE, 'namespace_path job_namespace_path source_namespace_path'],
      [oneOf('public', 'private', 'internal'), 'project_visibility'],
      [TEXT, 'user_login user_email pipeline_source_event environment environment_action target_audience'],
      [TEXT, 'job_source job_policy_ref_uri job_policy_ref_sha'],
      [ROLES, 'user_access_level'],
      [LIST, 'user_identities groups_direct'],
      [SOURCES, 'pipeline_source'],
      [SHORT_REFERENCE, 'ref target_ref'],
      [FULL_REFERENCE, 'ref_path'],
      [oneOf('branch', 'tag'), 'ref_type'],
      [TRUTH_AS_TEXT, 'ref_protected target_ref_protected environment_protected'],
      [oneOf('production', 'staging', 'testing', 'development', 'other'), 'deployment_tier'],
      [oneOf('gitlab-hosted', 'self-hosted'), 'runner_environment'],
      [NUMBER, 'runner_id'],
      [CONFIGURATION, 'ci_config_ref_uri'],
      [COMMIT, 'sha ci_config_sha'],
      [MAP, 'job_config'],
    ),
  },
};
