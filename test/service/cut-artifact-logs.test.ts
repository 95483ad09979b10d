/** What becomes of requests for entries that a log took after the time until which verifiers believe it, as when its key was stolen. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { equalBytes, fromHex, toHex } from '../../core/bytes.ts';
import { artifactSuccession } from '../../instance/artifact-logs.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { dataPaths, type DataPaths } from '../../instance/data-paths.ts';
import { stageArtifactLog } from '../../instance/stage-artifact-log.ts';
import { switchArtifactLog } from '../../instance/switch-artifact-log.ts';
import { readArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { redactEntries } from '../../rekor/redact-entries.ts';
import type { RunningService } from '../../service/open-service.ts';
import { recordTrust } from '../../trust/ledger.ts';
import { secondVectors, V1 } from '../rekor/format/support/rekor-vectors.ts';
import { makeDataDirectory } from '../support/data-directory.ts';
import { openQuietly } from '../support/quiet-service.ts';
import { post } from '../support/test-service.ts';

const HOST = 'ca.example.org';
const MINUTE = 60_000;

interface Answer {
  readonly status: number;
  /** Hexadecimal; undefined for a refusal. */
  readonly logId: string | undefined;
}

/** Of the second API those by keys alone: certificates of the vectors had all ended long before. */
const requestsOf = (api: 1 | 2): readonly string[] =>
  (api === 1 ? V1.entries : secondVectors.filter(({ request }) => request.includes('"publicKey"'))).map(
    ({ request }) => request,
  );

describe('service: logs of artifacts whose time was cut', function () {
  this.timeout(60_000);
  let paths: DataPaths;
  let service: RunningService | undefined;
  let skew = 0;
  const clock = (): number => Date.now() + skew;

  const open = async (): Promise<void> => {
    service = await openQuietly(paths.root, { clock });
  };
  const close = async (): Promise<void> => {
    await service?.close();
    service = undefined;
  };
  const add = async (api: 1 | 2, at: number): Promise<Answer> => {
    const response = await post(`${service?.url ?? ''}/api/v${api}/log/entries`, requestsOf(api)[at] ?? '');
    const { status } = response;
    const text = await response.text();
    if (status !== 201) return { status, logId: undefined };
    const answer = JSON.parse(text) as Record<string, { readonly logID: string; readonly keyId: string }>;
    const [first] = Object.values(answer);
    const logId = api === 1 ? first?.logID : toHex(Buffer.from(answer['logId']?.keyId ?? '', 'base64'));
    return { status, logId };
  };
  /** Ends the time of a log, in whole seconds. */
  const cut = (logId: string | undefined, end: number): Promise<unknown> =>
    recordTrust(paths, (root) => ({
      ...root,
      artifactLogs: root.artifactLogs.map((log) =>
        equalBytes(log.logId, fromHex(logId ?? ''))
          ? { ...log, window: { ...log.window, end: Math.floor(end / 1000) * 1000 } }
          : log,
      ),
    }));
  const rotate = async (api: 1 | 2): Promise<void> => {
    const request = { paths, api, passphrase: undefined, clock };
    await stageArtifactLog({ ...request, host: undefined });
    await switchArtifactLog(request);
  };

  beforeEach(async () => {
    skew = 0;
    paths = dataPaths(join(await mkdtemp(join(tmpdir(), 'mayfly-cut-artifacts-')), 'data'));
    await makeDataDirectory(paths.root);
    for (const api of [1, 2] as const)
      await createDirectoryLog(paths, { api, host: HOST, passphrase: undefined, clock });
    const mayfly = `{public-url: "https://${HOST}", artifact-log: {admission: any}, log-access: public}`;
    await writeFile(paths.config, `oidc-issuers: {}\nmayfly: ${mayfly}\n`);
    await open();
  });
  afterEach(async () => {
    await close();
    await rm(join(paths.root, '..'), { recursive: true });
  });

  for (const api of [1, 2] as const)
    it(`log anew what verifiers refuse of the log before, in Rekor v${api}`, async () => {
      const { logId: stolen } = await add(api, 0);
      skew = 2 * MINUTE;
      const late = requestsOf(api).length - 1;
      expect(await add(api, late)).to.deep.equal({ status: 201, logId: stolen });
      await close();
      await rotate(api);
      await cut(stolen, clock() - MINUTE);
      await open();
      const again = await add(api, late);
      expect(again.status).to.equal(201);
      expect(again.logId).to.be.a('string').and.not.equal(stolen);
      // Which is the entry of that signature from now on.
      expect(await add(api, late)).to.deep.equal(again);
      // An entry of the first API has a time: this one is from before.
      if (api === 1) expect((await add(api, 0)).logId).to.equal(stolen);
    });

  it('keep withheld what is redacted there', async () => {
    const { logId: stolen } = await add(1, 0);
    await close();
    await rotate(1);
    await cut(stolen, clock() - MINUTE);
    const [former] = (await artifactSuccession(paths, 1))?.former ?? [];
    const leafHash = fromHex(V1.entries[0]?.leafHash ?? '');
    const redaction = { index: 1, leafHash, redactedAt: clock(), reason: 'a court', isAudited: true };
    if (former === undefined) throw new Error('no log before it');
    await redactEntries(former.directory, await readArtifactLogIdentity(former.directory), [redaction]);
    await open();
    expect((await add(1, 0)).status).to.equal(410);
  });

  it('answer with nothing that verifiers refuse of the log in use', async () => {
    const { logId } = await add(1, 0);
    skew = 2 * MINUTE;
    expect((await add(1, 1)).status).to.equal(201);
    await close();
    await cut(logId, clock() - MINUTE);
    await open();
    expect(await add(1, 0)).to.deep.equal({ status: 201, logId });
    expect((await add(1, 1)).status).to.equal(501);
    expect((await add(1, 2)).status).to.equal(501);
  });
});
