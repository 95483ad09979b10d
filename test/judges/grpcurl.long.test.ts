/** grpcurl, which is written with the stock gRPC of Go: over TLS on the HTTPS port, by the proto files and by reflection alone. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import {
  bodyV2,
  clientKey,
  emailToken,
  startTestService,
  type TestService,
} from '../support/test-service.ts';
import { failureOf } from '../support/failure.ts';
import { projectRoot } from '../support/project-root.ts';
import { selfSigned } from '../support/tls-identity.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);
const V2 = 'dev.sigstore.fulcio.v2.CA';

describe('judge: grpcurl', function () {
  this.timeout(600_000);
  let scratch: string;
  let service: TestService;

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-grpcurl-'));
    const files = { certFile: join(scratch, 'cert.pem'), keyFile: join(scratch, 'key.pem') };
    const { cert, key } = await selfSigned('localhost');
    await writeFile(files.certFile, cert);
    await writeFile(files.keyFile, key);
    service = await startTestService(() => ({ tls: files, grpc: { withTls: true, reflection: true } }));
  });
  after(async () => {
    await service.close();
    await rm(scratch, { recursive: true, force: true });
  });

  it('calls what it finds, and what the proto files say', async function () {
    const program = await needClient(this, 'grpcurl-1.9.3');
    const address = `localhost:${new URL(service.url).port}`;
    const trust = ['-cacert', join(scratch, 'cert.pem')];
    const ask = async (...words: readonly string[]): Promise<string> =>
      (await run(program, [...trust, ...words])).stdout;
    const services = (await ask(address, 'list')).trim().split('\n');
    expect(services).to.include.members([V2, 'dev.sigstore.fulcio.v1beta.CA', 'grpc.health.v1.Health']);
    expect(await ask(address, 'describe', 'dev.sigstore.fulcio.v1beta.CA')).to.contain(
      '.google.api.HttpBody',
    );
    const files = ['-import-path', join(projectRoot, 'proto'), '-proto', 'fulcio.proto'];
    const http = (await (await fetch(`${service.metricsUrl}/readyz`)).json()) as { ready: boolean };
    expect(http.ready).to.equal(true);
    expect(await ask('-d', `{"service":"${V2}"}`, address, 'grpc.health.v1.Health/Check')).to.contain(
      '"SERVING"',
    );
    const message = JSON.stringify(bodyV2(await emailToken(service), clientKey()));
    for (const how of [files, []]) {
      const answer = JSON.parse(
        await ask(...how, '-d', message, address, `${V2}/CreateSigningCertificate`),
      ) as {
        signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
      };
      const [leaf = ''] = answer.signedCertificateEmbeddedSct.chain.certificates;
      expect(new X509Certificate(leaf).subjectAltName).to.equal('email:alice@example.com');
    }
    const refused = (await failureOf(ask('-d', '{}', address, `${V2}/CreateSigningCertificate`))) as {
      stderr: string;
    };
    expect(refused.stderr)
      .to.contain('InvalidArgument')
      .and.contain('There was an error processing the identity token');
    expect(refused.stderr).to.contain('TOKEN_MISSING');
  });
});
