/** For each issuer type whose certificates are not made by templates: a good token, and how tokens go wrong. */
import type { SubjectAltName } from '../../core/subject-alt-name.ts';
import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import type { TokenReason } from '../../oidc/core/token-error.ts';
import { githubClaims } from './github-claims.ts';

type Claims = Readonly<Record<string, unknown>>;

/** One type. `{issuer}` in a text stands for the issuer's URL. */
export interface TypedToken {
  /** What the definition has beside its URL. */
  readonly definition: Partial<IssuerDefinition> & Pick<IssuerDefinition, 'type'>;
  readonly claims: Claims & { readonly sub: string };
  readonly san: SubjectAltName;
  /** Default: the subject. */
  readonly challenge?: string;
  /** Beside 1, 8 and 24. */
  readonly extensions: Readonly<Record<number, string>>;
  /** Claims at the top without which it is refused; all are texts. */
  readonly required: readonly string[];
  /** Texts that may be absent. */
  readonly optional: readonly string[];
  /** What else is refused: title, changed claims, reason. */
  readonly refused: readonly (readonly [string, Claims, TokenReason])[];
  /** What is taken too, with another name. */
  readonly taken: readonly (readonly [string, Claims, string])[];
}

const uri = (value: string): SubjectAltName => ({ type: 'uri', value });

const USERNAME: TypedToken = {
  definition: { type: 'username', subjectDomain: '127.0.0.1' },
  claims: { sub: 'jörg' },
  san: { type: 'username', value: 'jörg!127.0.0.1' },
  extensions: {},
  required: ['sub'],
  optional: [],
  refused: [
    ['an exclamation mark', { sub: 'a!b' }, 'IDENTITY_REFUSED'],
    ['the name of another domain', { sub: 'root!evil.example' }, 'IDENTITY_REFUSED'],
    ['an e-mail address', { sub: 'sue@example.com' }, 'IDENTITY_REFUSED'],
  ],
  taken: [
    ['a name with an at sign that is no address', { sub: 'a@b' }, 'a@b!127.0.0.1'],
    ['a name with spaces', { sub: 'Sue Smith' }, 'Sue Smith!127.0.0.1'],
  ],
};

const SPIFFE: TypedToken = {
  definition: { type: 'spiffe', spiffeTrustDomain: 'example.org' },
  claims: { sub: 'spiffe://example.org/ns/build/sa/signer' },
  san: uri('spiffe://example.org/ns/build/sa/signer'),
  extensions: {},
  required: ['sub'],
  optional: [],
  refused: [
    ['another trust domain', { sub: 'spiffe://example.com/a' }, 'IDENTITY_REFUSED'],
    ['a trust domain below', { sub: 'spiffe://a.example.org/a' }, 'IDENTITY_REFUSED'],
    ['a trust domain in another case', { sub: 'spiffe://Example.org/a' }, 'IDENTITY_REFUSED'],
    ['another scheme', { sub: 'https://example.org/a' }, 'IDENTITY_REFUSED'],
    ['a dot segment', { sub: 'spiffe://example.org/a/../b' }, 'IDENTITY_REFUSED'],
    ['an empty segment', { sub: 'spiffe://example.org//a' }, 'IDENTITY_REFUSED'],
    ['a slash at the end', { sub: 'spiffe://example.org/a/' }, 'IDENTITY_REFUSED'],
    ['a query', { sub: 'spiffe://example.org/a?b' }, 'IDENTITY_REFUSED'],
    ['a port', { sub: 'spiffe://example.org:80/a' }, 'IDENTITY_REFUSED'],
    ['a user', { sub: 'spiffe://u@example.org/a' }, 'IDENTITY_REFUSED'],
    ['an escape', { sub: 'spiffe://example.org/%61' }, 'IDENTITY_REFUSED'],
    ['a newline', { sub: 'spiffe://example.org/a\n' }, 'IDENTITY_REFUSED'],
  ],
  taken: [['the trust domain itself', { sub: 'spiffe://example.org' }, 'spiffe://example.org']],
};

const account = (namespace: unknown, serviceaccount: unknown, more: Claims = {}): Claims => ({
  'kubernetes.io': { namespace, serviceaccount, ...more },
});

