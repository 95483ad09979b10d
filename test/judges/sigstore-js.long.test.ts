/** The npm client signs against a running Mayfly, and its verifier accepts chain and SCT from the exported files. */
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { bundleFromJSON } from '@sigstore/bundle';
import { initializeTSA, tsaHandler } from '@sigstore/mock';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { sign } from 'sigstore';
import { decodePem } from '../../core/pem.ts';
import { type DevMayfly, runMayfly, startDev } from '../support/mayfly.ts';

/** A timestamp authority over HTTP: @sigstore/mock's, until Mayfly has its own. */
async function startTimestampAuthority(): Promise<{ url: string; chain: Uint8Array[]; close(): void }> {
  // Whole seconds: of other times it writes fractions that @sigstore/core cannot always read. A minute ahead, so that
  // the certificates of these tests are valid by then.
  const time = new Date(Math.ceil(Date.now() / 1000) * 1000 + 60_000);
  const tsa = await initializeTSA(generateKeyPairSync('ec', { namedCurve: 'P-256' }), time);
  const handler = tsaHandler(tsa);
  const server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const answer = await handler.fn(body);
      response.writeHead(answer.statusCode, { 'content-type': answer.contentType ?? 'text/plain' });
      response.end(answer.response);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const bytes = (view: ArrayBufferView): Uint8Array =>
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const chain = [bytes(tsa.intCertificate), bytes(tsa.rootCertificate)];
  return { url: `http://127.0.0.1:${port}`, chain, close: () => server.close() };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const authority = (name: string, chain: readonly Uint8Array[]): object => ({
  subject: { organization: name, commonName: name },
  uri: 'http://localhost',
  certChain: { certificates: chain.map((der) => ({ rawBytes: base64(der) })) },
  validFor: { start: '2020-01-01T00:00:00Z' },
});

describe('judge: sigstore-js', function () {
  this.timeout(60_000);
  let service: DevMayfly;
  let timestamps: Awaited<ReturnType<typeof startTimestampAuthority>>;
  let trustedRoot: Record<string, unknown>;
  const artifact = Buffer.from('what the client signs');

  before(async () => {
    service = await startDev({ byLauncher: 'built' });
    timestamps = await startTimestampAuthority();
    const trust = join(service.scratch, 'trust');
    await mkdir(trust);
    const exported = await runMayfly(['trust', 'export', '--data', service.data, '--out', trust]);
    expect(exported.code, exported.stderr).to.equal(0);
    const chain = decodePem(await readFile(join(trust, 'chain.pem'), 'utf8')).map((block) => block.bytes);
    const log = JSON.parse(await readFile(join(trust, 'log.v3.json'), 'utf8')) as {
      key: string;
      log_id: string;
    };
    trustedRoot = {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [],
      certificateAuthorities: [authority('mayfly', chain)],
      timestampAuthorities: [authority('tsa', timestamps.chain)],
      ctlogs: [
        {
          baseUrl: service.logUrl,
          hashAlgorithm: 'SHA2_256',
          publicKey: {
            rawBytes: log.key,
            keyDetails: 'PKIX_ECDSA_P256_SHA_256',
            validFor: { start: '2020-01-01T00:00:00Z' },
          },
          logId: { keyId: log.log_id },
        },
      ],
    };
  });

  after(async () => {
    timestamps.close();
    await service.stop();
  });

  const signed = async (): Promise<Awaited<ReturnType<typeof sign>>> =>
    sign(artifact, {
      fulcioURL: service.url,
      tsaServerURL: timestamps.url,
      tlogUpload: false,
      identityToken: await service.token('ada@example.com'),
    });

  const verify = (bundle: unknown, root: unknown, identity = 'ada@example.com'): void => {
    const thresholds = { ctlogThreshold: 1, tlogThreshold: 0, timestampThreshold: 1 };
    const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(root)), thresholds);
    verifier.verify(toSignedEntity(bundleFromJSON(bundle), artifact), {
      subjectAlternativeName: identity,
      extensions: { issuer: service.issuerUrl },
    });
  };

  it('signs, and its verifier accepts chain, SCT, identity and issuer', async () => {
    const bundle = await signed();
    expect(() => {
      verify(bundle, trustedRoot);
    }).not.to.throw();
  });

  it('refuses another identity, another log key and another CA: the acceptance above means something', async () => {
    const bundle = await signed();
    expect(() => {
      verify(bundle, trustedRoot, 'eve@example.com');
    }).to.throw(/identity/);
    expect(() => {
      verify(bundle, { ...trustedRoot, ctlogs: [] });
    }).to.throw(/SCT/);
    expect(() => {
      verify(bundle, { ...trustedRoot, certificateAuthorities: [] });
    }).to.throw(/certificate/);
  });

  it('is shown the reason when its token is refused', async () => {
    const identityToken = (await service.token('ada@example.com')).replace(/\.[^.]*$/, '.AAAA');
    const refusal = await sign(artifact, { fulcioURL: service.url, tlogUpload: false, identityToken }).then(
      () => '',
      (error: unknown) => String((error as { cause?: unknown }).cause ?? error),
    );
    expect(refusal).to.contain('There was an error processing the identity token');
  });
});
