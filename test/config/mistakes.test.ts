import { expect } from 'chai';
import { ConfigError } from '../../config/findings/config-error.ts';
import { parseConfig } from '../../config/load/load.ts';
import { issuer, ISSUER, problemsOf, tellMistakes, type Mistake } from './support/mistakes.ts';

const MISTAKES: readonly Mistake[] = [
  [
    'an unclosed bracket',
    'oidc-issuers: [\n',
    '2:1',
    '',
    'Flow sequence in block collection must be sufficiently indented and end with a ]',
  ],
  [
    'a tab',
    'oidc-issuers:\n\thttps://a.example: {}',
    '2:1',
    '',
    'Tabs are not allowed as indentation',
    'spaces',
  ],
  [
    'a colon in unquoted text',
    'a: b: c',
    '1:4',
    '',
    'Nested mappings are not allowed in compact mappings',
    'quotes',
  ],
  [
    'an issuer-url that is not the key',
    'oidc-issuers: {"https://a.example": {client-id: x, type: email, issuer-url: https://b.example}}',
    '1:77',
    `${ISSUER}.issuer-url`,
    'differs from the key "https://a.example"',
    'make them the same',
  ],
  ['a key given twice', 'mayfly: {}\nmayfly: {}', '2:1', '', 'the key "mayfly" is given twice', 'in line 1'],
  ['a list at the top', '- a', '1:1', '', 'must be a map of keys such as "oidc-issuers"'],
  [
    'an alias without an anchor',
    'define: *nothing',
    '1:9',
    '',
    'no anchor "&nothing" stands before this alias',
  ],
  ['an anchor that holds itself', 'define: &x [*x]', '1:13', '', 'no anchor "&x" stands before this alias'],
  ['a hostile key', '"__proto__": {}', '1:1', '', 'a key cannot be called "__proto__"'],
  ['a map as a key', '? {a: 1}\n: b', '1:3', '', 'a key must be plain text'],
  ['two documents', 'mayfly: {}\n---\nmayfly: {}', '2:1', '', 'holds several documents', '---'],
  ['a merge of text', 'oidc-issuers:\n  <<: text', '2:3', '', 'only a map can be merged with "<<"'],
  [
    'issuers that are a list',
    'oidc-issuers:\n  - https://a.example',
    '1:1',
    'oidc-issuers',
    'must be a map of keys',
  ],
  ['an issuer that is text', issuer(' email'), '2:22', ISSUER, 'must be a map of keys, not text'],
  [
    'no audience',
    issuer('\n    type: email'),
    '2:3',
    `${ISSUER}.client-id`,
    'is missing; it must be text or a list',
  ],
  [
    'an empty audience',
    issuer('\n    type: email\n    client-id: ""'),
    '4:16',
    `${ISSUER}.client-id`,
    'must not be empty',
  ],
  ['no type', issuer('\n    client-id: x'), '2:3', `${ISSUER}.type`, 'is missing; it must be text'],
  [
    'a map as audience',
    issuer('\n    type: email\n    client-id: {a: b}'),
    '4:5',
    `${ISSUER}.client-id`,
    'must be text or a list, not a map of keys',
  ],
  [
    'no audience in a list of them',
    issuer('\n    type: email\n    client-id: []'),
    '4:5',
    `${ISSUER}.client-id`,
    'must not be an empty list',
  ],
  [
    'an empty audience in a list of them',
    issuer('\n    type: email\n    client-id: [a, ""]'),
    '4:20',
    `${ISSUER}.client-id.1`,
    'must not be empty',
  ],
  [
    'no trust domain',
    issuer('\n    client-id: x\n    type: spiffe'),
    '2:3',
    `${ISSUER}.spiffe-trust-domain`,
    'spiffe issuer must have SPIFFETrustDomain set',
    'such as example.org',
  ],
  [
    'a trust domain that is none, in the JSON form',
    '{"OIDCIssuers": {"https://a.example": {"ClientID": "x", "Type": "spiffe", "SPIFFETrustDomain": "A.example"}}}',
    '1:96',
    `${ISSUER}.spiffe-trust-domain`,
    'spiffe trust domain is invalid',
  ],
  [
    'a domain of user names with a scheme',
    issuer('\n    client-id: x\n    type: username\n    subject-domain: https://a.example'),
    '5:21',
    `${ISSUER}.subject-domain`,
    'SubjectDomain for username should not contain scheme',
  ],
  [
    'a domain of user names elsewhere',
    issuer('\n    client-id: x\n    type: username\n    subject-domain: b.example'),
    '5:21',
    `${ISSUER}.subject-domain`,
    'hostname top-level and second-level domains do not match: b.example, a.example',
  ],
  [
    'a pattern of type spiffe',
    'meta-issuers:\n  https://*.example:\n    client-id: x\n    type: spiffe\n    spiffe-trust-domain: example.org',
    '4:11',
    'meta-issuers."https://*.example".type',
    'SPIFFE meta issuers not supported',
  ],
  [
    'an issuer-claim of a type that has none',
    issuer('\n    client-id: x\n    type: kubernetes\n    issuer-claim: $.x'),
    '5:19',
    `${ISSUER}.issuer-claim`,
    'only email issuers can use issuer claim mapping',
  ],
  [
    'a misspelt type',
    issuer('\n    client-id: x\n    type: emial'),
    '4:11',
    `${ISSUER}.type`,
    'issuer https://a.example has the unknown type "emial"',
    'Did you mean "email"?',
  ],
  [
    'words for a truth value',
    issuer('\n    client-id: x\n    type: email\n    skip-email-verification: maybe'),
    '5:30',
    `${ISSUER}.skip-email-verification`,
    'must be true or false, not text',
  ],
  [
    'an issuer that is no URL',
    'oidc-issuers:\n  a.example:\n    client-id: x\n    type: email',
    '2:3',
    'oidc-issuers."a.example".issuer-url',
    '"a.example" is not the http(s) URL of an issuer',
    '"iss"',
  ],
  [
    'a claim map on uri',
    issuer('\n    client-id: x\n    type: uri\n    subject-domain: https://a.example\n    issuer-claim: $.a'),
    '6:19',
    `${ISSUER}.issuer-claim`,
    'only email issuers can use issuer claim mapping',
  ],
  [
    'the name of a file in place of a certificate',
    issuer('\n    client-id: x\n    type: email\n    ca-cert: /etc/ssl/ca.pem'),
    '5:14',
    `${ISSUER}.ca-cert`,
    'failed to parse CA certificate for issuer https://a.example',
    'mayfly.ca-cert-file takes the name of a file',
  ],
  [
    'uri without a domain',
    uri('""'),
    '5:21',
    `${ISSUER}.subject-domain`,
    'uri issuer must have SubjectDomain set',
  ],
  [
    'a domain without scheme',
    uri('a.example'),
    '5:21',
    `${ISSUER}.subject-domain`,
    'SubjectDomain for uri must contain scheme',
  ],
  [
    'another scheme',
    uri('http://a.example'),
    '5:21',
    `${ISSUER}.subject-domain`,
    'subject (http) and issuer (https) URI schemes do not match',
  ],
  [
    'a host of one label',
    uri('https://example'),
    '5:21',
    `${ISSUER}.subject-domain`,
    'URI hostname too short: example',
  ],
  [
    'a foreign domain',
    uri('https://b.test'),
    '5:21',
    `${ISSUER}.subject-domain`,
    'hostname top-level and second-level domains do not match: b.test, a.example',
  ],
  [
    'no provider',
    issuer('\n    client-id: x\n    type: ci-provider'),
    '2:3',
    `${ISSUER}.ci-provider`,
    'is missing',
    'there is none. If it is there with a "#" before each line',
  ],
  [
    'a misspelt provider',
    issuer(
      '\n    client-id: x\n    type: ci-provider\n    ci-provider: githup\nci-issuer-metadata:\n  github: {subject-alternative-name-template: x}',
    ),
    '5:18',
    `${ISSUER}.ci-provider`,
    'metadata not found for ci provider githup, issuer: https://a.example',
    'Did you mean "github"?',
  ],
  [
    'a provider without a name template',
    'ci-issuer-metadata:\n  x: {}',
    '2:3',
    'ci-issuer-metadata.x.subject-alternative-name-template',
    'SubjectAlternativeNameTemplate should not be empty',
  ],
  [
    'a provider that is wrong, reported once',
    issuer('\n    client-id: x\n    type: ci-provider\n    ci-provider: p\nci-issuer-metadata:\n  p: [1]'),
    '7:3',
    'ci-issuer-metadata.p',
    'must be a map of keys, not a list',
  ],
  [
    'a template that is not closed',
    'ci-issuer-metadata:\n  p:\n    subject-alternative-name-template: x\n    extension-templates:\n      build-signer-uri: "{{ .a"',
    '5:26',
    'ci-issuer-metadata.p.extension-templates.build-signer-uri',
    'line 1, column 1 of the template: the action is never closed with }}',
  ],
  [
    'a claim path that cannot be read',
    issuer('\n    client-id: x\n    type: email\n    issuer-claim: a.b'),
    '5:19',
    `${ISSUER}.issuer-claim`,
    'the JSONPath "a.b" is not understood at character 1',
  ],
  [
    'one value under two names',
    'OIDCIssuers: {}\noidc-issuers: {}',
    '1:1',
    'oidc-issuers',
    'is given twice: as "OIDCIssuers" and as "oidc-issuers"',
  ],
  [
    'a misspelt key of ours',
    'mayfly:\n  public-ulr: x',
    '2:3',
    'mayfly',
    'unknown key "public-ulr"',
    'Did you mean "public-url"?',
  ],
  ['a strange key of ours', 'mayfly:\n  colour: red', '2:3', 'mayfly', 'unknown key "colour"'],
  [
    'a key in the wrong place',
    'mayfly:\n  limits:\n    log-level: info',
    '3:5',
    'mayfly.limits',
    'unknown key "log-level"',
  ],
  [
    'an unknown choice',
    'mayfly:\n  log-access: tokens',
    '2:15',
    'mayfly.log-access',
    'must be one of public, token, loopback',
    'Did you mean "token"?',
  ],
  [
    'a token without its file',
    'mayfly:\n  log-access: token',
    '2:15',
    'mayfly.log-access',
    'token needs log-access-token-file',
    '0600',
  ],
  [
    'a public URL without a scheme',
    'mayfly: {public-url: ca.example}',
    '1:22',
    'mayfly.public-url',
    'must be an http(s) URL without credentials, query and fragment',
  ],
  [
    'a public URL with a password',
    'mayfly: {public-url: "https://a:b@ca.example"}',
    '1:22',
    'mayfly.public-url',
    'must be an http(s) URL without credentials, query and fragment',
  ],
  [
    'a proxy that is no network',
    'mayfly:\n  trusted-proxies:\n    - 10.0.0.0/8\n    - 10.0.0.0/33',
    '4:7',
    'mayfly.trusted-proxies.1',
    'must be an address or a network such as "10.0.0.0/8" or "fd00::/8"',
  ],
  [
    'proxies that are text',
    'mayfly: {trusted-proxies: 10.0.0.1}',
    '1:27',
    'mayfly.trusted-proxies',
    'must be a list, not text',
  ],
  [
    'no algorithm',
    'mayfly: {client-signing-algorithms: []}',
    '1:10',
    'mayfly.client-signing-algorithms',
    'must name at least one algorithm',
  ],
  [
    'a limit of nothing',
    'mayfly: {limits: {max-in-flight: 0}}',
    '1:34',
    'mayfly.limits.max-in-flight',
    'must be at least 1',
  ],
  [
    'half a request',
    'mayfly: {limits: {max-in-flight: 1.5}}',
    '1:34',
    'mayfly.limits.max-in-flight',
    'must be a whole number, not a number',
  ],
];

