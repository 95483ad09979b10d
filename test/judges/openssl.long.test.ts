/** OpenSSL's command line judges chain, extensions and SCT of a certificate that the real program issued. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { hasOpenssl } from '../ca/support/openssl.ts';
import { type DevMayfly, runMayfly, startDev } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

const run = promisify(execFile);

describe('judge: openssl', function () {
  this.timeout(300_000);
  let service: DevMayfly;
  let out: string;
  let trust: string;

  before(async function () {
    skipUnless(this, hasOpenssl(), 'there is no openssl');
    service = await startDev({ byLauncher: 'built' });
    out = join(service.scratch, 'certificate');
    trust = join(service.scratch, 'trust');
    const exported = await runMayfly(['trust', 'export', '--data', service.data, '--out', trust]);
    expect(exported.code, exported.stderr).to.equal(0);
    const env = { SIGSTORE_ID_TOKEN: await service.token('ada@example.com') };
    const issued = await runMayfly(['certificate', '--url', service.url, '--out', out, '--trust', trust], {
      env,
    });
    expect(issued.code, issued.stderr).to.equal(0);
  });

  after(async () => {
    await (service as DevMayfly | undefined)?.stop();
  });

  const openssl = async (...args: string[]): Promise<string> => (await run('openssl', args)).stdout;

  it('verifies the chain', async () => {
    const anchors = ['-CAfile', join(trust, 'root.pem'), '-untrusted', join(trust, 'intermediate.pem')];
    const verdict = await openssl(
      'verify',
      '-x509_strict',
      '-purpose',
      'any',
      ...anchors,
      join(out, 'cert.pem'),
    );
    expect(verdict).to.contain('OK');
  });

  it('shows exactly one SCT, with the leaf index in its extensions', async () => {
    const text = await openssl('x509', '-in', join(out, 'cert.pem'), '-noout', '-ext', 'ct_precert_scts');
    expect(text.match(/Signed Certificate Timestamp:/g)).to.have.length(1);
    expect(text).to.match(/Extensions:\s*00:00:05:00:00:00:00:00/);
    expect(text).to.contain('ecdsa-with-SHA256');
  });

  it('shows the profile: critical key usage and SAN, code signing, empty subject, ten minutes', async () => {
    const text = await openssl('x509', '-in', join(out, 'cert.pem'), '-noout', '-text');
    expect(text).to.match(/Subject: *\n/);
    expect(text).to.match(/X509v3 Key Usage: critical\s*Digital Signature\n/);
    expect(text).to.match(/X509v3 Extended Key Usage:\s*Code Signing\n/);
    expect(text).to.match(/X509v3 Subject Alternative Name: critical\s*email:ada@example.com\n/);
    const dates = /Not Before: (.*)\n\s*Not After : (.*)\n/.exec(text);
    expect(Date.parse(dates?.[2] ?? '') - Date.parse(dates?.[1] ?? '')).to.equal(600_000);
  });
});
