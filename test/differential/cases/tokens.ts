/** Tokens as such: signatures, algorithms, times, audiences, spellings. Whom they speak for hardly matters. */
import {
  casesOf,
  differing,
  LOOSER,
  REFUSED,
  STRICTER,
  type DifferentialCase,
} from '../differential-case.ts';

const issuer = 'email';
const email = 'sue@example.com';
const good = { email, email_verified: true };
const at = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

const GOOD_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

const part = (token: string, index: number): string => token.split('.')[index] ?? '';
const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const payload = (rest: string): string => `{"iss":"ISSUER","aud":"sigstore","sub":"s","exp":SOON${rest}}`;
const verified = '"email":"sue@example.com","email_verified":true';

export const tokenCases: readonly DifferentialCase[] = [
  ...GOOD_ALGORITHMS.map((alg) => ({ title: `signed with ${alg}`, issuer, alg, claims: good })),
  ...GOOD_ALGORITHMS.map((alg) => ({
    title: `signed with ${alg} where the issuer announces nothing`,
    issuer: 'quiet/email',
    alg,
    claims: good,
  })),
  ...casesOf(issuer, good, {
    'for two audiences': { aud: ['other', 'sigstore'] },
    'for one audience in a list': { aud: ['sigstore'] },
    'for another audience': { aud: 'other' },
    'for other audiences': { aud: ['other', 'sigstore2'] },
    'for an audience in capitals': { aud: 'Sigstore' },
    'for nobody': { aud: undefined },
    'for an empty list': { aud: [] },
    'for a number': { aud: 7 },
    'for null': { aud: null },
    'for a map': { aud: { sigstore: true } },
    'for a list with a number in it': { aud: ['sigstore', 7] },
    'that has expired': { exp: at(-10) },
    'that expires some day': { exp: at(1e9) },
    'that never expires': { exp: undefined },
    'that expires at null': { exp: null },
    'that expires at a text': { exp: 'tomorrow' },
    'that expires at a fraction': { exp: at(300) + 0.5 },
    'that expires at zero': { exp: 0 },
    'that expires before all time': { exp: -1 },
    'that is valid in four minutes': { nbf: at(240) },
    'that is valid in ten minutes': { nbf: at(600) },
    'that is valid since long': { nbf: 0 },
    'that is valid from a text': { nbf: 'soon' },
    'made tomorrow': { iat: at(86_400) },
    'made at no time': { iat: undefined },
    'with a nonce': { nonce: 'n', at_hash: 'x', azp: 'y' },
    'of an issuer with a slash behind it': { iss: 'http://127.0.0.1/email/' },
    'of an issuer that is not configured': { iss: 'https://unknown.example' },
    'of nobody': { iss: undefined },
    'of an empty issuer': { iss: '' },
    'of null': { iss: null },
    'of a number': { iss: 7 },
    'of a list': { iss: ['x'] },
    'with a subject that is a number': { sub: 7 },
    'with a subject that is null': { sub: null },
    'with an empty subject': { sub: '' },
    'without a subject': { sub: undefined },
    'with a claim nobody knows': { anything: { at: ['all', 7, null, true] } },
  }),
  { title: 'without a kid', issuer, claims: good, header: { kid: undefined } },
  { title: 'with an empty kid', issuer, claims: good, header: { kid: '' } },
  { title: 'with a kid that nobody publishes', issuer, claims: good, header: { kid: 'unknown' } },
  { title: 'with a kid that is a number', issuer, claims: good, header: { kid: 7 } },
  { title: 'with the kid of another key', issuer, claims: good, header: { kid: 'p256' } },
  { title: 'of another type', issuer, claims: good, header: { typ: 'at+jwt' } },
  { title: 'without a type', issuer, claims: good, header: { typ: undefined } },
  { title: 'signed with a foreign key', issuer, claims: good, foreignKey: true },
  {
    title: 'signed with a foreign key without a kid',
    issuer,
    claims: good,
    foreignKey: true,
    header: { kid: undefined },
  },
  { title: 'with another algorithm in the header', issuer, claims: good, header: { alg: 'RS384' } },
  { title: 'that says none', issuer, claims: good, header: { alg: 'none' } },
  {
    title: 'that says none and has no signature',
    issuer,
    claims: good,
    header: { alg: 'none' },
    bend: (token) => `${part(token, 0)}.${part(token, 1)}.`,
  },
  { title: 'that says HS256', issuer, claims: good, header: { alg: 'HS256' } },
  { title: 'without an algorithm', issuer, claims: good, header: { alg: undefined } },
  { title: 'of an issuer without keys', issuer: 'keyless/email', claims: good },
  { title: 'that is empty', issuer, bend: () => '' },
  { title: 'that is a word', issuer, bend: () => 'token' },
  { title: 'that is dots', issuer, bend: () => '..' },
  { title: 'of a thousand dots', issuer, bend: () => '.'.repeat(1000) },
  { title: 'of two parts', issuer, claims: good, bend: (token) => token.slice(0, token.lastIndexOf('.')) },
  { title: 'of four parts', issuer, claims: good, bend: (token) => `${token}.x` },
  { title: 'with padding', issuer, claims: good, bend: (token) => `${token}==` },
  {
    title: 'in the other base64',
    issuer,
    claims: good,
    bend: (token) => token.replaceAll('-', '+').replaceAll('_', '/'),
  },
  {
    title: 'with a changed payload',
    issuer,
    claims: good,
    bend: (token) => [part(token, 0), json({ iss: 'x' }), part(token, 2)].join('.'),
  },
  { title: 'with another signature', issuer, claims: good, bend: (token) => `${token.slice(0, -8)}AAAAAAAA` },
  { title: 'whose payload is a list', issuer, payload: '[]' },
  { title: 'whose payload is null', issuer, payload: 'null' },
  { title: 'whose payload is a text', issuer, payload: '"x"' },
  { title: 'whose payload is no JSON', issuer, payload: '}{' },
  { title: 'whose payload is nothing', issuer, payload: '' },
  {
    title: 'with blanks in its payload',
    issuer,
    payload: ` ${payload(`,${verified}`)} \n`,
    challenge: email,
  },
  {
    title: 'with more behind its payload',
    issuer,
    payload: `${payload(`,${verified}`)}{}`,
    challenge: email,
  },
  {
    title: 'with an audience twice',
    issuer,
    payload: payload(`,"aud":"other",${verified}`),
    challenge: email,
  },
  {
    title: 'with an escaped name',
    issuer,
    payload: payload(',"\\u0065mail":"sue@example.com","email_verified":true'),
    challenge: email,
  },
  ...differing(
    'times',
    STRICTER,
    casesOf(issuer, good, {
      'that expires at a number in a text': { exp: String(at(300)) },
      'that is valid from null': { nbf: null },
    }),
  ),
  ...differing(
    'unread',
    LOOSER,
    casesOf(issuer, good, {
      'made at null': { iat: null },
      'made at a text': { iat: 'yesterday' },
      'with a nonce that is no text': { nonce: 7 },
      'with an at_hash that is no text': { at_hash: 7 },
    }),
  ),
  ...differing('critical', STRICTER, [
    { title: 'with a critical header', issuer, claims: good, header: { crit: ['b64'], b64: true } },
  ]),
  ...differing('fault', { fulcio: REFUSED, mayfly: { ...REFUSED, status: 503 } }, [
    { title: 'of an issuer that lies about its name', issuer: 'liar/email', claims: good },
    { title: 'of an issuer that is down', issuer: 'down/email', claims: good },
  ]),
  ...differing('blanks', STRICTER, [
    { title: 'with a blank behind it', issuer, claims: good, bend: (token) => `${token} ` },
    { title: 'with a line break behind it', issuer, claims: good, bend: (token) => `${token}\n` },
  ]),
  ...differing('json', STRICTER, [
    {
      title: 'with an address twice',
      issuer,
      payload: payload(`,"email":"eve@example.com",${verified}`),
      challenge: email,
    },
    {
      title: 'with half a surrogate pair',
      issuer,
      payload: payload(`,"x":"\\ud800",${verified}`),
      challenge: email,
    },
    {
      title: 'with a number beyond all',
      issuer,
      payload: payload(`,"x":1e999,${verified}`),
      challenge: email,
    },
    {
      title: 'with deep claims',
      issuer,
      payload: payload(`,"x":${'['.repeat(40)}${']'.repeat(40)},${verified}`),
      challenge: email,
    },
  ]),
  ...differing('names', STRICTER, [
    {
      title: 'with names in capitals',
      issuer,
      payload: payload(',"Email":"sue@example.com","EMAIL_VERIFIED":true'),
      challenge: email,
    },
  ]),
  ...differing('names', LOOSER, [
    {
      title: 'with an audience in capitals beside it',
      issuer,
      payload: payload(`,"AUD":"other",${verified}`),
      challenge: email,
    },
  ]),
];
