/** The npm client signs against a running Mayfly, and its verifier accepts chain and SCT from the exported files. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { SigningConfig, TrustedRoot } from '@sigstore/protobuf-specs';
import { bundleBuilderFromSigningConfig } from '@sigstore/sign';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { sign } from 'sigstore';
import { type DevMayfly, runMayfly, startDev } from '../support/mayfly.ts';

describe('judge: sigstore-js', function () {
  this.timeout(60_000);
  let service: DevMayfly;
  let trustedRoot: Record<string, unknown>;
  let signingConfig: SigningConfig;
  const artifact = Buffer.from('what the client signs');

  before(async () => {
    service = await startDev({ byLauncher: 'built' });
    const trust = join(service.scratch, 'trust');
    const exported = await runMayfly([
      'trust',
      'export',
      '--data',
      service.data,
      '--out',
      trust,
      '--public-url',
      service.url,
    ]);
    expect(exported.code, exported.stderr).to.equal(0);
    const json = async (file: string): Promise<Record<string, unknown>> =>
      JSON.parse(await readFile(join(trust, file), 'utf8')) as Record<string, unknown>;
    trustedRoot = await json('trusted_root.json');
    signingConfig = SigningConfig.fromJSON(await json('signing_config.v0.2.json'));
  });

  after(() => service.stop());

  const signed = async (): Promise<Awaited<ReturnType<typeof sign>>> =>
    sign(artifact, {
      fulcioURL: service.url,
      tsaServerURL: service.url,
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

  it('signs with the services that the signing configuration names', async () => {
    const token = await service.token('ada@example.com');
    const builder = bundleBuilderFromSigningConfig({
      signingConfig,
      identityProvider: { getToken: () => Promise.resolve(token) },
      bundleType: 'messageSignature',
    });
    const bundle = bundleToJSON(await builder.create({ data: artifact }));
    expect(() => {
      verify(bundle, trustedRoot);
    }).not.to.throw();
  });

  it('refuses another identity, another log key, another CA and another timestamp authority: the acceptance above means something', async () => {
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
    expect(() => {
      verify(bundle, { ...trustedRoot, timestampAuthorities: [] });
    }).to.throw(/timestamp/);
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
