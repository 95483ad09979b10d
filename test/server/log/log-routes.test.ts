import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import {
  bodyV2,
  clientKey,
  emailToken,
  post,
  startTestService,
  type Change,
  type TestService,
} from '../../support/test-service.ts';

const IMMUTABLE = 'public, max-age=604800, immutable';
const get = async (url: string, init?: RequestInit): Promise<readonly [Response, string]> => {
  const response = await fetch(url, init);
  return [response, await response.text()];
};

async function issue(service: TestService, count: number): Promise<void> {
  const body = bodyV2(await emailToken(service), clientKey());
  for (let i = 0; i < count; i++) {
    expect((await post(`${service.url}/api/v2/signingCert`, body)).status).to.equal(200);
  }
}

describe('server: the read side of the log', () => {
  let service: TestService;
  before(async () => {
    service = await startTestService();
    await issue(service, 3);
  });
  after(() => service.close());

  it('serves each resource with its content type and cache header', async () => {
    const issuer = createHash('sha256')
      .update(service.authority.chain[0] ?? '')
      .digest('hex');
    const hash = Buffer.from(await (await fetch(`${service.logUrl}/tile/0/000.p/1`)).arrayBuffer());
    const proof = `ct/v1/get-proof-by-hash?hash=${encodeURIComponent(hash.toString('base64'))}&tree_size=3`;
    const table: readonly (readonly [string, string, string])[] = [
      ['checkpoint', 'text/plain; charset=utf-8', 'no-store'],
      ['tile/0/000.p/3', 'application/octet-stream', IMMUTABLE],
      ['tile/data/000.p/2', 'application/octet-stream', IMMUTABLE],
      [`issuer/${issuer}`, 'application/pkix-cert', IMMUTABLE],
      ['log.v3.json', 'application/json', 'public, max-age=60'],
      ['ct/v1/get-sth', 'application/json', 'no-store'],
      ['ct/v1/get-sth-consistency?first=1&second=3', 'application/json', IMMUTABLE],
      [proof, 'application/json', IMMUTABLE],
      ['ct/v1/get-entries?start=0&end=2', 'application/json', IMMUTABLE],
      ['ct/v1/get-entries?start=0&end=9', 'application/json', 'public, max-age=60'],
      ['ct/v1/get-entry-and-proof?leaf_index=1&tree_size=3', 'application/json', IMMUTABLE],
      ['ct/v1/get-roots', 'application/json', 'public, max-age=60'],
    ];
    for (const [path, contentType, cache] of table) {
      const response = await fetch(`${service.logUrl}/${path}`);
      const body = Buffer.from(await response.arrayBuffer());
      expect(response.status, path).to.equal(200);
      expect(response.headers.get('content-type'), path).to.equal(contentType);
      expect(response.headers.get('cache-control'), path).to.equal(cache);
      expect(response.headers.get('access-control-allow-origin'), path).to.equal('*');
      const head = await fetch(`${service.logUrl}/${path}`, { method: 'HEAD' });
      expect(head.status, path).to.equal(200);
      expect(head.headers.get('content-length'), path).to.equal(String(body.length));
      expect((await head.arrayBuffer()).byteLength).to.equal(0);
    }
  });

  it('answers what RFC 6962 says', async () => {
    const json = async (path: string): Promise<unknown> =>
      JSON.parse((await get(`${service.logUrl}/${path}`))[1]);
    expect(await json('ct/v1/get-sth')).to.include({ tree_size: 3 });
    expect(await json('ct/v1/get-sth-consistency?first=0&second=3')).to.deep.equal({ consistency: [] });
    const { entries } = (await json('ct/v1/get-entries?start=1&end=99')) as { entries: unknown[] };
    expect(entries).to.have.length(2);
    expect(await json('log.v3.json')).to.include({ submission_url: `${service.logUrl}/` });
  });

  it('lists the logs of the service', async () => {
    const [response, text] = await get(`${service.url}/log/`);
    expect(JSON.parse(text)).to.deep.equal({
      logs: [{ origin: 'localhost/log/2026', name: '2026', url: service.logUrl, state: 'current' }],
    });
    expect(response.headers.get('content-type')).to.equal('application/json');
    expect(response.headers.get('cache-control')).to.equal('public, max-age=60');
    expect(response.headers.get('access-control-allow-origin')).to.equal('*');
    expect((await fetch(`${service.url}/log/`, { method: 'HEAD' })).status).to.equal(200);
    expect((await post(`${service.url}/log/`, {})).status).to.equal(405);
    expect((await fetch(`${service.url}/log`)).status).to.equal(404);
    expect((await fetch(`${service.url}/log/2025/checkpoint`)).status).to.equal(404);
    const behindProxy = await startTestService(() => ({ publicUrl: 'https://ca.example.com' }));
    const [, published] = await get(`${behindProxy.url}/log/`);
    expect(JSON.parse(published)).to.have.nested.property('logs[0].url', 'https://ca.example.com/log/2026');
    await behindProxy.close();
  });

  it('says at its own path what can be read below it', async () => {
    for (const url of [service.logUrl, `${service.logUrl}/`]) {
      const [response, text] = await get(url);
      expect([response.status, response.headers.get('content-type')]).to.deep.equal([
        ...[200, 'text/plain; charset=utf-8'],
      ]);
      for (const path of [
        'checkpoint',
        'tile/',
        'issuer/',
        'log.v3.json',
        'get-sth',
        'get-proof-by-hash?hash',
      ])
        expect(text).to.include(path);
    }
    const [other, text] = await get(`${service.logUrl}/nothing`);
    expect([other.status, text]).to.deep.equal([404, 'this log has nothing at this path\n']);
    const closed = await startTestService(() => ({ logAccess: { kind: 'token', token: 'let me in' } }));
    expect((await fetch(closed.logUrl)).status).to.equal(401);
    await closed.close();
  });

  it('refuses wrong questions with 400 and a line of text', async () => {
    for (const [path, sentence] of [
      ['get-sth-consistency?first=1', 'the parameter second is missing'],
      ['get-sth-consistency?first=1&second=4', 'the tree has 3 entries, not 4'],
      ['get-sth-consistency?first=01&second=3', 'first must be a decimal number from 0 to 2^53-1'],
      ['get-sth-consistency?first=-1&second=3', 'first must be a decimal number from 0 to 2^53-1'],
      ['get-sth-consistency?first=1&first=2&second=3', 'the parameter first is given more than once'],
      ['get-entries?start=0&end=9007199254740993', 'end must be a decimal number from 0 to 2^53-1'],
      ['get-entries?start=3&end=5', 'the tree has 3 entries; start must be below that'],
      ['get-proof-by-hash?hash=xx&tree_size=3', 'hash must be 32 bytes in base64'],
    ]) {
      const [response, text] = await get(`${service.logUrl}/ct/v1/${path ?? ''}`);
      expect(response.status, path).to.equal(400);
      expect(text, path).to.equal(`${sentence ?? ''}\n`);
      expect(response.headers.get('cache-control'), path).to.equal('no-store');
    }
  });

  it('takes a plus sign that was not escaped', async () => {
    const hash = Buffer.from(await (await fetch(`${service.logUrl}/tile/0/000.p/3`)).arrayBuffer());
    for (const index of [0, 1, 2]) {
      const leaf = hash.subarray(32 * index, 32 * index + 32).toString('base64');
      const [, text] = await get(`${service.logUrl}/ct/v1/get-proof-by-hash?tree_size=3&hash=${leaf}`);
      expect(JSON.parse(text)).to.include({ leaf_index: index });
    }
  });

  it('answers what is missing with 404 that no cache keeps', async () => {
    const unknown = Buffer.alloc(32).toString('base64');
    for (const path of [
      'tile/0/000',
      'tile/0/000.p/4',
      'tile/0/00',
      'tile/../log.json',
      'tile/%2e%2e/log.json',
      `issuer/${'0'.repeat(64)}`,
      'issuer/nonsense',
      'log.json',
      'commit.db',
      'ct/v1/nothing',
      `ct/v1/get-proof-by-hash?tree_size=3&hash=${unknown}`,
    ]) {
      const response = await fetch(`${service.logUrl}/${path}`);
      expect(response.status, path).to.equal(404);
      expect(response.headers.get('cache-control') ?? 'no-store', path).to.equal('no-store');
    }
  });

  it('answers other methods with 405', async () => {
    for (const path of ['checkpoint', 'tile/0/000.p/3', 'ct/v1/get-sth']) {
      const response = await post(`${service.logUrl}/${path}`, {});
      expect(response.status, path).to.equal(405);
      expect(response.headers.get('allow'), path).to.equal('GET, HEAD');
    }
  });
});