const KUBERNETES: TypedToken = {
  definition: { type: 'kubernetes' },
  claims: {
    sub: 'system:serviceaccount:build:signer',
    jti: 'c1d2',
    ...account(
      'build',
      { name: 'signer', uid: '4f1e7c3a-0000-4000-8000-000000000001' },
      { pod: { name: 'sign-7c9', uid: 'x' }, node: { name: 'n1', uid: 'y' }, warnafter: 1_790_003_000 },
    ),
  },
  san: uri('https://kubernetes.io/namespaces/build/serviceaccounts/signer'),
  extensions: {},
  required: ['sub'],
  optional: [],
  refused: [
    ['no cluster', { 'kubernetes.io': undefined }, 'CLAIM_MISSING'],
    ['a cluster that is null', { 'kubernetes.io': null }, 'CLAIM_MISSING'],
    ['a cluster that is text', { 'kubernetes.io': 'build' }, 'CLAIM_INVALID'],
    ['a cluster that is a list', { 'kubernetes.io': [] }, 'CLAIM_INVALID'],
    ['no namespace', account(undefined, { name: 'signer' }), 'CLAIM_MISSING'],
    ['an empty namespace', account('', { name: 'signer' }), 'CLAIM_MISSING'],
    ['a number as namespace', account(7, { name: 'signer' }), 'CLAIM_INVALID'],
    ['a namespace with a slash', account('a/serviceaccounts/b', { name: 'c' }), 'CLAIM_INVALID'],
    ['a namespace that climbs', account('..', { name: 'signer' }), 'CLAIM_INVALID'],
    ['no service account', account('build', undefined), 'CLAIM_MISSING'],
    ['a service account that is null', account('build', null), 'CLAIM_MISSING'],
    ['a service account that is text', account('build', 'signer'), 'CLAIM_INVALID'],
    ['no name', account('build', { uid: 'x' }), 'CLAIM_MISSING'],
    ['an empty name', account('build', { name: '' }), 'CLAIM_MISSING'],
    ['a name with a query', account('build', { name: 'a?b' }), 'CLAIM_INVALID'],
    ['a name with an escape', account('build', { name: 'a%2fb' }), 'CLAIM_INVALID'],
    ['a name with upper case', account('build', { name: 'Signer' }), 'CLAIM_INVALID'],
    ['another case of the cluster', { 'kubernetes.io': undefined, 'Kubernetes.io': {} }, 'CLAIM_MISSING'],
    [
      'another case of the namespace',
      { 'kubernetes.io': { Namespace: 'a', serviceaccount: { name: 'b' } } },
      'CLAIM_MISSING',
    ],
    [
      'two service accounts',
      account('build', { name: 'a' }, { ServiceAccount: { name: 'b' } }),
      'CLAIM_INVALID',
    ],
  ],
  taken: [
    [
      "the spelling of Fulcio's tests",
      account('build', undefined, { ServiceAccount: { name: 'signer' } }),
      'https://kubernetes.io/namespaces/build/serviceaccounts/signer',
    ],
    [
      'a name with dots',
      account('kube-system', { name: 'a.b-c.9' }),
      'https://kubernetes.io/namespaces/kube-system/serviceaccounts/a.b-c.9',
    ],
  ],
};

const CHAINGUARD: TypedToken = {
  definition: { type: 'chainguard-identity' },
  claims: {
    sub: 'deadbeef/cafe',
    act: { iss: 'https://accounts.google.com', sub: '1168', aud: 'x' },
    internal: { 'service-principal': 'COSIGNED' },
  },
  san: uri('{issuer}/deadbeef/cafe'),
  extensions: {},
  required: ['sub'],
  optional: ['email'],
  refused: [
    [
      'an address that is not verified',
      { email: 'sue@example.com', email_verified: false },
      'EMAIL_NOT_VERIFIED',
    ],
    ['an address of which nothing is said', { email: 'sue@example.com' }, 'EMAIL_NOT_VERIFIED'],
    ['an odd truth value', { email_verified: 1 }, 'CLAIM_INVALID'],
    ['an actor that is text', { act: 'x' }, 'CLAIM_INVALID'],
    ['an actor that is a list', { act: ['x'] }, 'CLAIM_INVALID'],
    ['an actor with a number', { act: { sub: 7 } }, 'CLAIM_INVALID'],
    ['an actor in an actor', { act: { act: {} } }, 'CLAIM_INVALID'],
    ['an inside that is text', { internal: 'x' }, 'CLAIM_INVALID'],
    ['a service principal that is a number', { internal: { 'service-principal': 7 } }, 'CLAIM_INVALID'],
    ['a broken escape', { sub: 'a%zz' }, 'IDENTITY_REFUSED'],
    ['a subject that climbs', { sub: '../../a//b/./c' }, 'IDENTITY_REFUSED'],
  ],
  taken: [
    ['a subject with a question mark', { sub: 'a?b#c d' }, '{issuer}/a%3Fb%23c%20d'],
    ['no actor', { act: null, internal: undefined }, '{issuer}/deadbeef/cafe'],
  ],
};

