import { expect } from 'chai';
import { createPrivateKey } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import type { IncomingMessage } from 'node:http';
import { createAuthorityChain } from '../../ca/ceremony.ts';
import { encodePem } from '../../core/pem.ts';
import { createHttpServer } from '../../server/http/http-listener.ts';
import { loadTlsPair, TlsError } from '../../server/http/tls-certificate.ts';
import { startTestService } from '../support/test-service.ts';
import { failureOf } from '../support/failure.ts';

/** A certificate that TLS can serve (nobody checks it here), and its key. */
async function makePair(directory: string, clock = Date.now): Promise<{ cert: string; key: string }> {
  const chain = await createAuthorityChain({
    organization: 'Test',
    commonName: directory.slice(-20),
    keyType: 'p256',
    clock,
    dev: false,
  });
  const key = createPrivateKey(chain.rootKey.export({ type: 'pkcs8', format: 'pem' }));
  return {
    cert: encodePem('CERTIFICATE', chain.rootDer),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

describe('server: TLS', () => {
  let scratch: string;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-tls-'));
  });
  after(() => rm(scratch, { recursive: true, force: true }));

  /** Swaps `current` to a directory with a new pair, as Kubernetes does with secrets. */
  async function swapIn(name: string): Promise<string> {
    const directory = join(scratch, name);
    const { cert, key } = await makePair(directory);
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
    await writeFile(join(directory, 'tls.crt'), cert);
    await writeFile(join(directory, 'tls.key'), key);
    await symlink(directory, join(scratch, 'next'));
    await rename(join(scratch, 'next'), join(scratch, 'current'));
    return cert;
  }

  const files = () => ({
    certFile: join(scratch, 'current', 'tls.crt'),
    keyFile: join(scratch, 'current', 'tls.key'),
  });

  it('speaks no version that has been broken, and waits ten seconds for a handshake', async () => {
    const { cert, key } = await makePair('versions');
    const pair = { cert: Buffer.from(cert), key: Buffer.from(key), notAfter: 0, fingerprint: '' };
    const server = createHttpServer(pair) as unknown as Readonly<Record<string, unknown>>;
    expect(server['minVersion']).to.equal('TLSv1.2');
    expect(server['maxVersion']).to.equal(undefined);
    // Where the runtime keeps it: no option of a server can be read back.
    const handshake = Object.getOwnPropertySymbols(server).find(
      ({ description }) => description === 'handshake-timeout',
    );
    expect(handshake === undefined ? undefined : Reflect.get(server, handshake)).to.equal(10_000);
  });

  async function servedBy(url: string): Promise<string> {
    const sent = request(`${url}/healthz`, { rejectUnauthorized: false, agent: false });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    if (!(response.socket instanceof TLSSocket)) throw new TypeError('the answer did not come over TLS');
    const der = response.socket.getPeerCertificate().raw;
    response.resume();
    await once(response, 'close');
    return encodePem('CERTIFICATE', der);
  }

  it('serves HTTPS, follows a renewed pair, and keeps the old one, loudly, when the new one is bad', async () => {
    const first = await swapIn('one');
    const service = await startTestService(() => ({ tls: files() }));
    expect(service.url).to.match(/^https:/);
    expect(await servedBy(service.url)).to.equal(first);
    const second = await swapIn('two');
    await service.checkTls();
    expect(await servedBy(service.url)).to.equal(second);
    await writeFile(files().keyFile, (await makePair('other')).key);
    await service.checkTls();
    await service.checkTls();
    expect(await servedBy(service.url)).to.equal(second);
    const loud = service.lines.filter(({ level }) => level === 'error');
    expect(loud).to.have.length(1);
    expect(loud[0]?.['sentence']).to.contain('is not the key of');
    // Another renewal that is bad in the same way.
    await writeFile(files().keyFile, (await makePair('yet another')).key);
    for (let i = 0; i < 2; i++) await service.checkTls();
    expect(service.lines.filter(({ level }) => level === 'error')).to.have.length(2);
    expect(await (await fetch(service.metricsUrl)).text()).to.contain(
      'mayfly_tls_renewals_total{outcome="failure"} 2\n',
    );
    const third = await swapIn('three');
    await service.checkTls();
    expect(await servedBy(service.url)).to.equal(third);
    await service.close();
  });

  it('shows a renewal that failed, and the end of what is served, to the operator', async () => {
    await swapIn('followed');
    const service = await startTestService(() => ({ tls: files() }));
    const metrics = async (): Promise<Record<string, string>> => {
      const text = await (await fetch(service.metricsUrl)).text();
      const lines = [...text.matchAll(/^mayfly_tls_(\S+) (\S+)$/gm)];
      return Object.fromEntries(lines.map(([, name = '', value = '']) => [name, value]));
    };
    const tlsCheck = async (): Promise<{ ready: boolean; ok: boolean; detail: string }> => {
      const answer = await fetch(`${service.metricsUrl}/readyz`);
      const { ready, checks } = (await answer.json()) as {
        ready: boolean;
        checks: { name: string; ok: boolean; detail: string }[];
      };
      const { ok = false, detail = '' } = checks.find(({ name }) => name === 'tls') ?? {};
      return { ready, ok, detail };
    };
    const served = await loadTlsPair(files(), Date.now());
    const end = String(served.notAfter / 1000);
    expect(await metrics()).to.deep.equal({
      last_renewal_success: '1',
      not_after_seconds: end,
      'renewals_total{outcome="success"}': '0',
      'renewals_total{outcome="failure"}': '0',
    });
    expect(await tlsCheck()).to.include({ ready: true, ok: true });

    await writeFile(files().keyFile, (await makePair('other')).key);
    for (let i = 0; i < 3; i++) await service.checkTls();
    expect(await metrics()).to.deep.equal({
      last_renewal_success: '0',
      not_after_seconds: end,
      'renewals_total{outcome="success"}': '0',
      'renewals_total{outcome="failure"}': '1',
    });
    const failed = await tlsCheck();
    expect(failed).to.include({ ready: true, ok: false });
    expect(failed.detail)
      .to.include('is not the key of')
      .and.include(new Date(served.notAfter).toISOString());

    await swapIn('renewed');
    await service.checkTls();
    expect(await metrics()).to.include({
      last_renewal_success: '1',
      'renewals_total{outcome="success"}': '1',
    });
    expect(await tlsCheck()).to.include({ ready: true, ok: true });

    // Nobody renewed it in time.
    service.skew = served.notAfter - Date.now() + 86_400_000;
    expect((await tlsCheck()).ok).to.equal(false);
    expect((await tlsCheck()).detail).to.match(/the TLS certificate in use ended on/);
    await service.close();
  });

  it('has nothing about TLS where a proxy speaks it', async () => {
    const service = await startTestService();
    expect(await (await fetch(service.metricsUrl)).text()).not.to.include('mayfly_tls');
    expect(await (await fetch(`${service.metricsUrl}/readyz`)).text()).not.to.include('"tls"');
    await service.close();
  });

  it('says what is wrong with a pair', async () => {
    await swapIn('good');
    const good = files();
    const fault = async (pair: typeof good, now = Date.now()): Promise<string> =>
      loadTlsPair(pair, now).then(
        () => 'none',
        (error: unknown) => (error instanceof TlsError ? error.code : String(error)),
      );
    expect(await fault(good)).to.equal('none');
    expect(await fault({ ...good, certFile: join(scratch, 'nowhere') })).to.equal('TLS_FILE_UNREADABLE');
    expect(await fault({ ...good, certFile: good.keyFile })).to.equal('TLS_FILE_MALFORMED');
    expect(await fault({ ...good, keyFile: good.certFile })).to.equal('TLS_FILE_MALFORMED');
    for (const pair of [
      { ...good, certFile: good.keyFile },
      { ...good, keyFile: good.certFile },
    ]) {
      const error: unknown = await failureOf(loadTlsPair(pair, Date.now()));
      expect(error).to.be.instanceOf(TlsError).with.property('hint').that.includes('openssl');
    }
    expect(await fault(good, Date.now() + 20 * 365 * 86_400_000)).to.equal('TLS_EXPIRED');
  });
});
