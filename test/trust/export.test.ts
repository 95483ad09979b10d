import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SigningConfig, TrustedRoot } from '@sigstore/protobuf-specs';
import { bundleBuilderFromSigningConfig } from '@sigstore/sign';
import { toTrustMaterial } from '@sigstore/verify';
import { expect } from 'chai';
import { utf8, utf8Text } from '../../core/bytes.ts';
import { decodePem, encodePem } from '../../core/pem.ts';
import { exportTrust, filesOfTargets } from '../../trust/export.ts';
import { readTrust, recordTrust } from '../../trust/ledger.ts';
import { STORE_PASSWORD } from '../../trust/pkcs12-store.ts';
import { withPublicUrl } from '../../trust/public-urls.ts';
import { signingConfigOf } from '../../trust/signing-services.ts';
import { sigstoreTargets } from '../../trust/tuf/sigstore-targets.ts';
import { testAuthority } from '../ca/support/authority.ts';
import { hasOpenssl, openssl } from '../ca/support/openssl.ts';
import { skipUnless } from '../support/skipped.ts';
import { trustPlaces, type TrustPlaces } from './support/trust-places.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const NOTES = {
  publicUrl: 'https://ca.example.org',
  openidProvider: 'https://login.example.org',
  isDevelopment: false,
  version: 'test',
  now: NOW,
};