const GITHUB: TypedToken = {
  definition: { type: 'github-workflow' },
  claims: githubClaims() as Claims & { sub: string },
  san: uri('https://github.com/octo-org/shared/.github/workflows/build.yml@refs/tags/v2'),
  extensions: {
    2: 'push',
    3: '6dcb09b5b57875f334f61aebed695e2e4193db5e',
    4: 'release',
    5: 'octo-org/octo-repo',
    6: 'refs/heads/main',
    9: 'https://github.com/octo-org/shared/.github/workflows/build.yml@refs/tags/v2',
    10: '9af0c8e1d2b3a4958677665544332211ffeeddcc',
    11: 'github-hosted',
    12: 'https://github.com/octo-org/octo-repo',
    13: '6dcb09b5b57875f334f61aebed695e2e4193db5e',
    14: 'refs/heads/main',
    15: '456789',
    16: 'https://github.com/octo-org',
    17: '123456',
    18: 'https://github.com/octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main',
    19: '6dcb09b5b57875f334f61aebed695e2e4193db5e',
    20: 'push',
    21: 'https://github.com/octo-org/octo-repo/actions/runs/9876543210/attempts/1',
    22: 'private',
  },
  required: [
    ...['sub', 'job_workflow_ref', 'sha', 'event_name', 'repository', 'workflow', 'ref', 'job_workflow_sha'],
    ...['runner_environment', 'repository_id', 'repository_owner', 'repository_owner_id'],
    ...['repository_visibility', 'workflow_ref', 'workflow_sha', 'run_id', 'run_attempt'],
  ],
  optional: [],
  refused: [
    ['a broken escape', { job_workflow_ref: 'o/r/x.yml@refs/heads/100%' }, 'IDENTITY_REFUSED'],
    ['a path that climbs', { job_workflow_ref: '../../evil.example/x' }, 'IDENTITY_REFUSED'],
    ['a slash too many', { job_workflow_ref: 'o//r/x.yml@refs/heads/main' }, 'IDENTITY_REFUSED'],
    ['an escape for a letter', { job_workflow_ref: 'o/r/x.yml@refs/heads/f%C3%B6' }, 'IDENTITY_REFUSED'],
    ['an escape for a question mark', { job_workflow_ref: 'o/r/x.yml@refs/heads/f%3F' }, 'IDENTITY_REFUSED'],
  ],
  taken: [
    [
      'a branch with letters of its own',
      { job_workflow_ref: 'o/r/x.yml@refs/heads/fö#?' },
      'https://github.com/o/r/x.yml@refs/heads/f%C3%B6%23%3F',
    ],
  ],
};

const GITLAB: TypedToken = {
  definition: { type: 'gitlab-pipeline' },
  claims: {
    sub: 'project_path:grp/app:ref_type:branch:ref:main',
    namespace_id: '72',
    namespace_path: 'grp',
    project_id: '20',
    project_path: 'grp/app',
    project_visibility: 'internal',
    pipeline_id: '574',
    pipeline_source: 'push',
    job_id: '302',
    ref: 'main',
    ref_type: 'branch',
    runner_id: 1,
    runner_environment: 'self-hosted',
    sha: '714a629c0b401fdce83e847fb9a3ff2d94dd0cf5',
    ci_config_ref_uri: 'gitlab.example.com/grp/app//.gitlab-ci.yml@refs/heads/main',
    ci_config_sha: '9af0c8e1d2b3a4958677665544332211ffeeddcc',
  },
  san: uri('https://gitlab.example.com/grp/app//.gitlab-ci.yml@refs/heads/main'),
  extensions: {
    9: 'https://gitlab.example.com/grp/app//.gitlab-ci.yml@refs/heads/main',
    10: '9af0c8e1d2b3a4958677665544332211ffeeddcc',
    11: 'self-hosted',
    12: 'https://gitlab.com/grp/app',
    13: '714a629c0b401fdce83e847fb9a3ff2d94dd0cf5',
    14: 'refs/heads/main',
    15: '20',
    16: 'https://gitlab.com/grp',
    17: '72',
    18: 'https://gitlab.example.com/grp/app//.gitlab-ci.yml@refs/heads/main',
    19: '9af0c8e1d2b3a4958677665544332211ffeeddcc',
    20: 'push',
    21: 'https://gitlab.com/grp/app/-/jobs/302',
    22: 'internal',
  },
  required: [
    ...['sub', 'project_path', 'pipeline_source', 'pipeline_id', 'ci_config_ref_uri', 'job_id', 'ref'],
    ...['ref_type', 'namespace_path', 'namespace_id', 'project_id', 'sha', 'runner_environment'],
  ],
  optional: ['ci_config_sha', 'project_visibility'],
  refused: [
    ['no runner', { runner_id: undefined }, 'CLAIM_MISSING'],
    ['a runner that is null', { runner_id: null }, 'CLAIM_MISSING'],
    ['the runner zero', { runner_id: 0 }, 'CLAIM_MISSING'],
    ['half a runner', { runner_id: 1.5 }, 'CLAIM_INVALID'],
    ['a runner that is text', { runner_id: '1' }, 'CLAIM_INVALID'],
    ['a merge request', { ref_type: 'merge_request' }, 'CLAIM_INVALID'],
    ['a name from the depths of JavaScript', { ref_type: '__proto__' }, 'CLAIM_INVALID'],
    ['a host with a port', { ci_config_ref_uri: 'gitlab.example.com:8443/g/p//x.yml@y' }, 'IDENTITY_REFUSED'],
    ['no host', { ci_config_ref_uri: '/g/p//x.yml@y' }, 'IDENTITY_REFUSED'],
    ['a configuration that is no URI', { ci_config_ref_uri: 'gitlab.com/g\n' }, 'IDENTITY_REFUSED'],
    ['a broken escape', { project_path: 'g/%' }, 'IDENTITY_REFUSED'],
    ['a scheme of its own', { ci_config_ref_uri: 'http://gitlab.com/g/p//x.yml@y' }, 'IDENTITY_REFUSED'],
    ['an escape for a letter', { ci_config_ref_uri: 'gitlab.com/g/p//x.yml@rel%C3%A4' }, 'IDENTITY_REFUSED'],
  ],
  taken: [
    [
      'a branch with letters of its own',
      { ci_config_ref_uri: 'gitlab.com/g/p//x.yml@refs/heads/relä' },
      'https://gitlab.com/g/p//x.yml@refs/heads/rel%C3%A4',
    ],
  ],
};

