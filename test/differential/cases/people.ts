/** Types email, username and uri: people and whatever a provider calls its users. */
import { casesOf, explaining, REFUSED, STRICTER, type DifferentialCase } from '../differential-case.ts';
import { PROVIDER_CASES } from '../../support/provider-claims/all.ts';

const email = 'sue@example.com';

const VERIFIED: readonly unknown[] = [
  true,
  'true',
  'True',
  'TRUE',
  false,
  'false',
  'False',
  '',
  null,
  1,
  0,
  'yes',
  [],
  {},
];

const ADDRESSES = [
  ...[
    'Sue@Example.COM',
    'sue+tag@example.com',
    'sue.a.b@example.co.uk',
    "o'hara@example.com",
    'sue@localhost',
    'sue@a',
  ],
  ...[
    '"sue a"@example.com',
    '"sue"@example.com',
    'sue@[127.0.0.1]',
    'sue@127.0.0.1',
    'sue@-example.com',
    'sue@example-.com',
  ],
  ...[
    'sue@exa_mple.com',
    'sue@example.c',
    'sue@example.123',
    'sue@example.com.',
    '.sue@example.com',
    'sue.@example.com',
  ],
  ...[
    's..e@example.com',
    'sue@@example.com',
    'sue',
    'sue@',
    '@example.com',
    ' sue@example.com',
    'sue@example.com ',
    'sue@ex ample.com',
  ],
  ...[
    'sue@example.com\n',
    'sue@example.com\0',
    'sü@example.com',
    'sue@exämple.com',
    'sue@xn--exmple-cua.com',
    'а@example.com',
  ],
  ...[
    '<sue@example.com>',
    'Sue <sue@example.com>',
    'sue@example.com,eve@example.com',
    'mailto:sue@example.com',
    'sue@example.com#x',
  ],
  ...[
    'sue%40evil@example.com',
    'sue!bang@example.com',
    'sue/slash@example.com',
    '{sue}@example.com',
    'sue@ex.am.pl.e.com',
  ],
  ...[
    `${'a'.repeat(64)}@example.com`,
    `${'a'.repeat(65)}@example.com`,
    `sue@${'a'.repeat(63)}.com`,
    `sue@${'a'.repeat(64)}.com`,
  ],
  ...[
    'ci@proj.iam.gserviceaccount.com',
    '1@2.de',
    '_@example.com',
    '-@example.com',
    '"@"@example.com',
    '\\@example.com',
  ],
];

const emailCases: readonly DifferentialCase[] = [
  ...VERIFIED.flatMap((value) =>
    ['email', 'unverified'].map((issuer) => ({
      title: `with email_verified ${JSON.stringify(value)}`,
      issuer,
      claims: { email, email_verified: value },
    })),
  ),
  ...['email', 'unverified'].map((issuer) => ({
    title: 'without email_verified',
    issuer,
    claims: { email },
  })),
  ...ADDRESSES.map((address) => ({
    title: `for the address ${JSON.stringify(address)}`,
    issuer: 'email',
    claims: { email: address, email_verified: true },
  })),
  ...casesOf(
    'email',
    { email_verified: true },
    {
      'without an address': {},
      'with an empty address': { email: '' },
      'with null as address': { email: null },
      'with a number as address': { email: 7 },
      'with a list as address': { email: [email] },
    },
  ),
];

const claims = { email, email_verified: true };
const CONNECTORS: readonly unknown[] = [
  ...[
    'https://github.com/login/oauth',
    'google',
    '',
    ' ',
    'a\nb',
    'ü',
    7,
    1.5,
    1e6,
    1e21,
    true,
    false,
    null,
    [],
    ['x', 'y'],
    {},
  ],
  ...[{ a: 1, b: [2, 'c'] }],
];