describe('server: a read of the log that fails', () => {
  it('is a 500 without a word why, and in the log line a fault with its cause and where it arose', async () => {
    const service = await startTestService(({ log }) => ({
      log: {
        ...log,
        reader: {
          ...log.reader,
          checkpoint: () => {
            throw new Error('the tile cannot be read', { cause: new TypeError('a secret of the disk') });
          },
        },
      },
    }));
    const [response, text] = await get(`${service.logUrl}/checkpoint`);
    expect([response.status, text]).to.deep.equal([500, 'the log could not read this\n']);
    const line = service.lines.find(({ event }) => event === 'log read failed');
    expect(line).to.include({ level: 'error', endpoint: 'checkpoint' });
    expect(line?.['cause'])
      .to.match(/^Error: the tile cannot be read <- TypeError: a secret of the disk\n/)
      .and.match(/log-routes\.test\.[jt]s:\d+/);
    await service.close();
  });
});

describe('server: who may read the log', () => {
  async function statuses(change: Change, headers: readonly Record<string, string>[]): Promise<number[]> {
    const service = await startTestService(change);
    const out: number[] = [];
    for (const each of headers) {
      const response = await fetch(`${service.logUrl}/checkpoint`, { headers: each });
      out.push(response.status);
      expect(response.headers.has('access-control-allow-origin')).to.equal(false);
      expect((await fetch(`${service.url}/log/`, { headers: each })).status).to.equal(response.status);
    }
    await service.close();
    return out;
  }

  it('asks for the token, exactly', async () => {
    const access: Change = () => ({ logAccess: { kind: 'token', token: 'the-log-token' } });
    const attempts = ['', 'Bearer', 'Bearer the-log-toke', 'Bearer the-log-tokens', 'the-log-token'];
    const headers = [...attempts, 'Bearer the-log-token', 'bearer the-log-token'];
    expect(
      await statuses(
        access,
        headers.map((authorization) => ({ authorization })),
      ),
    ).to.deep.equal([...attempts.map(() => 401), 200, 200]);
  });

  it('takes a request through a proxy for one from elsewhere', async () => {
    const access: Change = () => ({ logAccess: { kind: 'loopback' } });
    const marks: readonly Record<string, string>[] = [
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
      { via: '1.1 proxy' },
      { 'x-real-ip': '127.0.0.1' },
      { 'x-forwarded-proto': 'https' },
      { 'X-Forwarded-Host': 'localhost' },
    ];
    expect(await statuses(access, [{}, ...marks])).to.deep.equal([200, ...marks.map(() => 403)]);
  });

  it('takes a request for another name for one from elsewhere, though it comes from this machine', async () => {
    const service = await startTestService(() => ({ logAccess: { kind: 'loopback' } }));
    const status = async (host: string): Promise<number | undefined> => {
      const request = httpRequest(`${service.logUrl}/checkpoint`, { headers: { host } }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    for (const host of ['localhost', 'localhost:5555', '127.0.0.1', '[::1]:80', 'LOCALHOST'])
      expect(await status(host), host).to.equal(200);
    for (const host of ['rebound.example', 'rebound.example:5555', 'localhost.example', '10.0.0.1'])
      expect(await status(host), host).to.equal(403);
    await service.close();
  });

  it('lets no cache in between keep what is not for everybody', async () => {
    const token = 'the-log-token';
    const cases: readonly (readonly [Change, Record<string, string>])[] = [
      [() => ({ logAccess: { kind: 'token', token } }), { authorization: `Bearer ${token}` }],
      [() => ({ logAccess: { kind: 'loopback' } }), {}],
    ];
    for (const [change, headers] of cases) {
      const service = await startTestService(change);
      await issue(service, 1);
      for (const [path, cache] of [
        ['checkpoint', 'no-store'],
        ['tile/0/000.p/1', 'private, max-age=604800, immutable'],
        ['tile/data/000.p/1', 'private, max-age=604800, immutable'],
        ['ct/v1/get-entries?start=0&end=0', 'private, max-age=604800, immutable'],
        ['ct/v1/get-entries?start=0&end=1', 'private, max-age=60'],
        ['log.v3.json', 'private, max-age=60'],
      ] as const) {
        const [response] = await get(`${service.logUrl}/${path}`, { headers });
        expect(response.status, path).to.equal(200);
        expect(response.headers.get('cache-control'), path).to.equal(cache);
      }
      await service.close();
    }
  });
});
