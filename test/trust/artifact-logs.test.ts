import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SigningConfig, TrustedRoot as StockTrustedRoot } from '@sigstore/protobuf-specs';
import { bundleBuilderFromSigningConfig } from '@sigstore/sign';
import { toTrustMaterial } from '@sigstore/verify';
import { expect } from 'chai';
import { toHex, utf8Text } from '../../core/bytes.ts';
import { decodePem } from '../../core/pem.ts';
import { createArtifactLog } from '../../rekor/create-artifact-log.ts';
import type { ArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { localSigner } from '../../signers/local-signer.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { exportTrust } from '../../trust/export.ts';
import type { TrustedRoot } from '../../trust/format/trusted-root.ts';
import { readTrust, recordTrust } from '../../trust/ledger.ts';
import { withPublicUrl } from '../../trust/public-urls.ts';
import { signingConfigOf, type ServiceUrls } from '../../trust/signing-services.ts';
import { instanceTargets } from '../../trust/tuf/instance-targets.ts';
import { rekorKey } from '../rekor/support/rekor-log.ts';
import { failureAs } from '../support/failure.ts';
import { BIRTH, trustPlaces, type TrustPlaces } from './support/trust-places.ts';

const publicUrl = 'https://ca.example.org';
const BOTH = { v1: true, v2: true };
const NOTES = { publicUrl, artifactLogs: BOTH, isDevelopment: false, version: 'test', now: BIRTH };

describe('trust: the logs of artifacts', () => {
  let places: TrustPlaces;
  beforeEach(async () => {
    places = await trustPlaces();
  });
  afterEach(() => {
    places.remove();
  });

  const addLog = (api: 1 | 2): Promise<ArtifactLogIdentity> =>
    createArtifactLog({
      directory: join(places.paths.artifacts, `v${api}`),
      api,
      host: 'ca.example.org',
      signer: localSigner(rekorKey(api)),
      clock: (
        (time) => () =>
          time++
      )(BIRTH),
    });
  const addBoth = async (): Promise<readonly ArtifactLogIdentity[]> => {
    const second = await addLog(2);
    return [await addLog(1), second];
  };
  const versions = async (
    urls: Partial<ServiceUrls>,
    hasTimestamps = true,
  ): Promise<readonly (readonly [string, number])[]> => {
    const trust = await readTrust(places.paths);
    const timestampAuthorities = hasTimestamps ? trust.inForce.certificateAuthorities : [];
    const inForce = { ...trust.inForce, timestampAuthorities };
    return signingConfigOf({ ...trust, inForce }, { publicUrl, ...urls }).artifactLogs.map(
      ({ url, majorApiVersion }) => [url, majorApiVersion],
    );
  };
  const ids = ({ artifactLogs }: TrustedRoot): string[] => artifactLogs.map(({ logId }) => toHex(logId));
  const end = (log: ArtifactLogIdentity): Promise<unknown> =>
    recordTrust(places.paths, (root) => ({
      ...root,
      artifactLogs: root.artifactLogs.map((one) =>
        toHex(one.logId) === toHex(log.logId)
          ? { ...one, window: { ...one.window, end: BIRTH + 60_000 } }
          : one,
      ),
    }));

  it('changes no file of a directory that has none', async () => {
    const trust = await readTrust(places.paths);
    const without = exportTrust(trust, { ...NOTES, artifactLogs: undefined });
    expect([...exportTrust(trust, NOTES)]).to.deep.equal([...without]);
    expect(trust.root.artifactLogs).to.deep.equal([]);
  });

  it('trusts both, at the public URL, with the ids and kinds of keys of their APIs, that of the first in front', async () => {
    const [first, second] = await addBoth();
    const root = withPublicUrl((await readTrust(places.paths)).root, publicUrl);
    const window = { start: BIRTH };
    expect(root.artifactLogs).to.deep.equal([
      {
        baseUrl: publicUrl,
        publicKey: first?.publicKey,
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        window,
        logId: first?.logId,
      },
      {
        baseUrl: publicUrl,
        publicKey: second?.publicKey,
        keyDetails: 'PKIX_ED25519',
        window,
        logId: second?.logId,
      },
    ]);
  });

  it('has clients sign with the first API, unless the configuration says otherwise', async () => {
    await addBoth();
    for (const [artifactLogs, expected] of [
      [BOTH, [1]],
      [{ v1: false, v2: true }, [2]],
      [{ v1: true, v2: false }, [1]],
      [{ v1: false, v2: false }, []],
      [{ ...BOTH, clients: [2] as const }, [2]],
      [{ ...BOTH, clients: [1, 2] as const }, [1, 2]],
      [undefined, []],
    ] as const)
      expect(await versions({ artifactLogs }), JSON.stringify(artifactLogs)).to.deep.equal(
        expected.map((api) => [publicUrl, api]),
      );
    // Entries of the second API have no time.
    for (const hasTimestamps of [true, false]) {
      const urls = { artifactLogs: { ...BOTH, clients: [1, 2] as const }, grantsTimestamps: !hasTimestamps };
      expect(await versions(urls, hasTimestamps)).to.deep.equal([[publicUrl, 1]]);
    }
    const outsideLog = {
      url: 'https://rekor.example.com',
      majorApiVersion: 2,
      operator: 'rekor.example.com',
    };
    expect(await versions({ artifactLogs: BOTH, outsideLog })).to.deep.equal([[outsideLog.url, 2]]);
  });

  it('leaves logs where their name is when the service moves to another host, and has nobody sign with them', async () => {
    await addBoth();
    await recordTrust(places.paths);
    const { root } = await readTrust(places.paths);
    const urls = (url: string): string[] =>
      withPublicUrl(root, url).artifactLogs.map(({ baseUrl }) => baseUrl);
    expect(urls('https://new.example.org')).to.deep.equal([publicUrl, publicUrl]);
    expect(urls(`${publicUrl}:8443`)).to.deep.equal([`${publicUrl}:8443`, `${publicUrl}:8443`]);
    expect(await versions({ publicUrl: 'https://new.example.org', artifactLogs: BOTH })).to.deep.equal([]);
  });

  it('has clients sign with the second API where that is the only log', async () => {
    await addLog(2);
    expect(await versions({ artifactLogs: BOTH })).to.deep.equal([[publicUrl, 2]]);
  });

  it('goes on trusting one whose time has ended, and has nobody sign with it', async () => {
    const [first, second] = await addBoth();
    if (first === undefined || second === undefined) throw new Error('there are two');
    await end(first);
    const { root, inForce, artifactLogs } = await readTrust(places.paths);
    expect(ids(root)).to.deep.equal([toHex(second.logId), toHex(first.logId)]);
    expect(root.artifactLogs[1]?.window.end).to.equal(BIRTH - 250 + 60_000 + 1000);
    expect(ids(inForce)).to.deep.equal([toHex(second.logId)]);
    expect(artifactLogs.map(({ api }) => api)).to.deep.equal([2]);
    expect(await versions({ artifactLogs: BOTH })).to.deep.equal([[publicUrl, 2]]);
  });

  it('hands nothing out while it cannot read which logs there are', async () => {
    await addBoth();
    writeFileSync(join(places.paths.artifacts, 'v1', 'log.json'), '{}');
    expect((await failureAs(LogError, readTrust(places.paths))).code).to.equal('LOG_CORRUPT');
  });

  it('hands clients of TUF the same, and older ones each key in a file, that of the first API first', async () => {
    const [first, second] = await addBoth();
    const targets = await instanceTargets(places.paths, NOTES, BIRTH);
    const keyIn = (name: string): string =>
      toHex(decodePem(targets.get(name)?.text ?? '')[0]?.bytes ?? new Uint8Array());
    expect(keyIn('rekor.pub')).to.equal(toHex(first?.publicKey ?? new Uint8Array()));
    expect(keyIn('rekor_2.pub')).to.equal(toHex(second?.publicKey ?? new Uint8Array()));
    const files = exportTrust(await readTrust(places.paths), NOTES);
    for (const name of ['trusted_root.json', 'signing_config.v0.2.json'])
      expect(targets.get(name)?.text).to.equal(utf8Text(files.get(name) ?? new Uint8Array()));
  });

  it('is taken by the libraries of Sigstore', async () => {
    await addBoth();
    const files = exportTrust(await readTrust(places.paths), NOTES);
    const json = (name: string): unknown => JSON.parse(utf8Text(files.get(name) ?? new Uint8Array()));
    const material = toTrustMaterial(StockTrustedRoot.fromJSON(json('trusted_root.json')));
    expect(material.tlogs).to.have.length(2);
    const builder = bundleBuilderFromSigningConfig({
      signingConfig: SigningConfig.fromJSON(json('signing_config.v0.2.json')),
      identityProvider: { getToken: () => Promise.resolve('') },
      bundleType: 'messageSignature',
    });
    expect(builder).to.be.an('object');
  });
});
