/** A service whose CA or log verifiers do not trust any more, or soon: it goes on, and says so. */
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../config/load/load.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { rfc3339 } from '../../core/clock.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { dataPaths, type DataPaths } from '../../instance/data-paths.ts';
import { trustTroubles } from '../../server/operator/trust-troubles.ts';
import { TrustWatch } from '../../server/operator/trust-watch.ts';
import { openService, type RunningService } from '../../service/open-service.ts';
import { TrustedParts } from '../../service/trusted-parts.ts';
import { readChain } from '../../trust/collect.ts';
import type { Window } from '../../trust/format/trusted-root.ts';
import { readTrust, recordTrust } from '../../trust/ledger.ts';
import { makeDataDirectory } from '../support/data-directory.ts';

const LOCAL = { host: '127.0.0.1', port: 0 };
const DAY = 86_400_000;

describe('service: the trust in what signs', () => {
  let scratch: string;
  let data: string;
  let paths: DataPaths;
  let text: string;
  let skew: number;
  let service: RunningService | undefined;
  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-trusted-parts-'));
    data = join(scratch, 'data');
    [paths, text, skew, service] = [dataPaths(data), '', 0, undefined];
    await makeDataDirectory(data);
  });
  afterEach(async () => {
    await service?.close();
    await rm(scratch, { recursive: true });
  });

  const clock = (): number => Date.now() + skew;
  const open = async (): Promise<RunningService> =>
    (service = await openService({
      data,
      listen: LOCAL,
      metricsListen: LOCAL,
      clock,
      program: 'mayfly',
      logOutput: {
        write: (bytes) => {
          text += Buffer.from(bytes).toString();
          return Promise.resolve();
        },
        writeNow: (bytes) => void (text += Buffer.from(bytes).toString()),
      },
    }));

  /** Records an end of what signs, in whole seconds. */
  async function end(part: 'certificateAuthorities' | 'certificateLogs', time: number): Promise<number> {
    const at = Math.floor(time / 1000) * 1000;
    await recordTrust(paths, (root) => {
      const [first, ...more] = root[part];
      if (first === undefined) throw new Error('nothing signs');
      return { ...root, [part]: [{ ...first, window: { ...first.window, end: at } }, ...more] };
    });
    return at;
  }

  async function check({ metricsUrl }: RunningService): Promise<{ ok: boolean; detail: string } | undefined> {
    const { ready, checks } = (await (await fetch(`${metricsUrl}/readyz`)).json()) as {
      ready: boolean;
      checks: { name: string; ok: boolean; detail: string }[];
    };
    expect(ready).to.equal(true);
    return checks.find(({ name }) => name === 'trust');
  }

  const metric = async ({ metricsUrl }: RunningService, part: string): Promise<string | undefined> =>
    new RegExp(`^mayfly_trust_not_after_seconds\\{part="${part}"\\} (\\S+)$`, 'm').exec(
      await (await fetch(`${metricsUrl}/metrics`)).text(),
    )?.[1];

  it('says nothing where no end is recorded, or one that is far', async () => {
    const far = await end('certificateAuthorities', Date.now() + 40 * DAY);
    const opened = await open();
    expect(await check(opened)).to.deep.include({ ok: true });
    expect(await metric(opened, 'authority')).to.equal(String(far / 1000));
    expect(await metric(opened, 'log')).to.equal('+Inf');
    await opened.close();
    expect(text).to.include('"started"').and.to.not.include('verifiers');
  });

  it('says at its start that the CA has ended and that the log ends soon, and stays ready', async () => {
    const ended = await end('certificateAuthorities', Date.now() - 2000);
    const soon = await end('certificateLogs', Date.now() + 20 * DAY);
    const opened = await open();
    const found = await check(opened);
    expect(found?.ok).to.equal(false);
    expect(found?.detail)
      .to.include(`verifiers trust the CA until ${rfc3339(ended)} and no longer`)
      .and.include(`verifiers trust the log until ${rfc3339(soon)}: put a successor in force before`);
    expect(await metric(opened, 'log')).to.equal(String(soon / 1000));
    await opened.close();
    expect(text.match(/verifiers trust the (?:CA|log)/g)).to.have.length(2);
  });

  it('says thirty days before that the certificate of the CA ends, though verifiers trust it on', async () => {
    const [der = new Uint8Array()] = await readChain(paths.chain);
    const { notAfter } = parseCertificate(der);
    skew = notAfter - 31 * DAY - Date.now();
    const before = await open();
    expect(await check(before)).to.deep.include({ ok: true });
    await before.close();
    skew = notAfter - 29 * DAY - Date.now();
    text = '';
    const opened = await open();
    const sentence = `the certificate of the CA ends on ${rfc3339(notAfter)}, and nothing is issued after that: put a successor in force before (\`mayfly ca renew\`)`;
    expect(await check(opened)).to.deep.include({ ok: false, detail: sentence });
    await opened.close();
    expect(text.split(sentence)).to.have.length(2);
  });

  it('says it of a log of artifacts, unless that was ended on purpose', async () => {
    const { logId } = await createDirectoryLog(paths, {
      api: 2,
      host: 'ca.example.org',
      passphrase: undefined,
      clock: Date.now,
    });
    const at = Math.floor(Date.now() / 1000) * 1000 + DAY;
    await recordTrust(paths);
    await recordTrust(paths, (root) => ({
      ...root,
      artifactLogs: root.artifactLogs.map((one) => ({ ...one, window: { ...one.window, end: at } })),
    }));
    const [certificate = new Uint8Array()] = await readChain(paths.chain);
    let isLogging = true;
    const parts = await TrustedParts.open(paths.trustedRoot, {
      certificate,
      logId: () => new Uint8Array(),
      isIssuing: () => true,
      artifactLogs: [{ api: 2, logId, isLogging: () => isLogging }],
    });
    try {
      const until = `verifiers trust the log of artifacts for Rekor v2 until ${rfc3339(at)}`;
      expect(trustTroubles(parts.status(), at)).to.deep.equal([
        `${until}: put a successor in force before (\`mayfly rekor rotate --v2\`)`,
      ]);
      expect(trustTroubles(parts.status(), at + 1)[0]).to.include(`${until} and no longer`);
      isLogging = false;
      expect(trustTroubles(parts.status(), at + 1)).to.deep.equal([]);
    } finally {
      parts.close();
    }
  });

  it('says at its start that clients are not given a log whose entries have no time, where there are no timestamps', async () => {
    const { publicUrl } = (await loadConfig(paths.config)).mayfly;
    const host = publicUrl === undefined ? '127.0.0.1' : new URL(publicUrl).hostname;
    await createDirectoryLog(paths, { api: 2, host, passphrase: undefined, clock: Date.now });
    await (await open()).close();
    expect(text).to.include('clients are not given the log for Rekor v2: its entries have no time');
  });

  it('follows the ledger while it runs, keeps what it read last, and says each once', async () => {
    const { inForce } = await readTrust(paths);
    const [log] = inForce.certificateLogs;
    const [certificate = new Uint8Array()] = await readChain(paths.chain);
    let isIssuing = true;
    const parts = await TrustedParts.open(paths.trustedRoot, {
      certificate,
      artifactLogs: [],
      logId: () => log?.logId ?? new Uint8Array(),
      isIssuing: () => isIssuing,
    });
    const said: string[] = [];
    const watch = new TrustWatch(parts, clock, (_, __, { sentence }) => said.push(String(sentence)));
    const windows = (): (Window | undefined)[] => parts.status().parts.map(({ window }) => window);
    try {
      expect(windows()).to.deep.equal([undefined, undefined]);
      const at = await end('certificateLogs', Date.now() + DAY);
      await parts.read();
      expect(windows()[1]?.end).to.equal(at);
      watch.check();
      watch.check();
      expect(said).to.have.length(1);
      skew = 2 * DAY;
      watch.check();
      expect(said[1]).to.include(`the log until ${rfc3339(at)} and no longer`);
      await writeFile(paths.trustedRoot, '{');
      await parts.read();
      watch.check();
      expect(windows()[1]?.end).to.equal(at);
      expect(said).to.have.length(3);
      expect(said[2]).to.match(/is not known: .*trusted_root\.json is damaged/);
      isIssuing = false;
      expect(trustTroubles(parts.status(), clock())).to.deep.equal([]);
    } finally {
      watch.stop();
      parts.close();
    }
  });

  it('knows a window that has not begun', () => {
    const window = { start: 2000 };
    const status = { parts: [{ name: 'log', window }], failure: undefined } as const;
    expect(trustTroubles(status, 1000)[0]).to.match(/the log only from 1970-01-01T00:00:02Z/);
    expect(trustTroubles(status, 2000)).to.deep.equal([]);
  });
});
