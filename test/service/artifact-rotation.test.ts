/** What clients of both APIs of Rekor see when another log has taken the place of the one that they used. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { toHex } from '../../core/bytes.ts';
import { decodePem } from '../../core/pem.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { dataPaths, type DataPaths } from '../../instance/data-paths.ts';
import { stageArtifactLog } from '../../instance/stage-artifact-log.ts';
import { switchArtifactLog } from '../../instance/switch-artifact-log.ts';
import { openService, type RunningService } from '../../service/open-service.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { V1, V2 } from '../rekor/format/support/rekor-vectors.ts';
import { makeDataDirectory } from '../support/data-directory.ts';
import { post } from '../support/test-service.ts';

const HOST = 'ca.example.org';

interface V1Entry {
  readonly body: string;
  readonly logID: string;
  readonly logIndex: number;
  readonly integratedTime: number;
  readonly verification: {
    readonly inclusionProof: {
      readonly checkpoint: string;
      readonly logIndex: number;
      readonly treeSize: number;
    };
  };
}
interface V2Entry {
  readonly logIndex: string;
  readonly logId: { readonly keyId: string };
  readonly inclusionProof: { readonly treeSize: string; readonly checkpoint: { readonly envelope: string } };
}

describe('service: logs of artifacts that follow each other', function () {
  this.timeout(60_000);
  let paths: DataPaths;
  let service: RunningService;
  let first: { readonly id: string; readonly v1: V1Entry; readonly v2: V2Entry };

  const open = async (): Promise<void> => {
    const local = { host: '127.0.0.1', port: 0 };
    const logOutput = { write: () => Promise.resolve(), writeNow: () => undefined };
    const options = { listen: local, metricsListen: local, clock: Date.now, program: 'mayfly', logOutput };
    service = await openService({ data: paths.root, ...options });
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
    expect([first.v1.logIndex, entry.logIndex]).to.deep.equal([1, 3]);
    expect(entry.verification.inclusionProof.logIndex).to.equal(1);
    expect(entry.logID).not.to.equal(first.v1.logID);
    const log = await json<Record<string, unknown>>('/api/v1/log');
    expect(log).to.include({ treeID: String(BigInt(`0x${id.slice(0, 16)}`)), treeSize: 2 });
    const tree = String(BigInt(`0x${first.id.slice(0, 16)}`));
    expect(log['inactiveShards']).to.have.length(1);
    expect((log['inactiveShards'] as unknown[])[0]).to.deep.include({ treeID: tree, treeSize: 2 });
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
      JSON.stringify({ entryUUIDs: [id, hashOf(first.id)], logIndexes: [1, 3] }),
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
      .to.match(new RegExp(`^${HOST}\n2\n`))
      .and.not.equal(current);
    for (const [path, status] of [
      ['/artifacts/v2/tile/entries/000.p/2', 200],
      ['/artifacts/v2/tile/0/000.p/2', 200],
      ['/artifacts/v2/tile/0/000.p/3', 404],
      ['/artifacts/v2-3/checkpoint', 404],
      ['/artifacts/v1/checkpoint', 404],
    ] as const)
      expect((await get(path)).status, path).to.equal(status);
    expect(await (await get('/artifacts/v2/tile/entries/000.p/2')).bytes()).not.to.deep.equal(
      await (await get('/tile/entries/000.p/2')).bytes(),
    );
  });

  it('stand in readiness by their names', async () => {
    const { checks } = (await (await fetch(`${service.metricsUrl}/readyz`)).json()) as {
      readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
    };
    const { ok, detail } = checks.find(({ name }) => name === 'artifact-logs') ?? { ok: false, detail: '' };
    expect(ok).to.equal(true);
    expect(detail).to.match(
      /^v1-2: 2 entries; v2-2: 2 entries; v1: 2 entries, ended at .*; v2: 2 entries, ended at /,
    );
    const trust = checks.find(({ name }) => name === 'trust');
    expect(trust?.ok).to.equal(true);
  });
});
