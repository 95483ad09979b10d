/** Type ci-provider: the public-good templates, those of presets, and templates of every construct. */
import { PROVIDER_CASES } from '../../support/provider-claims/all.ts';
import { presetIssuer } from '../configuration.ts';
import {
  casesOf,
  differing,
  explaining,
  STRICTER,
  STRICTER_IN_WORDS,
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
const circleci = claimsOf('circleci');
const buddy = { ...claimsOf('buddy'), base_url: undefined };
const terraform = {
  sub: 'organization:acme:project:core:workspace:net-prod:run_phase:apply',
  terraform_run_phase: 'apply',
  terraform_workspace_id: 'ws-abc',
  terraform_workspace_name: 'net-prod',
  terraform_organization_id: 'org-xyz',
  terraform_organization_name: 'acme',
  terraform_project_id: 'prj-1',
  terraform_project_name: 'core',
  terraform_run_id: 'run-9',
  terraform_full_workspace: 'organization:acme:project:core:workspace:net-prod',
};

const names = (claims: CaseClaims): string[] =>
  Object.keys(claims).filter((name) => claims[name] !== undefined);

const stock = (issuer: string, claims: CaseClaims): DifferentialCase[] => [
  { title: 'of a job', issuer, claims, issued: true },
  ...withoutEach(issuer, claims, names(claims)),
];

const odd = { sub: 'job', path: '/p' };
const VALUES: readonly unknown[] = [
  ...[
    'text',
    '',
    ' ',
    '<&">',
    'a\nb',
    'ü日😀',
    '{{ .path }}',
    0,
    1,
    -1,
    1.5,
    -0.25,
    0.1,
    1e-5,
    1e-7,
    123456,
    999999,
    true,
    false,
    null,
  ],
  ...[[], ['x', 'y'], [1, [2.5, null], true], {}, { b: 1, a: { c: ['d'] } }, 'x'.repeat(5000)],
];
/** As Fulcio v1.8.8 prints them, and as its main branch does. */
const LARGE: readonly (readonly [number, string, string])[] = [
  [1e6, '1e+06', '1000000'],
  [1_753_000_000, '1.753e+09', '1753000000'],
  [9876543210, '9.87654321e+09', '9876543210'],
  [1e20, '1e+20', '100000000000000000000'],
  [1e21, '1e+21', '1000000000000000000000'],
  [1.5e300, '1.5e+300', `15${'0'.repeat(299)}`],
  [-1e6, '-1e+06', '-1000000'],
];

const PATHS = [
  ...[
    '',
    '/',
    '/a b',
    '/%zz',
    '/%20',
    '/ü',
    '/?q',
    '/#f',
    ':443/x',
    ':x/',
    '.evil/x',
    '@evil.example/',
    '/a/../b',
    '//a',
    '/a\\b',
    '/{x}',
    '/"',
    "/'",
    '/[x]',
  ],
  ...['/\n', '/\0', '/\t', '/\u007f', '/a:b@c', '/😀', '\\x', ' /x', '/x '],
];
const HOSTS = [
  ...[
    'https://other.example',
    'http://other.example:8080',
    'other.example',
    '',
    '//other.example',
    'urn:x:y',
    'mailto:sue@example.com',
    'HTTPS://Other.Example',
    'https://[::1]',
    'https://[::1',
  ],
  ...[
    'https://a..b',
    'https://.a',
    'https://a.',
    'https://ü.example',
    'https://a_b',
    'https://-a',
    `https://${'a'.repeat(64)}.example`,
    'https://u:p@h',
    'https://%41',
    'https://a b',
    '1https://x',
    'ht tps://x',
    ':x',
    '%zz',
    '*',
  ],
];

const all: readonly DifferentialCase[] = [
  ...stock('github', github),
  ...stock('gitlab', gitlab),
  ...stock('codefresh', codefresh),
  ...stock('buildkite', buildkite),
  ...stock('circleci', circleci),
  ...stock('buddy', buddy),
  ...stock('terraform', terraform),
  ...casesOf('github', github, {
    'with a URL of its own': { url: 'https://ghe.example' },
    'with ids that are numbers': { repository_id: 456789, run_attempt: 1 },
    'whose subject holds ids': { sub: 'repo:octo-org@123456/octo-repo@456789:ref:refs/heads/main' },
  }),
  ...casesOf('gitlab', gitlab, { 'of a tag': { ref_type: 'tag', ref: 'v1' } }),
  ...casesOf('circleci', circleci, { 'with a shell in it': { 'oidc.circleci.com/ssh-rerun': true } }),
  ...PROVIDER_CASES.flatMap(({ preset, claims }) => {
    const issuer = presetIssuer(preset);
    return issuer === undefined
      ? []
      : [{ title: 'of a job, by the templates of the preset', issuer, claims, issued: true }];
  }),
  ...casesOf('odd', odd, {
    'by every construct': {},
    'by the first branch': { kind: 'b' },
    'by the second branch': { kind: 'c', flag: 'x' },
    'by the third branch': { kind: 'c', flag: '', optional: '' },
    'with an optional claim': { optional: 'there' },
    'with a claim named like a default': { 'dotted.name/x': 'claimed' },
    'with a missing claim in a branch': { deep: 'yes' },
    'with a comparison that cannot be': { flag: 'x', optional: '' },
    'with a claim in capitals': { Path: '/capital', path: undefined },
    'with a claim that only JavaScript knows': { constructor: 'x', toString: 'y' },
  }),
  ...VALUES.map((value) => ({
    title: `with the value ${JSON.stringify(value).slice(0, 40)}`,
    issuer: 'odd',
    claims: { ...odd, value },
  })),
  ...LARGE.flatMap(([value, release, head]) =>
    differing(
      'numbers',
      {
        fulcio: { status: 200, extensions: { 9: release, 10: `<${release}>` } },
        mayfly: { status: 200, extensions: { 9: head, 10: `<${head}>` } },
      },
      [{ title: `with the number ${value}`, issuer: 'odd', claims: { ...odd, value } }],
    ),
  ),
  ...PATHS.map((path) => ({
    title: `with the path ${JSON.stringify(path)}`,
    issuer: 'odd',
    claims: { ...odd, path },
  })),
  ...HOSTS.map((host) => ({
    title: `with the host ${JSON.stringify(host)}`,
    issuer: 'odd',
    claims: { ...odd, host },
  })),
];

/** The claims that make the name, by the issuers of their templates. */
const NAMES: Readonly<Record<string, string>> = {
  github: 'job_workflow_ref',
  gitlab: 'ci_config_ref_uri',
  codefresh: '(?:account|pipeline)_(?:id|name)',
  buildkite: '(?:organization|pipeline)_slug',
  circleci: 'oidc\\.circleci\\.com/(?:project|pipeline-definition)-id',
  buddy: '(?:workspace_domain|project_name|pipeline_id)',
  terraform: 'terraform_(?:workspace|organization)_name',
};

const namesOf = Object.entries(NAMES).map(
  ([issuer, claim]) => `${issuer} with (?:an empty|null as) ${claim}`,
);

export const providerCases = explaining(
  all,
  ['nameless', STRICTER_IN_WORDS, new RegExp(`^(?:${namesOf.join('|')})$`)],
  ['nameless', STRICTER, /^circleci without oidc\.circleci\.com\/(?:project|pipeline-definition)-id$/],
  ['nameless', STRICTER_IN_WORDS, /^odd with the (?:path|host) ""/],
  ['spellings', STRICTER, /^odd with the (?:path "\/%20"|host "HTTPS:)/],
);