const dexCases: readonly DifferentialCase[] = [
  ...CONNECTORS.map((connector_id) => ({
    title: `of the connector ${JSON.stringify(connector_id)}`,
    issuer: 'dex',
    claims: { ...claims, federated_claims: { connector_id, user_id: '583231' } },
  })),
  ...casesOf('dex', claims, {
    'without federated claims': {},
    'without a connector': { federated_claims: {} },
    'with federated claims that are a text': { federated_claims: 'x' },
    'with federated claims that are a list': { federated_claims: [{ connector_id: 'x' }] },
    'with federated claims that are null': { federated_claims: null },
    'of a connector in capitals': { federated_claims: { Connector_ID: 'x' } },
  }),
  ...casesOf('bracket', claims, {
    'of an issuer in a list': { 'other.issuer': ['https://other.example'] },
    'of an empty list': { 'other.issuer': [] },
    'of a text where a list should be': { 'other.issuer': 'x' },
  }),
];

/** A pattern with dots, and one with an issuer-claim, which Fulcio allows there. */
const patternCases: readonly DifferentialCase[] = [
  ...['mail/a.b.example', 'mail/a.b.c.example', 'mail/a.example', 'mail/a.b-example'].map((issuer) => ({
    title: 'by a pattern',
    issuer,
    claims,
    challenge: email,
  })),
  ...['https://connector.example', undefined, 7].map((connector) => ({
    title: `by a pattern, of the connector ${String(connector)}`,
    issuer: 'connected/a',
    claims: { ...claims, connector },
    challenge: email,
  })),
];

const USERNAMES = [
  ...[
    'sue',
    'Sue',
    'sue.doe',
    'sue doe',
    'sue!doe',
    '!',
    'sue@example.com',
    'sue@',
    '@',
    'sü',
    'а',
    '日本',
    '7',
    'a/b',
    '../b',
    'a\nb',
    'a\0b',
  ],
  ...[
    ' sue',
    'sue ',
    'sue%40',
    '"sue"',
    'x'.repeat(300),
    '\u202esue',
    'su\u200be',
    'su\ufe0fe',
    'sue\u00a0',
    '😀',
    '',
  ],
];

const usernameCases: readonly DifferentialCase[] = USERNAMES.map((sub) => ({
  title: `for the user ${JSON.stringify(sub.slice(0, 40))}`,
  issuer: 'username',
  claims: { sub },
}));

const URIS = [
  ...[
    'http://127.0.0.1',
    'http://127.0.0.1/',
    'http://127.0.0.1/a/b',
    'http://127.0.0.1:80/a',
    'http://127.0.0.1:8443/a',
    'http://127.0.0.1:/a',
  ],
  ...[
    'HTTP://127.0.0.1/A',
    'hTtP://127.0.0.1/a',
    'https://127.0.0.1/a',
    'ftp://127.0.0.1/a',
    '//127.0.0.1/a',
    '127.0.0.1/a',
    '/a',
    'a',
    '',
  ],
  ...[
    'http://127.0.0.2/a',
    'http://localhost/a',
    'http://127.0.0.1.evil.example/',
    'http://127.0.0.1@evil.example/',
    'http://evil.example@127.0.0.1/',
  ],
  ...[
    'http://u:p@127.0.0.1/a',
    'http://u@127.0.0.1/',
    'http://127.0.0.1/a b',
    'http://127.0.0.1/a%20b',
    'http://127.0.0.1/%zz',
    'http://127.0.0.1/%2F',
  ],
  ...[
    'http://127.0.0.1/ü',
    'http://127.0.0.1/日本',
    'http://127.0.0.1/a/../b',
    'http://127.0.0.1/./a//b',
    'http://127.0.0.1/a?b=c&d',
    'http://127.0.0.1?x',
  ],
  ...[
    'http://127.0.0.1/?',
    'http://127.0.0.1/#',
    'http://127.0.0.1/#f',
    'http://127.0.0.1/a#f?g',
    'http://127.0.0.1/a"b',
    'http://127.0.0.1/<b>',
    'http://127.0.0.1/[b]',
  ],
  ...[
    'http://127.0.0.1/{b}|\\^`',
    'http://127.0.0.1/a\nb',
    'http://127.0.0.1/a\0',
    'http://127.0.0.1/a\tb',
    'http://127.0.0.1/\u007f',
    ' http://127.0.0.1/',
    'http://127.0.0.1/ ',
  ],
  ...[
    'http:127.0.0.1',
    'http:/127.0.0.1',
    'http:///a',
    'http://',
    'http://127.0.0.1:x/',
    'http://127.0.0.1:99999/',
    'http://[127.0.0.1]/',
    'http://127.0.0.1%20/',
  ],
  ...[
    'http://127.1/',
    'http://0x7f.0.0.1/',
    'http://127.0.0.1./',
    'sue@127.0.0.1',
    'sue@example.com',
    'http://127.0.0.1/sue@example.com',
    'mailto:sue@127.0.0.1',
  ],
  ...[
    "http://127.0.0.1/!$&'()*+,;=:@~-._",
    'http://127.0.0.1/a;b',
    'http://127.0.0.1/a:b',
    'http://127.0.0.1//a',
    'http://127.0.0.1/😀',
    'http://127.0.0.1/a?ü',
    'http://127.0.0.1/a?%zz',
  ],
  ...[
    'http://127.0.0.1/a#ü',
    'http://127.0.0.1/a#%zz',
    'http://127.0.0.1/a?b c',
    `http://127.0.0.1/${'x'.repeat(3000)}`,
  ],
];

