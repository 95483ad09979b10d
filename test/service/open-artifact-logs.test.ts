import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseConfig } from '../../config/load/load.ts';
import { utf8 } from '../../core/bytes.ts';
import { artifactLogPaths, artifactLogsIn } from '../../instance/artifact-logs.ts';
import { OpenedKeys } from '../../instance/opened-keys.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { DataDirectoryError } from '../../instance/data-directory-error.ts';
import { dataPaths, type DataPaths } from '../../instance/data-paths.ts';
import type { RunningService } from '../../service/open-service.ts';
import { prepareArtifactLogs, type OpenedArtifactLogs } from '../../service/open-artifact-logs.ts';
import { ShutdownOrder } from '../../service/shutdown-order.ts';
import { KeyFileError } from '../../signers/key-error.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { generateKey } from '../../signers/key-types.ts';
import { openKey } from '../../instance/open-key.ts';
import { endArtifactLog } from '../../rekor/end-artifact-log.ts';
import { openArtifactReads } from '../../rekor/artifact-reads.ts';
import { changeRedactions } from '../../rekor/redactions.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { secondVectors, V1 } from '../rekor/format/support/rekor-vectors.ts';
import { makeDataDirectory } from '../support/data-directory.ts';
import { failureAs } from '../support/failure.ts';
import { openQuietly } from '../support/quiet-service.ts';
import { post } from '../support/test-service.ts';

const HOST = 'ca.example.org';
const entry = { body: utf8('{"a":1}'), namedDigests: [] };

