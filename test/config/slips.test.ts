import { expect } from 'chai';
import { parseConfig } from '../../config/load/load.ts';

/** What is found in an issuer block with one rule, without what is said of its type alone. */
function found(url: string, type: string, allow: string): string[] {
  const text = `
oidc-issuers:
  ${url}:
    client-id: acme
    type: ${type}
    mayfly:
      rules:
        - name: r
          allow: '${allow}'
`;
  return parseConfig(text)
    .findings.filter(({ code }) => code !== 'DEPRECATED_TYPE')
    .map(({ code, message, hint = '' }) => `${code} ${message} / ${hint}`);
}

const GITHUB = 'https://token.actions.githubusercontent.com';
const GOOGLE = 'https://accounts.google.com';
const OURS = 'claims.repository_owner_id == "123456" && ';

/** Condition of an issuer block for GitHub · what is said of it · what to write. */
const GITHUB_SLIPS: readonly (readonly [string, string, string])[] = [
  ['claims.repository_owner_id == 123456', 'is text, and is compared with a number', 'between quotes'],
  ['claims.repository_owner_id in [123456]', 'is text, and is compared with a number', 'between quotes'],
  ['claims.repository_owner_id == "acme"', 'claims.repository_owner_id is never "acme"', 'a number, written'],
  [`${OURS}claims.ref == "main"`, 'claims.ref is never "main"', '"refs/heads/main"'],
  [`${OURS}claims.ref in ["main"]`, 'claims.ref is never "main"', '"refs/heads/main"'],
  [`${OURS}"main" != claims.ref`, 'claims.ref is never "main"', '"refs/heads/main"'],
  [`${OURS}claims.ref.startsWith("main")`, 'claims.ref never starts with "main"', '"refs/heads/main"'],
  [`${OURS}claims.ref.matches("^main$")`, 'claims.ref never starts with "main"', '"refs/heads/main"'],
  [`${OURS}claims.ref == "refs/heads/*"`, 'claims.ref is never "refs/heads/*"', 'startsWith'],
  [`${OURS}claims.ref_protected == true`, 'is text, and is compared with a bool', 'between quotes'],
  [`${OURS}claims.ref_protected`, 'is text, and neither true nor false', 'claims.ref_protected == "true"'],
  [`${OURS}claims.repository == ["a/b"]`, 'is text, and is compared with a list', 'in ["…", "…"]'],
  [`${OURS}claims.event_name == "pull-request"`, 'is not known to be', '"pull_request"'],
  [`${OURS}claims.ref_type == "branches"`, 'is never "branches"', '"branch"'],
  [`${OURS}claims.run_number > 5`, 'is text, and is compared with a number', 'int(claims.run_number)'],
  [`${OURS}claims.iss == "https://github.com"`, 'is never "https://github.com"', `It is ${GITHUB}`],
  ['claims.repositoryOwnerId == "123"', 'not known to have a claim', 'claims.repository_owner_id'],
  [`${OURS}claims.sha == "6dcb"`, 'claims.sha is never "6dcb"', 'like'],
  [
    `${OURS}claims.ref == "refs/heads/a" && claims.ref == "refs/heads/b"`,
    'is never "refs/heads/a" and "refs/heads/b" at once',
    'claims.ref in [',
  ],
];

const GOOGLE_SLIPS: readonly (readonly [string, string, string])[] = [
  [
    'claims.email.endsWith("@example.com")',
    'Google vouches for such addresses of private accounts',
    'claims.hd',
  ],
  ['principal.san.endsWith("@example.com")', 'Google vouches for such addresses', 'claims.hd'],
  ['claims.email.split("@")[1] == "example.com"', 'Google vouches for such addresses', 'claims.hd'],
  ['claims.hd == "@example.com"', 'claims.hd is never "@example.com"', '"example.com"'],
  ['claims.email_verified == "true"', 'is a bool, and is compared with text', 'without quotes'],
  ['claims.groups == "staff"', 'is a list, and is compared with text', '"…" in claims.groups'],
];

describe('config/slips', () => {
  for (const [issuer, type, slips] of [
    [GITHUB, 'github-workflow', GITHUB_SLIPS],
    [GOOGLE, 'email', GOOGLE_SLIPS],
  ] as const)
    for (const [condition, message, hint] of slips)
      it(`warns of ${condition} at ${new URL(issuer).host}`, () => {
        const [first = '', ...more] = found(issuer, type, condition);
        expect(more).to.deep.equal([]);
        expect(first.slice(0, 10)).to.equal('RULE_WEAK ');
        expect(first).to.include(message).and.to.include(hint);
      });

  it('knows what groups are at an issuer that nobody knows', () => {
    expect(found('https://login.example', 'email', 'claims.groups == "staff"')[0]).to.include('is a list');
    expect(found('https://login.example', 'email', 'claims.ref == "main"')).to.deep.equal([]);
    expect(found('https://login.example', 'email', 'claims.email.endsWith("@example.com")')).to.deep.equal(
      [],
    );
  });

  it('has nothing against Google by the organisation, nor its service accounts', () => {
    const hd = 'has(claims.hd) && claims.hd == "example.com"';
    for (const condition of [
      hd,
      `${hd} && claims.email.endsWith("@example.com")`,
      'claims.email.endsWith("@acme.iam.gserviceaccount.com")',
    ])
      expect(found(GOOGLE, 'email', condition), condition).to.deep.equal([]);
  });

  it('warns of a type by which nobody of a provider gets a certificate', () => {
    const [first = ''] = found(GITHUB, 'email', OURS.slice(0, -4));
    expect(first).to.include('TYPE_UNFIT').and.to.include('type "email"').and.to.include('ci-provider');
    // People log in at gitlab.com too.
    expect(found('https://gitlab.com', 'email', 'claims.email == "sue@example.com"')).to.deep.equal([]);
  });

  for (const [url, advice] of [
    ['https://github.com', GITHUB],
    [`${GITHUB}/`, GITHUB],
    ['http://accounts.google.com', GOOGLE],
    [`${GOOGLE}/.well-known/openid-configuration`, GOOGLE],
    ['https://gitlab.com/acme', 'https://gitlab.com,'],
    ['https://www.gitlab.com', 'https://gitlab.com'],
    ['https://login.microsoftonline.com/3aa4a235-b6e2-48d5-9195-7fcf05b459b0', '/v2.0'],
    ['https://circleci.com', 'https://oidc.circleci.com/org/'],
  ] as const)
    it(`warns of an issuer that tokens do not name: ${url}`, () => {
      const slip = found(url, 'email', 'claims.sub == "x"').find((text) =>
        text.startsWith('ISSUER_MISSPELT'),
      );
      expect(slip).to.include(advice);
    });

  it('says nothing of what is still to be replaced but that', () => {
    const codes = found(GITHUB, 'github-workflow', 'claims.repository_owner_id == "${OWNER}"');
    expect(codes).to.have.length(1);
    expect(codes[0]).to.match(/^UNEXPANDED /);
  });
});
