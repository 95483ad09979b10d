/** What clients of both APIs of Rekor see when another log has taken the place of the one that they used. */
import { generateKeyPairSync, hash, sign } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { toHex } from '../../core/bytes.ts';
import { decodePem } from '../../core/pem.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { dataPaths, type DataPaths } from '../../instance/data-paths.ts';
import { stageArtifactLog } from '../../instance/stage-artifact-log.ts';
import { switchArtifactLog } from '../../instance/switch-artifact-log.ts';
import type { RunningService } from '../../service/open-service.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { encodeTrustedRoot } from '../../trust/format/trusted-root.ts';
import { readTrust } from '../../trust/ledger.ts';
import { withPublicUrl } from '../../trust/public-urls.ts';
import { V1, V2 } from '../rekor/format/support/rekor-vectors.ts';
import { makeDataDirectory } from '../support/data-directory.ts';
import { openQuietly } from '../support/quiet-service.ts';
import { post } from '../support/test-service.ts';

const HOST = 'ca.example.org';

interface V1Entry {
  readonly body: string;
  readonly logID: string;
  readonly logIndex: number;
  readonly integratedTime: number;
  readonly verification: {
    readonly signedEntryTimestamp: string;
    readonly inclusionProof: {
      readonly checkpoint: string;
      readonly logIndex: number;
      readonly treeSize: number;
      readonly rootHash: string;
      readonly hashes: readonly string[];
    };
  };
}
interface V2Entry {
  readonly logIndex: string;
  readonly logId: { readonly keyId: string };
  readonly inclusionProof: { readonly treeSize: string; readonly checkpoint: { readonly envelope: string } };
}

const SIGNER = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signatureOf = (text: string): string =>
  sign('sha256', Buffer.from(text), SIGNER.privateKey).toString('base64');

type BundleEntry = Readonly<Record<string, unknown>>;

const bundleOf = (text: string, entry: BundleEntry): object => ({
  mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
  verificationMaterial: { publicKey: { hint: 'key' }, tlogEntries: [entry] },
  messageSignature: {
    messageDigest: { algorithm: 'SHA2_256', digest: hash('sha256', text, 'base64') },
    signature: entry['signed'],
  },
});

const rootWithout = (root: TrustedRoot, keyId: string): TrustedRoot => ({
  ...root,
  tlogs: root.tlogs.filter(({ logId }) => logId?.keyId.toString('base64') !== keyId),
});

