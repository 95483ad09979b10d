import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { encodePem } from '../../core/pem.ts';
import { parseSigningConfig } from '../../trust/format/signing-config.ts';
import { parseTrustedRoot } from '../../trust/format/trusted-root.ts';
import { testAuthority } from '../ca/support/authority.ts';
import { startTestService, type TestService } from '../support/test-service.ts';

describe('server: trust material', () => {
  let service: TestService;
  beforeEach(async () => {
    service = await startTestService();
  });
  afterEach(() => service.close());

  const get = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${service.url}/trust/${path}`, init);

  it('lists its files, and serves each with its hash', async () => {
    const { files } = (await (await get('index.json')).json()) as {
      files: { name: string; size: number; sha256: string }[];
    };
    const names = files.map(({ name }) => name);
    expect(names).to.include.members(['trusted_root.json', 'root.pem', 'trust.p12', 'SHA256SUMS']);
    const listed = await (await get('')).text();
    for (const { name, size, sha256 } of files) {
      expect(listed).to.include(`  ${name}\n`);
      const response = await get(name);
      const body = Buffer.from(await response.arrayBuffer());
      expect(body.length, name).to.equal(size);
      expect(createHash('sha256').update(body).digest('hex'), name).to.equal(sha256);
    }
  });

  it('says who is trusted and where people log in', async () => {
    const root = parseTrustedRoot(await (await get('trusted_root.json')).text());
    expect(root.certificateAuthorities.map(({ uri, chain }) => [uri, chain])).to.deep.equal([
      [service.url, service.authority.chain],
    ]);
    expect(root.certificateLogs.map(({ baseUrl }) => baseUrl)).to.deep.equal([`${service.url}/log/2026/`]);
    const config = parseSigningConfig(await (await get('signing_config.v0.2.json')).text());
    expect(config.openidProviders.map(({ url }) => url)).to.deep.equal([service.issuer.url]);
    expect(config.certificateAuthorities.map(({ url }) => url)).to.deep.equal([service.url]);
  });

  it('publishes a successor that is staged while it runs', async () => {
    const before = await get('trusted_root.json');
    const next = await testAuthority();
    writeFileSync(join(dirname(service.logDirectory), 'next.pem'), next.chainPem);
    service.skew += 5000;
    const after = await get('trusted_root.json');
    expect(parseTrustedRoot(await before.text()).certificateAuthorities).to.have.length(1);
    const authorities = parseTrustedRoot(await after.text()).certificateAuthorities;
    expect(authorities.map(({ chain: [first] }) => encodePem('X', first ?? new Uint8Array()))).to.deep.equal(
      [service.authority.chain[0], next.intermediateDer].map((der) =>
        encodePem('X', der ?? new Uint8Array()),
      ),
    );
    expect(after.headers.get('etag')).not.to.equal(before.headers.get('etag'));
  });

  it('sends nothing again to a client that has it', async () => {
    const first = await get('root.pem');
    const etag = first.headers.get('etag') ?? '';
    expect(etag).to.match(/^"[0-9a-f]{32}"$/);
    expect(first.headers.get('cache-control')).to.equal('no-cache');
    service.skew += 60_000;
    const again = await get('root.pem', { headers: { 'If-None-Match': etag } });
    expect([again.status, await again.text(), again.headers.get('etag')]).to.deep.equal([304, '', etag]);
    expect((await get('chain.pem', { headers: { 'If-None-Match': etag } })).status).to.equal(200);
    const head = await get('root.pem', { method: 'HEAD' });
    expect([head.status, await head.text(), head.headers.get('content-length')]).to.deep.equal([
      ...[200, '', String((await first.text()).length)],
    ]);
  });

  it('has nothing but its files, and for reading alone', async () => {
    for (const path of [
      'nothing',
      '..%2fconfig.yaml',
      '%2e%2e/mayfly.json',
      'trusted_root.json/',
      '__proto__',
    ])
      expect((await get(path)).status, path).to.equal(404);
    const posted = await get('root.pem', { method: 'POST', body: 'x' });
    expect([posted.status, posted.headers.get('allow')]).to.deep.equal([501, 'GET, HEAD']);
  });

  it('goes on with what it read, and says so once, when the directory cannot be read any more', async () => {
    const before = await (await get('trusted_root.json')).text();
    const chain = join(dirname(service.logDirectory), 'chain.pem');
    rmSync(chain);
    for (let i = 0; i < 2; i++) {
      service.skew += 5000;
      expect(await (await get('trusted_root.json')).text()).to.equal(before);
    }
    const notes = service.lines.filter((line) => JSON.stringify(line).includes('trust material not read'));
    expect(notes).to.have.length(1);
    expect(JSON.stringify(notes)).to.include('chain.pem');
  });

  it('refuses with a fault of its own where nothing was ever read', async () => {
    rmSync(join(dirname(service.logDirectory), 'chain.pem'));
    const response = await get('trusted_root.json');
    expect(response.status).to.equal(500);
    expect(await response.text()).not.to.include('chain.pem');
  });
});