const uriCases: readonly DifferentialCase[] = URIS.map((sub) => ({
  title: `for the subject ${JSON.stringify(sub.slice(0, 60))}`,
  issuer: 'uri',
  claims: { sub },
}));

/** Tokens of providers that people log in at, whatever the type that fits them. */
const providerCases: readonly DifferentialCase[] = PROVIDER_CASES.filter(({ san }) => san.includes('@')).map(
  ({ preset, claims }) => ({
    title: `of ${preset}, for ${String(claims['email'])}`,
    issuer: 'email',
    claims,
  }),
);

const all: readonly DifferentialCase[] = [
  ...emailCases,
  ...dexCases,
  ...patternCases,
  ...usernameCases,
  ...uriCases,
  ...providerCases,
  {
    title: 'of Entra, which verifies no address',
    issuer: 'unverified',
    claims: { sub: 'pairwise', oid: 'x', tid: 'y', email, preferred_username: email },
  },
  {
    title: 'of Jenkins',
    issuer: 'uri',
    claims: { sub: 'http://127.0.0.1/job/app/job/main/', build_number: 118 },
  },
];

/** Mayfly does not come to look. */
const UNREACHED = { fulcio: {}, mayfly: { ...REFUSED, status: 503 } };

const UNENCODABLE = { status: 400, message: /^the identity of the token cannot stand in a certificate/ };

const INVISIBLE_ISSUER = { status: 400, message: /^the issuer for extension \S+ holds control or invisible/ };

export const peopleCases = explaining(
  all,
  ['private', UNREACHED, /^(?:mail\/a\.b\.example|connected\/a) by a pattern/],
  ['connector', STRICTER, /^dex of the connector (?:null|\[|\{)/],
  [
    'controls',
    { fulcio: { status: 200 }, mayfly: UNENCODABLE },
    /^username for the user "(?:a\\|\u202e|su(?:\u200b|\ufe0f))/,
  ],
  ['controls', { fulcio: { status: 200 }, mayfly: INVISIBLE_ISSUER }, /^dex of the connector "a\\nb"/],
  ['subject', STRICTER, /^username for the user ""/],
  [
    'spellings',
    STRICTER,
    /^uri for the subject "(?:HTTP|hTtP)|^uri for the subject "http:\/\/127\.0\.0\.1\/(?:a%20b|#)"/,
  ],
);