describe('service: logs of artifacts that follow each other', function () {
  this.timeout(60_000);
  let paths: DataPaths;
  let service: RunningService;
  let signedBefore: readonly BundleEntry[];
  let first: { readonly id: string; readonly v1: V1Entry; readonly v2: V2Entry };

  const open = async (): Promise<void> => {
    service = await openQuietly(paths.root);
  };
  const get = (path: string): Promise<Response> => fetch(service.url + path);
  const json = async <T>(path: string): Promise<T> => (await (await get(path)).json()) as T;
  const addV1 = async (at: number): Promise<readonly [string, V1Entry]> => {
    const response = await post(`${service.url}/api/v1/log/entries`, V1.entries[at]?.request ?? '');
    expect(response.status, await response.clone().text()).to.equal(201);
    const [[id, entry] = []] = Object.entries((await response.json()) as Record<string, V1Entry>);
    if (id === undefined || entry === undefined) throw new Error('no entry');
    return [id, entry];
  };
  const addV2 = async (at: number): Promise<V2Entry> => {
    const response = await post(`${service.url}/api/v2/log/entries`, V2.entries[at]?.request ?? '');
    expect(response.status, await response.clone().text()).to.equal(201);
    return (await response.json()) as V2Entry;
  };

  /** An entry as bundles have it, with the signature. */
  const logV1 = async (text: string): Promise<BundleEntry> => {
    const signed = signatureOf(text);
    const content = Buffer.from(SIGNER.publicKey.export({ type: 'spki', format: 'pem' })).toString('base64');
    const data = { hash: { algorithm: 'sha256', value: hash('sha256', text) } };
    const spec = { data, signature: { content: signed, publicKey: { content } } };
    const request = JSON.stringify({ apiVersion: '0.0.1', kind: 'hashedrekord', spec });
    const response = await post(`${service.url}/api/v1/log/entries`, request);
    const [entry] = Object.values((await response.json()) as Record<string, V1Entry>);
    if (entry === undefined) throw new Error('no entry');
    const { inclusionProof: proof, signedEntryTimestamp } = entry.verification;
    const ofHex = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');
    return {
      signed,
      logIndex: String(entry.logIndex),
      logId: { keyId: ofHex(entry.logID) },
      kindVersion: { kind: 'hashedrekord', version: '0.0.1' },
      integratedTime: String(entry.integratedTime),
      inclusionPromise: { signedEntryTimestamp },
      inclusionProof: {
        logIndex: String(proof.logIndex),
        rootHash: ofHex(proof.rootHash),
        treeSize: String(proof.treeSize),
        hashes: proof.hashes.map(ofHex),
        checkpoint: { envelope: proof.checkpoint },
      },
      canonicalizedBody: entry.body,
    };
  };
  const logV2 = async (text: string): Promise<BundleEntry> => {
    const signed = signatureOf(text);
    const rawBytes = SIGNER.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const verifier = { publicKey: { rawBytes }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' };
    const request = { digest: hash('sha256', text, 'base64'), signature: { content: signed, verifier } };
    const response = await post(
      `${service.url}/api/v2/log/entries`,
      JSON.stringify({ hashedRekordRequestV002: request }),
    );
    return { ...((await response.json()) as BundleEntry), signed };
  };

  before(async () => {
    paths = dataPaths(join(await mkdtemp(join(tmpdir(), 'mayfly-artifact-succession-')), 'data'));
    await makeDataDirectory(paths.root);
    for (const api of [1, 2] as const)
      await createDirectoryLog(paths, { api, host: HOST, passphrase: undefined, clock: Date.now });
    const mayfly = `{public-url: "https://${HOST}", artifact-log: {admission: any}, log-access: public}`;
    await writeFile(paths.config, `oidc-issuers: {}\nmayfly: ${mayfly}\n`);
    await open();
    const [id, v1] = await addV1(0);
    first = { id, v1, v2: await addV2(0) };
    signedBefore = [await logV1('before'), await logV2('before')];
    await service.close();
    for (const api of [1, 2] as const) {
      const request = { paths, api, passphrase: undefined, clock: Date.now };
      await stageArtifactLog({ ...request, host: undefined });
      await switchArtifactLog(request);
    }
    await open();
  });
  after(async () => {
    await service.close();
    await rm(join(paths.root, '..'), { recursive: true });
  });

  it('count on in the first API, with a tree and a key of their own', async () => {
    const [id, entry] = await addV1(1);
    expect([first.v1.logIndex, entry.logIndex]).to.deep.equal([1, 4]);
    expect(entry.verification.inclusionProof.logIndex).to.equal(1);
    expect(entry.logID).not.to.equal(first.v1.logID);
    const log = await json<Record<string, unknown>>('/api/v1/log');
    expect(log).to.include({ treeID: String(BigInt(`0x${id.slice(0, 16)}`)), treeSize: 2 });
    const tree = String(BigInt(`0x${first.id.slice(0, 16)}`));
    expect(log['inactiveShards']).to.have.length(1);
    expect((log['inactiveShards'] as unknown[])[0]).to.deep.include({ treeID: tree, treeSize: 3 });
    for (const [query, logID] of [
      ['', entry.logID],
      [`?treeID=${tree}`, first.v1.logID],
    ]) {
      const pem = await (await get(`/api/v1/log/publicKey${query ?? ''}`)).text();
      expect(toHex(sha256(decodePem(pem)[0]?.bytes ?? new Uint8Array()))).to.equal(logID);
    }
    expect((await get(`/api/v1/log/proof?firstSize=1&lastSize=2&treeID=${tree}`)).status).to.equal(200);
    expect((await get('/api/v1/log/proof?firstSize=1&lastSize=2&treeID=7')).status).to.equal(400);
  });

  it('are read as one by the first API: by index, by both ids, and by what was signed', async () => {
    const [id] = await addV1(1);
    const hashOf = (one: string): string => one.slice(16);
    for (const path of [
      '/api/v1/log/entries?logIndex=1',
      `/api/v1/log/entries/${first.id}`,
      `/api/v1/log/entries/${hashOf(first.id)}`,
    ]) {
      const [[found, entry] = []] = Object.entries(await json<Record<string, V1Entry>>(path));
      expect(found, path).to.equal(first.id);
      expect(entry).to.deep.include({ logIndex: 1, logID: first.v1.logID, body: first.v1.body });
    }
    expect((await get(`/api/v1/log/entries/${id.slice(0, 16)}${hashOf(first.id)}`)).status).to.equal(404);
    const retrieved = await post(
      `${service.url}/api/v1/log/entries/retrieve`,
      JSON.stringify({ entryUUIDs: [id, hashOf(first.id)], logIndexes: [1, 4] }),
    );
    const ids = ((await retrieved.json()) as object[]).flatMap((one) => Object.keys(one));
    expect(ids).to.deep.equal([id, first.id, first.id, id]);
    const search = async (entry: V1Entry): Promise<unknown> => {
      const { spec } = JSON.parse(Buffer.from(entry.body, 'base64').toString()) as {
        readonly spec: { readonly data: { readonly hash: { readonly value: string } } };
      };
      const query = JSON.stringify({ hash: `sha256:${spec.data.hash.value}` });
      return (await post(`${service.url}/api/v1/index/retrieve`, query)).json();
    };
    expect(await search(first.v1)).to.include(first.id);
  });

  it('log nothing again that one before them has', async () => {
    const [id, entry] = await addV1(0);
    expect(id).to.equal(first.id);
    expect(entry).to.deep.include({
      logIndex: 1,
      logID: first.v1.logID,
      integratedTime: first.v1.integratedTime,
    });
    const again = await addV2(0);
    expect([again.logIndex, again.logId]).to.deep.equal([first.v2.logIndex, first.v2.logId]);
    const { envelope } = again.inclusionProof.checkpoint;
    expect(envelope).to.equal(await (await get('/artifacts/v2/checkpoint')).text());
  });

  it('begin at 0 in the second API, and each stays at a place of its own', async () => {
    const entry = await addV2(1);
    expect(entry.logIndex).to.equal('1');
    expect(entry.logId).not.to.deep.equal(first.v2.logId);
    const current = await (await get('/api/v2/checkpoint')).text();
    expect(current).to.match(new RegExp(`^${HOST}\n2\n`));
    expect(await (await get('/artifacts/v2-2/checkpoint')).text()).to.equal(current);
    expect(await (await get('/artifacts/v2/checkpoint')).text())
      .to.match(new RegExp(`^${HOST}\n3\n`))
      .and.not.equal(current);
    for (const [path, status] of [
      ['/artifacts/v2/tile/entries/000.p/2', 200],
      ['/artifacts/v2/tile/0/000.p/2', 200],
      ['/artifacts/v2/tile/0/000.p/4', 404],
      ['/artifacts/v2-3/checkpoint', 404],
      ['/artifacts/v1/checkpoint', 404],
    ] as const)
      expect((await get(path)).status, path).to.equal(status);
    // Who kept a tile of the log before learns that this is another one.
    for (const path of ['tile/0/000.p/1', 'tile/entries/000.p/2']) {
      const kept = (await get(`/artifacts/v2/${path}`)).bytes();
      const etag = `"${toHex(sha256(await kept))}"`;
      for (const prefix of ['', '/api/v2']) {
        const response = await fetch(`${service.url}${prefix}/${path}`, {
          headers: { 'if-none-match': etag },
        });
        expect([response.status, response.headers.get('cache-control')]).to.deep.equal([
          200,
          'public, no-cache',
        ]);
      }
    }
    expect(await (await get('/artifacts/v2/tile/entries/000.p/2')).bytes()).not.to.deep.equal(
      await (await get('/tile/entries/000.p/2')).bytes(),
    );
  });

  it('prove what each of them has to a stock client that has one trusted root', async () => {
    const text = encodeTrustedRoot(withPublicUrl((await readTrust(paths)).root, `https://${HOST}`));
    const root = TrustedRoot.fromJSON(JSON.parse(text));
    expect(root.tlogs.map(({ baseUrl }) => baseUrl)).to.deep.equal(
      Array.from({ length: 4 }, () => `https://${HOST}`),
    );
    const material = toTrustMaterial(root, () => ({ publicKey: SIGNER.publicKey, validFor: () => true }));
    const verifier = new Verifier(material, { tlogThreshold: 1, ctlogThreshold: 0, timestampThreshold: 0 });
    const after = [await logV1('after'), await logV2('after')];
    for (const [text, entries] of [
      ['before', signedBefore],
      ['after', after],
    ] as const)
      for (const entry of entries) {
        const entity = toSignedEntity(bundleFromJSON(bundleOf(text, entry)), Buffer.from(text));
        verifier.verify(entity);
        const { keyId } = entry['logId'] as { readonly keyId: string };
        const others = rootWithout(root, keyId);
        const without = new Verifier(
          toTrustMaterial(others, () => ({ publicKey: SIGNER.publicKey, validFor: () => true })),
          { tlogThreshold: 1, ctlogThreshold: 0, timestampThreshold: 0 },
        );
        expect(() => without.verify(entity)).to.throw();
      }
  });

  it('stand in readiness by their names', async () => {
    const { checks } = (await (await fetch(`${service.metricsUrl}/readyz`)).json()) as {
      readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
    };
    const { ok, detail } = checks.find(({ name }) => name === 'artifact-logs') ?? { ok: false, detail: '' };
    expect(ok).to.equal(true);
    expect(detail).to.match(
      /^v1-2: 3 entries, level accidents; v2-2: 3 entries, level accidents; v1: 3 entries, ended at .*; v2: 3 entries, ended at /,
    );
    const trust = checks.find(({ name }) => name === 'trust');
    expect(trust?.ok).to.equal(true);
  });
});