function uri(domain: string): string {
  return issuer(`\n    client-id: x\n    type: uri\n    subject-domain: ${domain}`);
}

describe('config: what is wrong', () => {
  tellMistakes(MISTAKES);

  it('reports everything at once, in the order of the file', () => {
    const text = [
      'mayfly:',
      '  log-levle: info',
      '  log-access: nobody',
      'oidc-issuers:',
      '  https://a.example:',
      '    type: saml',
      '  https://b.example:',
      '    client-id: x',
      '    type: uri',
    ].join('\n');
    const places = problemsOf(text).map((problem) => `${String(problem.line)} ${problem.path}`);
    expect(places).to.deep.equal([
      '2 mayfly',
      '3 mayfly.log-access',
      '5 oidc-issuers."https://a.example".client-id',
      '6 oidc-issuers."https://a.example".type',
      '7 oidc-issuers."https://b.example".subject-domain',
    ]);
  });

  it('judges the rest of an issuer block that has mistakes', () => {
    const text = issuer(`
    client-id: [{}]
    type: uri
    subject-domain: b.example
    issuer-url: https://b.example
    mayfly:
      lifetime: 100
      rules:
        - allow: claims.sub == 5 && clams.x
        - {name: a, allow: {}}
        - {name: b, deny: claims.sub = "x"}`);
    expect(problemsOf(text).map(({ line, message }) => [line, message])).to.deep.equal([
      [3, 'must be text, not a map of keys'],
      [5, 'SubjectDomain for uri must contain scheme'],
      [6, 'differs from the key "https://a.example"'],
      [8, 'must be at most 60m'],
      [10, 'is missing; it must be text'],
      [10, 'there is no variable "clams"'],
      [11, 'must be text, not a map of keys'],
      [12, '"=" alone means nothing here'],
    ]);
  });

  it('names the file and the place as compilers do', () => {
    expect(() => parseConfig('mayfly: {log-access: no}', { file: '/etc/mayfly.yaml' })).to.throw(
      ConfigError,
      '/etc/mayfly.yaml:1:22: mayfly.log-access: must be one of public, token, loopback',
    );
  });

  it('counts columns in the text as written where an alias is a key', () => {
    const [problem] = problemsOf('define: [&a mayfly]\n*a: {log-access: nobody}');
    expect([problem?.line, problem?.column]).to.deep.equal([2, 18]);
  });
});
