/**
 * docs/migration.md, to the letter, with the material of a real Fulcio: its CA, its configuration, what its certificate log promised and what Sigstore's
 * own timestamp authority dated. Stock clients sign there and here, and verify both under the one trusted root that is handed out in the end.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleFromJSON, type SerializedBundle } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { sign } from 'sigstore';
import { findFulcio, FULCIO_VERSION } from '../../bench/fulcio-program.ts';
import { findTimestampServer } from '../../bench/timestamp-server.ts';
import { encodePem } from '../../core/pem.ts';
import { MigrationWalk } from '../cli/trust/support/migration-walk.ts';
import { findClient } from '../judges/support/stock-clients.ts';
import { emailConfig } from '../support/data-directory.ts';
import { failureOf } from '../support/failure.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { skipUnless } from '../support/skipped.ts';
import { deployFulcio, type FulcioDeployment } from './fulcio-deployment.ts';

const ARTIFACT = Buffer.from('what is signed');
const EMAIL = 'you@example.com';

describe(`docs/migration.md, with what Fulcio ${FULCIO_VERSION} leaves`, function () {
  this.timeout(600_000);
  let scratch: string;
  let issuer: TestIssuer;
  let old: FulcioDeployment | undefined;

  before(async function () {
    const log = (text: string): void => {
      console.error(`  ${text}`);
    };
    const [fulcio, timestampServer] = [findFulcio(log), findTimestampServer(log)];
    skipUnless(
      this,
      fulcio !== undefined && timestampServer !== undefined,
      'there is neither Go here nor what it built',
    );
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-from-fulcio-'));
    issuer = await startIssuer();
    const config = emailConfig(issuer.url).replace(/^mayfly.*\n/m, '');
    old = await deployFulcio(scratch, { fulcio, timestampServer }, config);
  });
  after(async () => {
    if (old === undefined) return;
    await old.close();
    await issuer.close();
    await rm(scratch, { recursive: true });
  });

  const path = (name: string): string => join(scratch, name);
  const trustedRoot = async (file: string): Promise<unknown> =>
    JSON.parse(await readFile(path(file), 'utf8')) as unknown;

  /** As a stock client does it; its bundle and its certificate are `NAME.json` and `NAME.pem`. */
  async function signAt(name: string, fulcioURL: string, tsaServerURL: string): Promise<SerializedBundle> {
    const identityToken = await issuer.sign({ email: EMAIL, email_verified: true });
    const bundle = await sign(ARTIFACT, { fulcioURL, tsaServerURL, tlogUpload: false, identityToken });
    const raw =
      bundle.verificationMaterial.certificate?.rawBytes ??
      bundle.verificationMaterial.x509CertificateChain?.certificates[0]?.rawBytes;
    await writeFile(path(`${name}.json`), JSON.stringify(bundle));
    await writeFile(path(`${name}.pem`), encodePem('CERTIFICATE', Buffer.from(raw ?? '', 'base64')));
    return bundle;
  }

  /** By @sigstore/verify; undefined where it accepts. */
  function complaint(bundle: SerializedBundle, root: unknown): string | undefined {
    const thresholds = { ctlogThreshold: 1, tlogThreshold: 0, timestampThreshold: 1 };
    try {
      new Verifier(toTrustMaterial(TrustedRoot.fromJSON(root)), thresholds).verify(
        toSignedEntity(bundleFromJSON(bundle), ARTIFACT),
        { subjectAlternativeName: EMAIL, extensions: { issuer: issuer.url } },
      );
      return undefined;
    } catch (error) {
      return String(error);
    }
  }

  it('takes the deployment over: bundles of before and after verify under one trusted root', async () => {
    if (old === undefined) throw new Error('Fulcio is not running');
    const theirs = await trustedRoot('trusted_root.json');
    const before = await signAt('old', old.fulcioUrl, old.timestampUrl);
    expect(complaint(before, theirs), 'before').to.equal(undefined);

    const walk = new MigrationWalk(scratch);
    const who = { identity: EMAIL, issuer: issuer.url };
    const made = await walk.adopt();
    expect(made)
      .to.include('CN=Old Fulcio')
      .and.to.match(/1 issuer, 0 meta issuers, 0 rules/);
    const kept = await readFile(path('data/config.yaml'), 'utf8');
    expect(kept.startsWith(await readFile(path('fulcio-config.yaml'), 'utf8'))).to.equal(true);
    expect(await walk.takeTrust()).to.match(/certificate log[^]*timestamp authority/);
    await walk.addTimestamps();
    await walk.handOut();
    await old.close();
    let after: SerializedBundle | undefined;
    await walk.serve(async (url) => {
      after = await signAt('new', url, url);
    });
    if (after === undefined) throw new Error('nothing was signed');

    await walk.verify('old', who);
    await walk.verify('new', who);
    for (const which of ['old', 'new'] as const)
      expect(await failureOf(walk.verify(which, { ...who, identity: 'eve@example.com' })), which).to.be.an(
        'error',
      );
    await walk.end(old.logId);
    await walk.verify('old', who);
    const ours = await trustedRoot('trust/trusted_root.json');
    expect(complaint(before, ours), 'of before, under what is handed out').to.equal(undefined);
    expect(complaint(after, ours), 'of after, under what is handed out').to.equal(undefined);
    expect(complaint(after, theirs), 'of after, under the old one').to.match(
      /timestamp could not be verified/,
    );

    const cosign = await findClient('cosign-3.1.2');
    if ('lacking' in cosign) console.warn(`      NOT TESTED: ${cosign.lacking}`);
    else for (const which of ['old', 'new']) await judgeByCosign(cosign.program, which);
  });

  /** Rejects where it refuses. */
  async function judgeByCosign(cosign: string, which: string): Promise<void> {
    await writeFile(path('artifact'), ARTIFACT);
    const time = ['--insecure-ignore-tlog', '--use-signed-timestamps'];
    const who = ['--certificate-identity', EMAIL, '--certificate-oidc-issuer', issuer.url];
    const trust = ['--trusted-root', path('trust/trusted_root.json'), '--bundle', path(`${which}.json`)];
    const env = { PATH: process.env['PATH'], HOME: scratch };
    await promisify(execFile)(cosign, ['verify-blob', ...trust, ...time, ...who, path('artifact')], { env });
  }
});