describe('trust/export', () => {
  let places: TrustPlaces;
  beforeEach(async () => {
    places = await trustPlaces();
  });
  afterEach(() => {
    places.remove();
  });

  const exported = async (now = NOW): Promise<ReadonlyMap<string, string>> => {
    const files = exportTrust(await readTrust(places.paths), { ...NOTES, now });
    return new Map(
      [...files].map(([name, bytes]) => [
        name,
        name.endsWith('.p12') ? Buffer.from(bytes).toString('latin1') : utf8Text(bytes),
      ]),
    );
  };
  const addTimestamps = async (): Promise<void> => {
    places.write(places.paths.timestampChain, (await testAuthority()).chainPem);
  };
  const file = (files: ReadonlyMap<string, string>, name: string): string => files.get(name) ?? '';
  const certificates = (text: string): readonly Uint8Array[] => decodePem(text).map(({ bytes }) => bytes);

  const FILES = ['trusted_root.json', 'signing_config.json', 'client_trust_config.json'];
  for (const shape of ['ca-only', 'tsa'])
    it(`has the members of the files of ${shape} that stock clients took, in their order`, async () => {
      if (shape === 'tsa') await addTimestamps();
      const files = await exported();
      for (const name of FILES) {
        const taken: unknown = JSON.parse(
          readFileSync(join('test/vectors/trust-shapes', shape, name), 'utf8'),
        );
        const ours: unknown = JSON.parse(file(files, name.replace('g_config.json', 'g_config.v0.2.json')));
        expect(shapeOf(ours), name).to.deep.equal(shapeOf(taken));
      }
    });

  it('says what those files say', async () => {
    await addTimestamps();
    const config = JSON.parse(file(await exported(), 'signing_config.v0.2.json')) as Record<string, unknown>;
    const operator = 'Example Org';
    const validFor = { start: '2026-11-22T10:00:00Z' };
    const service = (url: string): object => ({ url, majorApiVersion: 1, validFor, operator });
    expect(config).to.deep.equal({
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: [service('https://ca.example.org')],
      oidcUrls: [service('https://login.example.org')],
      rekorTlogUrls: [],
      tsaUrls: [service('https://ca.example.org/api/v1/timestamp')],
      tsaConfig: { selector: 'ANY' },
    });
  });

  it('is taken by the libraries of Sigstore', async () => {
    await addTimestamps();
    const files = await exported();
    const root = TrustedRoot.fromJSON(JSON.parse(file(files, 'trusted_root.json')));
    const material = toTrustMaterial(root);
    expect(material.certificateAuthorities).to.have.length(1);
    expect(material.ctlogs).to.have.length(1);
    expect(material.timestampAuthorities).to.have.length(1);
    const config = SigningConfig.fromJSON(JSON.parse(file(files, 'signing_config.v0.2.json')));
    const builder = bundleBuilderFromSigningConfig({
      signingConfig: config,
      identityProvider: { getToken: () => Promise.resolve('') },
      bundleType: 'messageSignature',
    });
    expect(builder).to.be.an('object');
  });

  it('puts certificates that others than clients of Sigstore need in files of their kind', async () => {
    const former = await testAuthority();
    places.write(join(places.paths.formerChains, 'aa.pem'), former.chainPem);
    const files = await exported();
    const { ca } = places;
    expect(certificates(file(files, 'root.pem'))).to.deep.equal([ca.rootDer, former.rootDer]);
    expect(certificates(file(files, 'intermediate.pem'))).to.deep.equal([
      ca.intermediateDer,
      former.intermediateDer,
    ]);
    expect(file(files, 'chain.pem')).to.equal(ca.chainPem);
    expect(file(files, 'intermediate.pem').slice(0, 99)).to.equal(
      encodePem('CERTIFICATE', ca.intermediateDer).slice(0, 99),
    );
    expect(files.has('tsa.pem')).to.equal(false);
    await addTimestamps();
    expect(certificates(file(await exported(), 'tsa.pem'))).to.have.length(2);
  });

  it('leaves what has ended out of the files that have no place for times', async () => {
    const former = await testAuthority();
    places.write(join(places.paths.formerChains, 'aa.pem'), former.chainPem);
    const old = await places.addLog('2025');
    places.write(places.paths.currentLog, '2026');
    const end = NOW + 1000;
    await recordTrust(places.paths, (root) => ({
      ...root,
      certificateAuthorities: root.certificateAuthorities.map((authority, index) =>
        index === 0 ? authority : { ...authority, window: { ...authority.window, end } },
      ),
      certificateLogs: root.certificateLogs.map((log, index) =>
        index === 0 ? log : { ...log, window: { ...log.window, end } },
      ),
    }));
    const [before, after] = [await exported(end), await exported(end + 1)];
    expect(certificates(file(before, 'root.pem'))).to.have.length(2);
    expect(certificates(file(before, 'log-2025.pub.pem'))).to.deep.equal([old.publicKey]);
    expect(certificates(file(after, 'root.pem'))).to.deep.equal([places.ca.rootDer]);
    expect(certificates(file(after, 'intermediate.pem'))).to.deep.equal([places.ca.intermediateDer]);
    expect(after.has('log-2025.pub.pem')).to.equal(false);
    const names = file(after, 'log.vkey')
      .split('\n')
      .map((line) => line.split('+', 1).join(''));
    expect(names).to.deep.equal([...[2026, 2026, 2025, 2025].map((year) => `localhost/log/${year}`), '']);
    expect(file(after, 'trusted_root.json')).to.equal(file(before, 'trusted_root.json'));
  });

  it('writes what TUF clients can make of their targets, to the byte', async () => {
    await addTimestamps();
    const trust = await readTrust(places.paths);
    const trustedRoot = withPublicUrl(trust.root, NOTES.publicUrl);
    const signingConfig = signingConfigOf(trust, NOTES);
    const targets = new Map(
      [...sigstoreTargets(trustedRoot, signingConfig, NOW)].map(
        ([name, { text }]) => [name, utf8(text)] as const,
      ),
    );
    const made = filesOfTargets(targets, { trustedRoot, signingConfig }, NOW);
    const whole = exportTrust(trust, NOTES);
    const notFollowing = ['log.vkey', 'log.v3.json'];
    expect([...whole.keys()].filter((name) => !made.has(name))).to.have.members(notFollowing);
    for (const [name, bytes] of whole)
      // A store has a salt of its own each time.
      if (![...notFollowing, 'SHA256SUMS', 'trust.p12'].includes(name))
        expect(made.get(name), name).to.deep.equal(bytes);
    for (const [name, bytes] of targets) expect(made.get(name), name).to.deep.equal(bytes);
  });

  it('is the same to the byte, with the hash of each file', async () => {
    await addTimestamps();
    const [first, second] = [await exported(), await exported()];
    expect(second).to.deep.equal(first);
    const sums = file(first, 'SHA256SUMS').trimEnd().split('\n');
    expect(sums).to.have.length(first.size - 1);
    for (const line of sums) {
      const [, hex = '', name = ''] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? [];
      const content = Buffer.from(file(first, name), name.endsWith('.p12') ? 'latin1' : 'utf8');
      expect(createHash('sha256').update(content).digest('hex'), name).to.equal(hex);
    }
  });

  it('makes stores of certificates that openssl reads', async function () {
    skipUnless(this, hasOpenssl(), 'openssl');
    const { ca, paths } = places;
    const store = exportTrust(await readTrust(paths), NOTES).get('trust.p12') ?? new Uint8Array();
    const files = { 'trust.p7b': file(await exported(), 'trust.p7b'), 'trust.p12': store };
    const shown = (...args: string[]): readonly Uint8Array[] =>
      openssl(files, [args], ({ stdout }) => certificates(stdout));
    expect(shown('pkcs7', '-in', 'trust.p7b', '-print_certs')).to.have.deep.members([
      ca.rootDer,
      ca.intermediateDer,
    ]);
    expect(shown('pkcs12', '-in', 'trust.p12', '-nokeys', '-passin', `pass:${STORE_PASSWORD}`)).to.deep.equal(
      [ca.rootDer],
    );
  });

  it('makes a store whose certificates keytool takes for trusted', async function () {
    skipUnless(this, hasKeytool(), 'keytool');
    const file = join(places.paths.root, 'trust.p12');
    writeFileSync(file, exportTrust(await readTrust(places.paths), NOTES).get('trust.p12') ?? '');
    const listed = execFileSync('keytool', ['-list', '-keystore', file, '-storepass', STORE_PASSWORD], {
      encoding: 'utf8',
    });
    expect(listed).to.include('contains 1 entry').and.to.include('trustedCertEntry');
  });
});

const hasKeytool = (): boolean => spawnSync('keytool', ['-help'], { stdio: 'ignore' }).status === 0;

/** Names and kinds of the members of a JSON value; of a list those of its first element. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.entries(value).map(([name, member]) => [name, shapeOf(member)]);
}