interface Readiness {
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

describe('service/open-artifact-logs', function () {
  this.timeout(30_000);
  let paths: DataPaths;
  let shutdowns: ShutdownOrder[];
  beforeEach(async () => {
    paths = dataPaths(join(await mkdtemp(join(tmpdir(), 'mayfly-artifacts-')), 'data'));
    shutdowns = [];
    await makeDataDirectory(paths.root);
  });
  afterEach(async () => {
    for (const shutdown of shutdowns) await shutdown.close();
    await rm(join(paths.root, '..'), { recursive: true });
  });

  const make = async (passphrase?: string): Promise<void> => {
    for (const api of [1, 2] as const)
      await createDirectoryLog(paths, { api, host: HOST, passphrase, clock: Date.now });
  };

  const prepare = (
    more: { yaml?: string; clientHost?: string; isDevelopment?: boolean; passphrase?: string } = {},
  ) => {
    const shutdown = new ShutdownOrder();
    shutdowns.push(shutdown);
    const { yaml = '', clientHost = HOST, isDevelopment = false, passphrase } = more;
    const config = parseConfig(`mayfly: {artifact-log: {${yaml}}}`).mayfly.artifactLog;
    const known = clientHost === 'none' ? undefined : clientHost;
    const keys = new OpenedKeys({ passphrase });
    const options = { paths, config, clientHost: known, isDevelopment, keys };
    return prepareArtifactLogs(
      { ...options, clock: Date.now, steadyClock: undefined, anchor: undefined },
      shutdown,
    );
  };

  const apisOf = (opened: OpenedArtifactLogs | undefined): number[] =>
    opened?.logs.map(({ api }) => api) ?? [];

  it('keeps beside each log what its entries are found by', async () => {
    await make();
    const opened = await (await prepare()).open();
    const digest = `sha256:${'ab'.repeat(32)}`;
    await opened?.logs[0]?.add({ ...entry, namedDigests: [digest] });
    const query = { conditions: [{ by: 'digest', value: digest }], match: 'all', limit: 5 } as const;
    const [first, second] = opened?.searches ?? [];
    const found = await first?.search(query);
    expect(found?.entries.map(({ index }) => index)).to.deep.equal([1]);
    expect((await second?.search(query))?.entries).to.deep.equal([]);
    for (const name of ['v1', 'v2'])
      expect(await readdir(join(paths.artifacts, name))).to.include('search.db');
  });

  it('opens what the directory has and the configuration does not switch off', async () => {
    expect(await (await prepare()).open()).to.equal(undefined);
    await make();
    for (const [yaml, apis] of [
      ['', [1, 2]],
      ['v1: false', [2]],
      ['v2: false', [1]],
      ['v1: false, v2: false', []],
    ] as const) {
      const { open, warnings } = await prepare({ yaml });
      expect(apisOf(await open()), yaml).to.deep.equal(apis);
      expect(warnings).to.deep.equal([]);
      await shutdowns.pop()?.close();
    }
  });

  it('goes on with what is logged', async () => {
    await make('secret');
    const first = await (await prepare({ passphrase: 'secret' })).open();
    const added = await Promise.all(first?.logs.map((log) => log.add(entry)) ?? []);
    expect(added.map(({ entry: { index }, isNew }) => [index, isNew])).to.deep.equal([
      [1, true],
      [1, true],
    ]);
    await shutdowns.pop()?.close();
    const second = await (await prepare({ passphrase: 'secret' })).open();
    const again = await Promise.all(second?.logs.map((log) => log.add(entry)) ?? []);
    expect(again.map(({ entry: { index }, isNew }) => [index, isNew])).to.deep.equal([
      [1, false],
      [1, false],
    ]);
  });

  it('refuses a log that clients would not find at their URL, but in development', async () => {
    await make();
    const error = await failureAs(LogError, prepare({ clientHost: 'other.example.org' }));
    expect(error.code).to.equal('LOG_BAD_ORIGIN');
    expect(error.hint).to.include('mayfly.artifact-log.v1: false');
    const { open, warnings } = await prepare({ clientHost: 'other.example.org', isDevelopment: true });
    expect(await open()).to.equal(undefined);
    expect(warnings.join()).to.include(`is named ${HOST}`);
  });

  it('says that nothing names the URL of clients', async () => {
    await make();
    const { open, warnings } = await prepare({ clientHost: 'none' });
    expect(warnings).to.have.length(2);
    expect(warnings[0]).to.include('mayfly.public-url is not set');
    expect(apisOf(await open())).to.deep.equal([1, 2]);
  });

  it('refuses a log whose key is another, or needs another passphrase', async () => {
    await make('secret');
    await failureAs(KeyFileError, prepare({ passphrase: 'wrong' }));
    const { key } = artifactLogPaths(paths, 2);
    await writeFile(key, writeKeyPem(await generateKey('ed25519')));
    const error = await failureAs(LogError, prepare({ passphrase: 'secret' }));
    expect(error.code).to.equal('LOG_WRONG_KEY');
  });

  it('makes no second log for a key, and overwrites none', async () => {
    await make();
    const making = (api: 1 | 2) =>
      createDirectoryLog(paths, { api, host: HOST, passphrase: undefined, clock: Date.now });
    expect((await failureAs(DataDirectoryError, making(1))).message).to.include('cannot be written');
    await rm(artifactLogPaths(paths, 1).directory, { recursive: true });
    expect((await failureAs(DataDirectoryError, making(1))).code).to.equal('DIRECTORY_DAMAGED');
    expect((await artifactLogsIn(paths)).map(({ api }) => api)).to.deep.equal([2]);
    expect((await readdir(paths.artifacts)).sort()).to.deep.equal(['v2']);
  });

  it('says of a body that is there although it is recorded as redacted, and goes on', async () => {
    await make();
    await writeFile(paths.config, `oidc-issuers: {}\nmayfly: {public-url: "https://${HOST}"}\n`);
    const { directory } = artifactLogPaths(paths, 1);
    const reads = await openArtifactReads(directory);
    const [{ leafHash } = { leafHash: new Uint8Array() }] = await reads.entriesFrom(0);
    await reads.close();
    const record = { index: 0, leafHash, redactedAt: 0, reason: 'nobody did', isAudited: true };
    await changeRedactions(directory, () => ({ isFinished: true, entries: new Map([[0, record]]) }));
    const said = /v1: the body of entry 0, which is redacted, is on the disk\. .*`mayfly rekor redact`/;
    const service = await openQuietly(paths.root);
    try {
      const { checks } = (await (await fetch(`${service.metricsUrl}/readyz`)).json()) as Readiness;
      const check = checks.find(({ name }) => name === 'artifact-logs');
      expect([check?.ok, said.test(check?.detail ?? '')]).to.deep.equal([false, true]);
      expect((await fetch(`${service.url}/api/v1/log/entries?logIndex=0`)).status).to.not.equal(200);
    } finally {
      await service.close();
    }
    const warnings = service.lines.filter(({ sentence }) => said.test(String(sentence)));
    expect(warnings.map(({ event }) => event)).to.deep.equal(['warning']);
  });

  it('that have ended say to who writes what Rekor says of a frozen one, and show their last checkpoint as it was', async () => {
    await make();
    const mayfly = `{public-url: "https://${HOST}", artifact-log: {admission: any}, log-access: public}`;
    await writeFile(paths.config, `oidc-issuers: {}\nmayfly: ${mayfly}\n`);
    const requests = { 1: V1.entries, 2: secondVectors } as const;
    const apis = [1, 2] as const;
    let service = await openQuietly(paths.root);
    const add = (api: 1 | 2, at: number): Promise<Response> =>
      post(`${service.url}/api/v${api}/log/entries`, requests[api][at]?.request ?? '');
    /** What is signed, without the signature, which is made anew by an opening. */
    const heads = async (): Promise<readonly (string | undefined)[]> => {
      const first = (await (await fetch(`${service.url}/api/v1/log`)).json()) as { signedTreeHead: string };
      const second = await (await fetch(`${service.url}/api/v2/checkpoint`)).text();
      return [first.signedTreeHead, second].map((note) => note.split('\n\n')[0]);
    };
    for (const api of apis) expect((await add(api, 0)).status).to.equal(201);
    const before = await heads();
    await service.close();
    for (const api of apis) {
      const { directory, key } = artifactLogPaths(paths, api);
      await endArtifactLog(directory, await openKey(key), Date.now);
    }
    service = await openQuietly(paths.root);
    try {
      const answers = await Promise.all(
        apis.map(async (api) => {
          const response = await add(api, 1);
          return [response.status, response.headers.get('retry-after'), await response.text()];
        }),
      );
      expect(answers).to.deep.equal([
        [501, null, '{"code":501,"message":"Create Entry API not enabled in this Rekor instance"}\n'],
        [405, null, 'This log has been frozen, please switch to the latest log.\n'],
      ]);
      for (const api of apis) expect((await add(api, 0)).status, 'what it has').to.equal(201);
      expect(await heads()).to.deep.equal(before);
    } finally {
      await service.close();
    }
  });

  it('is open while the service runs, and locked for others', async () => {
    await make();
    await writeFile(paths.config, `oidc-issuers: {}\nmayfly: {public-url: "https://${HOST}"}\n`);
    let service: RunningService | undefined;
    try {
      service = await openQuietly(paths.root);
      const { checks } = (await (await fetch(`${service.metricsUrl}/readyz`)).json()) as Readiness;
      const check = checks.find(({ name }) => name === 'artifact-logs');
      expect(check).to.deep.include({
        ok: true,
        detail: 'v1: 1 entries, level accidents; v2: 1 entries, level accidents',
      });
      expect((await failureAs(LogError, prepare())).code).to.equal('LOG_LOCKED');
    } finally {
      await service?.close();
    }
    expect(apisOf(await (await prepare()).open())).to.deep.equal([1, 2]);
  });
});
