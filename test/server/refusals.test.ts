import { expect } from 'chai';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { tokenWith } from '../support/raw-token.ts';
import {
  bodyV1,
  bodyV2,
  changedPolicy,
  clientKey,
  emailToken,
  post,
  fulcioWords,
  refusalOf,
  startTestService,
  type ClientKey,
  type TestService,
} from '../support/test-service.ts';

const TOKEN = 'There was an error processing the identity token';
const KEY = 'The public key supplied in the request could not be parsed';
const INSECURE = 'The public key supplied in the request is insecure';
const UNPROVEN = 'The signature supplied in the request could not be verified';
const CSR = 'The certificate signing request could not be parsed';

interface Case {
  readonly name: string;
  readonly body: () => unknown;
  readonly message: string;
  readonly reason: string;
  readonly status?: number;
  readonly code?: number;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function rsaKey(modulusLength: number): ClientKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength });
  const pem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  const proof = sign('sha256', Buffer.from('alice@example.com'), privateKey).toString('base64');
  return { privateKey, pem, proof };
}

describe('server: refusals', () => {
  let service: TestService;
  let token: string;
  const key = clientKey();
  before(async () => {
    service = await startTestService();
    token = await emailToken(service);
  });
  after(() => service.close());

  const withToken = (text: string) => () => bodyV2(text, key);
  const signed = (claims: Readonly<Record<string, unknown>>) => () =>
    emailToken(service, claims).then((text) => bodyV2(text, key));
  const withKey =
    (pem: string, proof = key.proof) =>
    () =>
      bodyV2(token, { ...key, pem, proof });
  const now = () => Math.floor(Date.now() / 1000);

  const cases: readonly Case[] = [
    { name: 'no token', body: withToken(''), message: TOKEN, reason: 'TOKEN_MISSING' },
    {
      name: 'no token and no key: the token comes first',
      body: () => ({}),
      message: TOKEN,
      reason: 'TOKEN_MISSING',
    },
    { name: 'text that is no token', body: withToken('nonsense'), message: TOKEN, reason: 'TOKEN_MALFORMED' },
    {
      name: 'a token over 32 KiB',
      body: withToken('a'.repeat(33_000)),
      message: TOKEN,
      reason: 'TOKEN_TOO_LARGE',
    },
    {
      name: 'an issuer that is not configured',
      body: signed({ iss: 'https://unknown.example' }),
      message: TOKEN,
      reason: 'ISSUER_UNKNOWN',
    },
    { name: 'another audience', body: signed({ aud: 'other' }), message: TOKEN, reason: 'AUDIENCE_MISMATCH' },
    { name: 'an expired token', body: signed({ exp: now() - 240 }), message: TOKEN, reason: 'TOKEN_EXPIRED' },
    {
      name: 'a token of tomorrow',
      body: signed({ nbf: now() + 86_400, exp: now() + 90_000 }),
      message: TOKEN,
      reason: 'TOKEN_NOT_YET_VALID',
    },
    {
      name: 'an unverified address',
      body: signed({ email_verified: false }),
      message: TOKEN,
      reason: 'EMAIL_NOT_VERIFIED',
    },
    { name: 'no address', body: signed({ email: undefined }), message: TOKEN, reason: 'CLAIM_MISSING' },
    {
      name: 'a forged signature',
      body: () => bodyV2(tokenWith(token, {}), key),
      message: TOKEN,
      reason: 'TOKEN_SIGNATURE_INVALID',
    },
    {
      name: 'a token that is not signed',
      body: () => bodyV2(tokenWith(token, { alg: 'none' }), key),
      message: TOKEN,
      reason: 'ALGORITHM_REFUSED',
    },
    {
      name: 'no key',
      body: () => ({ credentials: { oidcIdentityToken: token } }),
      message: KEY,
      reason: 'KEY_MISSING',
    },
    { name: 'text that is no key', body: withKey('nonsense'), message: KEY, reason: 'KEY_MALFORMED' },
    {
      name: 'RSA with 1024 bits',
      body: () => bodyV2(token, rsaKey(1024)),
      message: INSECURE,
      reason: 'KEY_INSECURE',
    },
    {
      name: "another key's proof",
      body: withKey(key.pem, clientKey().proof),
      message: UNPROVEN,
      reason: 'PROOF_INVALID',
    },
    {
      name: 'a proof of other text',
      body: () => bodyV2(token, clientKey('bob@example.com')),
      message: UNPROVEN,
      reason: 'PROOF_INVALID',
    },
    { name: 'no proof', body: withKey(key.pem, ''), message: UNPROVEN, reason: 'PROOF_INVALID' },
    {
      name: 'a signing request that is none',
      body: () => ({
        credentials: { oidcIdentityToken: token },
        certificateSigningRequest: base64('invalid'),
      }),
      message: CSR,
      reason: 'CSR_MALFORMED',
    },
    {
      name: 'JSON of the wrong shape',
      body: () => '[1]',
      message: 'the request body must be a JSON object, not an array',
      reason: 'BODY_MALFORMED',
    },
    {
      name: 'a body over 256 KiB',
      body: () => `{"x":"${'a'.repeat(256 * 1024)}"}`,
      message: 'http: request body too large',
      reason: 'BODY_TOO_LARGE',
    },
  ];

  for (const { name, body, message, reason, status = 400, code = 3 } of cases) {
    it(`${name}: ${status} ${reason}`, async () => {
      const sent: unknown = await body();
      const before = service.log.status().size;
      const response = await post(`${service.url}/api/v2/signingCert`, sent, { 'x-request-id': 'r1' });
      expect(response.status).to.equal(status);
      expect(response.headers.get('content-type')).to.equal('application/json');
      const refusal = await refusalOf(response);
      expect(Object.keys(refusal)).to.deep.equal(['code', 'message', 'details']);
      expect(refusal.code).to.equal(code);
      expect(fulcioWords(refusal)).to.equal(message);
      const [info] = refusal.details;
      expect(info).to.include({
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason,
        domain: 'mayfly',
      });
      expect(info.metadata).to.include({ requestId: 'r1' });
      expect(info.metadata['sentence']).to.be.a('string').that.is.not.empty;
      expect(service.lines.at(-1)).to.include({
        event: 'refused',
        level: 'warn',
        requestId: 'r1',
        reason,
        status,
      });
      expect(service.log.status().size).to.equal(before);
    });
  }

  it('answers v1 in the same form, and takes no token from its body', async () => {
    const { credentials } = bodyV2(token, key);
    const response = await post(`${service.url}/api/v1/signingCert`, { ...bodyV1(key), credentials });
    expect(response.status).to.equal(400);
    const refusal = await refusalOf(response);
    expect(refusal.code).to.equal(3);
    expect(fulcioWords(refusal)).to.equal(TOKEN);
  });

  it('says what is wrong with an expired token behind the words of Fulcio, and who should do what in the details', async () => {
    const response = await post(
      `${service.url}/api/v2/signingCert`,
      bodyV2(await emailToken(service, { exp: now() - 240 }), key),
    );
    const refusal = await refusalOf(response);
    expect(refusal.message).to.match(new RegExp(`^${TOKEN}: the token expired 4 min`));
    expect(refusal.details[0].metadata['sentence']).to.match(/expired 4 min/);
    expect(refusal.details[0].metadata['hint']).to.be.a('string');
  });

  it('answers 503 with Retry-After when the issuer cannot be reached, as its own fault and not the caller’s', async () => {
    const other = await startTestService();
    const text = await emailToken(other);
    await other.issuer.close();
    const response = await post(`${other.url}/api/v2/signingCert`, bodyV2(text, key));
    expect(response.status).to.equal(503);
    expect(response.headers.get('retry-after')).to.match(/^\d+$/);
    const refusal = await refusalOf(response);
    expect(refusal.code).to.equal(14);
    expect(fulcioWords(refusal)).to.equal(TOKEN);
    expect(refusal.details[0].reason).to.equal('ISSUER_UNREACHABLE');
    await other.close();
  });

  it('logs once per try why an issuer cannot be reached, and briefly that tokens were refused for it', async () => {
    const other = await startTestService();
    const text = await emailToken(other);
    await other.issuer.close();
    const send = () => post(`${other.url}/api/v2/signingCert`, bodyV2(text, key));
    for (let i = 0; i < 4; i++) expect((await send()).status).to.equal(503);
    other.skew += 10_000;
    for (let i = 0; i < 2; i++) expect((await send()).status).to.equal(503);
    const lines = other.lines.filter(({ reason }) => reason === 'ISSUER_UNREACHABLE');
    expect(lines.map(({ level }) => level)).to.deep.equal(['error', 'warn', 'warn', 'warn', 'error', 'warn']);
    expect(lines.map((line) => 'cause' in line)).to.deep.equal([true, false, false, false, true, false]);
    await other.close();
  });

  it('answers 503 as Fulcio words it when the log takes nothing, without a word of its inside', async () => {
    const other = await startTestService();
    const text = await emailToken(other);
    await other.log.close();
    const response = await post(`${other.url}/api/v2/signingCert`, bodyV2(text, key));
    expect(response.status).to.equal(503);
    expect(response.headers.get('retry-after')).to.equal('5');
    const refusal = await refusalOf(response);
    expect(refusal.code).to.equal(14);
    expect(fulcioWords(refusal)).to.equal('Error entering certificate in CTL');
    expect(refusal.details[0].reason).to.equal('LOG_CLOSED');
    expect(other.lines.at(-1)).to.include({ level: 'error', status: 503 });
    await other.close();
  });

  it('answers 500 without the inner text when a part fails in an unforeseen way', async () => {
    const other = await startTestService((values) =>
      changedPolicy(values, () => ({ identify: () => Promise.reject(new Error('the inner text')) })),
    );
    const response = await post(`${other.url}/api/v2/signingCert`, bodyV2(token, key));
    expect(response.status).to.equal(500);
    const text = await response.text();
    expect(text).to.not.contain('inner text');
    expect(JSON.parse(text)).to.include({ code: 13 });
    expect(other.lines.at(-1)).to.include({ level: 'error', reason: 'INTERNAL' });
    expect(String(other.lines.at(-1)?.['cause'])).to.contain('the inner text');
    await other.close();
  });

  it('refuses with 500 when the CA has come to its end', async () => {
    const other = await startTestService();
    other.skew = 4 * 365 * 86_400_000;
    const text = await other.issuer.sign(
      { email: 'alice@example.com', email_verified: true },
      { now: Date.now() + other.skew },
    );
    const response = await post(`${other.url}/api/v2/signingCert`, bodyV2(text, key));
    expect(response.status).to.equal(500);
    const refusal = await refusalOf(response);
    expect(refusal.code).to.equal(13);
    expect(fulcioWords(refusal)).to.equal('error communicating with CA backend');
    expect(refusal.details[0].reason).to.equal('AUTHORITY_EXPIRED');
    expect((await fetch(`${other.url}/readyz`)).status).to.equal(503);
    await other.close();
  });

  it('writes no token, proof or key into any line, metric or answer of all these refusals', async () => {
    const texts = [JSON.stringify(service.lines), await (await fetch(service.metricsUrl)).text()];
    const response = await post(`${service.url}/api/v2/signingCert`, bodyV2(token, clientKey('other')));
    texts.push(await response.text());
    const [header = '', payload = '', signature = ''] = token.split('.');
    const secrets = [
      header.slice(0, 16),
      payload.slice(0, 16),
      signature.slice(0, 16),
      key.proof.slice(0, 16),
    ];
    const body = key.pem.split('\n')[1] ?? '';
    for (const text of texts) {
      expect(text.length).to.be.greaterThan(100);
      for (const secret of [...secrets, body.slice(0, 30), body.slice(40, 60)])
        expect(text).to.not.contain(secret);
    }
  });
});
