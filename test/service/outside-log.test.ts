/** A CA that logs in the log of somebody else: that of a second service, which takes its certificates. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { toBase64 } from '../../core/bytes.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { decodePem, encodePem } from '../../core/pem.ts';
import { parseSct, parseSctList, SCT_LIST_OID } from '../../ct-log/format/sct.ts';
import { dataPaths } from '../../instance/data-paths.ts';
import { parseTrustedRoot } from '../../trust/format/trusted-root.ts';
import { anything, exactly } from '../../verify/identity-policy.ts';
import { verifyCertificate } from '../../verify/verify-certificate.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

describe('service: a CA whose log is outside', () => {
  let root: string;
  let issuer: TestIssuer;
  let outside: QuietService;
  const services: QuietService[] = [];
  const path = (name: string): string => join(root, name);

  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-outside-log-'));
    await makeDataDirectory(path('ca'), { config: emailConfig(issuer.url) });
    const chain = await readFile(dataPaths(path('ca')).chain, 'utf8');
    await writeFile(path('roots.pem'), chain.slice(chain.lastIndexOf('-----BEGIN')));
    const submission = `{ log: { submission: { roots: ${path('roots.pem')} } } }`;
    await makeDataDirectory(path('log'), { config: emailConfig(issuer.url, submission) });
    outside = await openQuietly(path('log'));
    services.push(outside);
    await writeFile(
      path('log.pub.pem'),
      encodePem('PUBLIC KEY', Buffer.from(await keyOf(outside), 'base64')),
    );
  });
  afterEach(async () => {
    await Promise.all(services.splice(0).map((service) => service.close()));
    await rm(root, { recursive: true, force: true });
  });

  const keyOf = async ({ logUrl }: QuietService): Promise<string> =>
    ((await (await fetch(`${logUrl}/log.v3.json`)).json()) as { readonly key: string }).key;
  const open = async (more = '', workers = 1): Promise<QuietService> => {
    const mayfly = `{ ct-log-url: ${outside.logUrl}, ct-log-public-key: ${path('log.pub.pem')}${more} }`;
    await writeFile(path('ca/config.yaml'), emailConfig(issuer.url, mayfly));
    const service = await openQuietly(path('ca'), { workers });
    services.push(service);
    return service;
  };
  const sign = async ({ url }: QuietService): Promise<Response> =>
    post(`${url}/api/v2/signingCert`, bodyV2(await emailToken({ issuer }), clientKey()));
  const size = async ({ logUrl }: QuietService): Promise<number> =>
    ((await (await fetch(`${logUrl}/ct/v1/get-sth`)).json()) as { readonly tree_size: number }).tree_size;
  const certificatesOf = async (answer: Response): Promise<Uint8Array[]> => {
    expect(answer.status, await answer.clone().text()).to.equal(200);
    const { signedCertificateEmbeddedSct: signed } = (await answer.json()) as {
      readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: readonly string[] } };
    };
    return signed.chain.certificates.flatMap((pem) => decodePem(pem).map(({ bytes }) => bytes));
  };

  it('issues with its SCT alone, and has verifiers trust it', async () => {
    const service = await open(`, audit: { file: { path: ${path('audit.jsonl')} }, fail-closed: true }`);
    const [certificate = new Uint8Array(), ...presented] = await certificatesOf(await sign(service));
    expect([await size(outside), await size(service)]).to.deep.equal([1, 0]);
    const scts = parseSctList(
      findExtension(parseCertificate(certificate), SCT_LIST_OID)?.value ?? new Uint8Array(),
    );
    const ids = scts.map((sct) => toBase64(parseSct(sct).logId));
    const trustedRoot = parseTrustedRoot(
      await (await fetch(`${service.url}/trust/trusted_root.json`)).text(),
    );
    const theirs = trustedRoot.certificateLogs.find(({ baseUrl }) => baseUrl === outside.logUrl);
    expect(ids).to.deep.equal([toBase64(theirs?.logId ?? new Uint8Array())]);
    const names = (await (await fetch(`${service.url}/trust/`)).text()).split('\n');
    expect(names.filter((name) => /^log-[0-9a-f]{16}\.pub\.pem$/.test(name.trim()))).to.have.length(1);
    const verification = await verifyCertificate({
      certificate,
      presented,
      trust: { roots: [], intermediates: [], logs: [], trustedRoot },
      policy: { identity: anything, issuer: exactly(issuer.url) },
      crypto: platformCrypto,
    });
    expect(verification.ok, JSON.stringify(verification)).to.equal(true);
    const [line] = (await readFile(path('audit.jsonl'), 'utf8')).trim().split('\n');
    const facts = JSON.parse(line ?? '') as Record<string, unknown>;
    expect(facts).to.include({ event: 'issued', log: outside.logUrl.replace('http://', '') });
    expect(facts).to.not.have.property('leafIndex');
    const readiness = await (await fetch(`${service.metricsUrl}/readyz`)).text();
    expect(readiness).to.contain(
      `certificates are logged at ${outside.logUrl}, and not in the log of this service`,
    );
    const metrics = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    expect(metrics).to.match(/mayfly_outside_log_entries_total\{outcome="logged"\} 1/);
  });

  it('keeps verifiers’ trust in it when certificates go to the own log again', async () => {
    const service = await open();
    await certificatesOf(await sign(service));
    await services.pop()?.close();
    await writeFile(path('ca/config.yaml'), emailConfig(issuer.url));
    const again = await openQuietly(path('ca'));
    services.push(again);
    await certificatesOf(await sign(again));
    expect([await size(outside), await size(again)]).to.deep.equal([1, 1]);
    const { certificateLogs } = parseTrustedRoot(
      await (await fetch(`${again.url}/trust/trusted_root.json`)).text(),
    );
    expect(certificateLogs.map(({ baseUrl }) => baseUrl)).to.include(outside.logUrl);
  });

  it('issues nothing when the log does not take it, and says so to nobody but the operator', async () => {
    const service = await open('', 2);
    await outside.close();
    const refused = async (): Promise<void> => {
      const answer = await sign(service);
      expect(answer.status).to.equal(503);
      const text = await answer.text();
      expect(text).to.contain('LOG_UNAVAILABLE').and.to.not.contain('outside').and.to.not.contain('ECONN');
    };
    await Promise.all(Array.from({ length: 3 }, refused));
    // Before anything of it is used up.
    await refused();
    const readiness = await fetch(`${service.metricsUrl}/readyz`);
    expect(readiness.status).to.equal(503);
    expect(await readiness.text()).to.match(/the last one failed: the outside log: it cannot be reached/);
    expect(await size(service)).to.equal(0);
  }).timeout(60_000);

  it('names what is wrong with its settings', async () => {
    const config = emailConfig(issuer.url, `{ ct-log-url: ${outside.logUrl} }`);
    await writeFile(path('ca/config.yaml'), config);
    const keyless = await openQuietly(path('ca')).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(keyless?.message).to.match(/ct-log-url.* needs ct-log-public-key/s);
    await writeFile(path('log.pub.pem'), 'nothing\n');
    const failure = await open().then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(failure?.message).to.match(/log\.pub\.pem, the file of mayfly\.ct-log-public-key, cannot be used/);
  });
});
