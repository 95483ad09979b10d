/** A service whose operator insists on no log: it says so everywhere, and nothing looks as if it was logged. */
import { fromBinary } from '@bufbuild/protobuf';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { decodePem } from '../../core/pem.ts';
import { POISON_OID, SCT_LIST_OID } from '../../ct-log/format/sct.ts';
import { SigningCertificateSchema } from '../../server/grpc/protobuf/fulcio_pb.ts';
import { SigningMethodV2 } from '../../server/grpc/signing-methods.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { bodyV1, bodyV2, clientKey, emailToken, post, startTestService } from '../support/test-service.ts';

describe('service: no log, as the operator insists', () => {
  let root: string;
  let issuer: TestIssuer;
  const services: QuietService[] = [];

  before(async () => {
    issuer = await startIssuer();
    root = await mkdtemp(join(tmpdir(), 'mayfly-no-log-'));
    const audit = `{ audit: { file: { path: ${join(root, 'audit.jsonl')} }, fail-closed: true } }`;
    await makeDataDirectory(join(root, 'data'), { config: emailConfig(issuer.url, audit) });
  });
  afterEach(() => Promise.all(services.splice(0).map((service) => service.close())));
  after(async () => {
    await issuer.close();
    await rm(root, { recursive: true, force: true });
  });

  it('issues certificates without an SCT, answers as Fulcio does then, and says so', async () => {
    const service = await openQuietly(join(root, 'data'), { insecureNoLog: true, workers: 2 });
    services.push(service);
    const answer = await post(
      `${service.url}/api/v2/signingCert`,
      bodyV2(await emailToken({ issuer }), clientKey()),
    );
    const { signedCertificateDetachedSct: signed } = (await answer.json()) as {
      readonly signedCertificateDetachedSct: {
        readonly chain: { readonly certificates: readonly string[] };
        readonly signedCertificateTimestamp: string;
      };
    };
    expect(signed.signedCertificateTimestamp).to.equal('');
    expect(signed.chain.certificates).to.have.length(3);
    const [leaf] = decodePem(signed.chain.certificates[0] ?? '');
    const certificate = parseCertificate(leaf?.bytes ?? new Uint8Array());
    for (const oid of [SCT_LIST_OID, POISON_OID]) expect(findExtension(certificate, oid)).to.equal(undefined);
    const token = await emailToken({ issuer });
    const first = await post(`${service.url}/api/v1/signingCert`, bodyV1(clientKey()), {
      authorization: `Bearer ${token}`,
    });
    expect([first.status, first.headers.get('sct')]).to.deep.equal([201, null]);
    const head = (await (await fetch(`${service.logUrl}/ct/v1/get-sth`)).json()) as {
      readonly tree_size: number;
    };
    expect(head.tree_size).to.equal(0);
    const readiness = await (await fetch(`${service.metricsUrl}/readyz`)).text();
    expect(readiness).to.contain('INSECURE: certificates are in no log');
    expect(await (await fetch(`${service.metricsUrl}/metrics`)).text()).to.contain('mayfly_unlogged 1');
    // The end of a service waits for its log.
    await services.pop()?.close();
    expect(
      service.lines.some(({ level, sentence }) => level === 'warn' && /^INSECURE/.test(String(sentence))),
    ).to.equal(true);
    const [line = ''] = (await readFile(join(root, 'audit.jsonl'), 'utf8')).split('\n');
    const facts = JSON.parse(line) as Record<string, unknown>;
    expect(facts).to.include({ event: 'issued', log: 'none' }).and.to.not.have.property('leafIndex');
  });

  it('says over gRPC what it says over HTTP', async () => {
    const service = await startTestService();
    try {
      const [kind, none] = [true, false].map((hasSct) => {
        const frame = new SigningMethodV2(service.authority, hasSct).reply(Uint8Array.of(0x30, 0));
        return fromBinary(SigningCertificateSchema, frame.subarray(5)).certificate;
      });
      expect([kind?.case, none?.case]).to.deep.equal([
        'signedCertificateEmbeddedSct',
        'signedCertificateDetachedSct',
      ]);
      expect(none?.value?.chain?.certificates).to.have.length(3);
    } finally {
      await service.close();
    }
  });

  it('refuses a log and none', async () => {
    const config = emailConfig(
      issuer.url,
      `{ ct-log-url: "http://127.0.0.1:1", ct-log-public-key: ${join(root, 'key.pem')} }`,
    );
    await writeFile(join(root, 'config.yaml'), config);
    const options = { configFile: join(root, 'config.yaml'), insecureNoLog: true };
    const failure = await openQuietly(join(root, 'data'), options).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(failure?.message).to.match(
      /ct-log-url names a log, and --insecure-no-log says that there is none/,
    );
  });
});