const CODEFRESH: TypedToken = {
  definition: { type: 'codefresh-workflow' },
  claims: {
    sub: 'account:628a:pipeline:65e5',
    account_id: '628a',
    account_name: 'acme',
    pipeline_id: '65e5',
    pipeline_name: 'app/release',
    workflow_id: '65e6',
    initiator: 'sue',
    platform_url: 'https://cf.example',
    scm_repo_url: 'https://github.com/acme/app',
    scm_ref: 'main',
    runner_environment: 'cloud',
  },
  san: uri('https://cf.example/acme/app/release:628a/65e5'),
  extensions: {
    9: 'https://cf.example/build/65e6',
    11: 'cloud',
    12: 'https://github.com/acme/app',
    14: 'main',
    18: 'https://cf.example/api/pipelines/65e5',
    21: 'https://cf.example/build/65e6',
  },
  required: ['sub', 'account_id', 'pipeline_id', 'workflow_id', 'account_name', 'pipeline_name'],
  optional: ['platform_url', 'scm_repo_url', 'scm_ref', 'runner_environment'],
  refused: [
    ['a platform that is no URL', { platform_url: 'https://[' }, 'IDENTITY_REFUSED'],
    ['a platform without a scheme', { platform_url: 'cf.example' }, 'IDENTITY_REFUSED'],
    ['a platform without a host', { platform_url: 'https:///x' }, 'IDENTITY_REFUSED'],
    ['a platform that is mail', { platform_url: 'mailto:a@b' }, 'IDENTITY_REFUSED'],
    ['a broken escape', { workflow_id: '%' }, 'IDENTITY_REFUSED'],
    ['no names', { account_name: null, pipeline_name: null }, 'CLAIM_MISSING'],
    ['a platform with a slash at its end', { platform_url: 'https://cf.example/' }, 'IDENTITY_REFUSED'],
    ['an account that climbs', { account_name: 'x/..' }, 'IDENTITY_REFUSED'],
  ],
  taken: [
    ['no platform', { platform_url: '' }, 'https://g.codefresh.io/acme/app/release:628a/65e5'],
    ['letters of its own', { account_name: 'ä' }, 'https://cf.example/%C3%A4/app/release:628a/65e5'],
  ],
};

const BUILDKITE: TypedToken = {
  definition: { type: 'buildkite-job' },
  claims: {
    sub: 'organization:acme:pipeline:app:ref:refs/heads/main:commit:9f3b:step:build',
    organization_slug: 'acme',
    pipeline_slug: 'app',
    build_number: 1,
    runner_environment: 'self-hosted',
  },
  san: uri('https://buildkite.com/acme/app'),
  extensions: {},
  required: ['sub', 'organization_slug', 'pipeline_slug'],
  optional: [],
  refused: [
    ['a newline', { pipeline_slug: 'a\nb' }, 'IDENTITY_REFUSED'],
    ['a broken escape', { pipeline_slug: '%' }, 'IDENTITY_REFUSED'],
  ],
  taken: [['a space', { pipeline_slug: 'a b' }, 'https://buildkite.com/acme/a%20b']],
};

/** Every one of them. */
export const TYPED_TOKENS: readonly TypedToken[] = [
  ...[USERNAME, SPIFFE, KUBERNETES, CHAINGUARD, GITHUB, GITLAB, CODEFRESH, BUILDKITE],
];
