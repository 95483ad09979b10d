/** `mayfly log watch` and `search` over logs of artifacts that follow each other: of one name, with a key each. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { searchLogs } from '../../../cli/log/log-search.ts';
import { watch, type WatchOptions } from '../../../cli/log/log-watch.ts';
import { CommandError } from '../../../cli/program/command.ts';
import { exportFiles } from '../../../cli/trust/trust-export.ts';
import { createDirectoryLog } from '../../../instance/create-artifact-log.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { stageArtifactLog } from '../../../instance/stage-artifact-log.ts';
import { switchArtifactLog } from '../../../instance/switch-artifact-log.ts';
import { emailConfig, makeDataDirectory } from '../../support/data-directory.ts';
import { failureAs } from '../../support/failure.ts';
import { signatureOf } from '../../support/logged-signature.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../../support/quiet-service.ts';
import { post } from '../../support/test-service.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

const PATHS = ['/api/v1/log/entries', '/api/v2/log/entries'] as const;

describe('mayfly log watch and search, logs of artifacts that follow each other', function () {
  this.timeout(60_000);
  let root: string;
  let data: string;
  let trust: string;
  let issuer: TestIssuer;
  let service: QuietService;
  let speak = listener();
  const open = async (): Promise<void> => {
    service = await openQuietly(data);
  };
  const sign = async (text: string, address: string): Promise<void> => {
    const { first, second } = await signatureOf({ url: service.url, issuer }, text, address);
    for (const [path, request] of [
      [PATHS[0], first],
      [PATHS[1], second],
    ] as const) {
      const logged = await post(service.url + path, request);
      expect(logged.status, await logged.text()).to.equal(201);
    }
  };
  const run = async (options: WatchOptions): Promise<string[]> => {
    speak = listener();
    expect(await watch({ once: true, ...options }, speak), JSON.stringify(speak.records)).to.equal(undefined);
    return speak.records.map(({ log, index }) => `${String(log)} ${String(index)}`);
  };
  const contradictions = async (options: WatchOptions): Promise<string[]> => {
    speak = listener();
    expect(await watch({ once: true, ...options }, speak)).to.equal(false);
    return speak.records
      .filter(({ event }) => event === 'contradiction')
      .map(({ problem }) => String(problem));
  };
  const state = (name: string): string => join(root, `${name}.json`);

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-watch-rotation-'));
    [data, trust] = [join(root, 'data'), join(root, 'trust')];
    issuer = await startIssuer();
    const settings = '{artifact-log: {admission: any}, public-url: http://127.0.0.1:1}';
    await makeDataDirectory(data, { config: emailConfig(issuer.url, settings) });
    const paths = dataPaths(data);
    for (const api of [1, 2] as const)
      await createDirectoryLog(paths, { api, host: '127.0.0.1', passphrase: undefined, clock: Date.now });
    await open();
    await exportFiles({ data, out: trust }, listener());
    for (const text of ['one', 'two', 'three']) await sign(text, 'alice@example.com');
    await run({ url: service.url, trust, state: state('url'), fromStart: true });
    await service.close();
    await run({ data, state: state('data'), fromStart: true });
    for (const api of [1, 2] as const) {
      const request = { paths, api, passphrase: undefined, clock: Date.now };
      await stageArtifactLog({ ...request, host: undefined });
      await switchArtifactLog(request);
    }
    await exportFiles({ data, out: join(root, 'later') }, listener());
    trust = join(root, 'later');
    await open();
    await sign('four', 'bob@example.com');
  });
  after(async () => {
    await service.close();
    await issuer.close();
    await rm(root, { recursive: true });
  });

  it('reads the new ones from their first entry on, of a service and in a directory', async () => {
    const found = await run({ url: service.url, trust, state: state('url') });
    expect(found).to.deep.equal(['v1 0', 'v1 1', 'v2 0', 'v2 1', 'certificates 3']);
    const ids = new Set(speak.records.map(({ id }) => id));
    await service.close();
    const there = await run({ data, state: state('data') });
    expect(there).to.deep.equal(['v1-2 0', 'v1-2 1', 'v2-2 0', 'v2-2 1', 'certificates 3']);
    // The same event, wherever it was read.
    expect(new Set(speak.records.map(({ id }) => id))).to.deep.equal(ids);
    const all = await run({ data, state: state('new'), fromStart: true });
    expect(all).to.have.length(4 + 2 + 4 + 2 + 4);
    expect(new Set(speak.records.map(({ id }) => id)).size).to.equal(all.length);
    expect(await run({ data, state: state('new') })).to.deep.equal([]);
    await open();
  });

  it('begins at the heads of all of them where they are seen for the first time', async () => {
    await service.close();
    expect(await run({ data, state: state('head') })).to.deep.equal([]);
    await open();
  });

  it('finds entries of all of them by the index, and proves those of the logs in use', async () => {
    speak = listener();
    await searchLogs({ url: service.url, trust, byIndex: true, in: ['artifacts'] }, speak);
    const found = speak.records.map(
      ({ log, index, verified }) => `${String(log)} ${String(index)} ${String(verified)}`,
    );
    expect(found).to.include.members([
      'v2-2 0 true',
      'v2-2 1 true',
      'v1-2 1 true',
      'v2 3 false',
      'v1 3 false',
    ]);
    expect(found).to.have.length(12);
    for (const api of ['v1', 'v2']) {
      speak = listener();
      await searchLogs({ url: service.url, trust, byIndex: true, in: [api] }, speak);
      const ofIt = found.filter((line) => line.startsWith(api));
      expect(
        speak.records.map(
          ({ log, index, verified }) => `${String(log)} ${String(index)} ${String(verified)}`,
        ),
      ).to.have.members(ofIt);
      expect(ofIt.some((line) => line.startsWith(`${api}-2`))).to.equal(true);
    }
  });

  it('takes no log for the one in use that another one has followed', async () => {
    const place = { url: service.url, state: state('again') };
    expect(await run({ ...place, trust, fromStart: true, in: ['artifacts'] })).to.have.length(4);
    const saved = JSON.parse(await readFile(place.state, 'utf8')) as { logs: Record<string, object> };
    // As if those that are shown now had been there before another one.
    const [tree = {}] = Object.values(saved.logs).slice(-1);
    await writeFile(place.state, JSON.stringify({ ...saved, logs: { ...saved.logs, '00': tree } }));
    const found = await contradictions({ ...place, trust, in: ['artifacts'] });
    expect(found).to.have.length(1);
    expect(found[0]).to.match(/another log was in its place/);
  });

  it('refuses a log whose time has ended where the trust has one that follows it', async () => {
    const path = join(trust, 'trusted_root.json');
    const text = await readFile(path, 'utf8');
    type Log = { publicKey: { validFor: { start: string; end?: string } } };
    const trusted = JSON.parse(text) as { tlogs: Log[] };
    const lies = join(root, 'lies');
    await exportFiles({ data, out: lies }, listener());
    for (const { publicKey } of trusted.tlogs)
      publicKey.validFor =
        publicKey.validFor.end === undefined
          ? { ...publicKey.validFor, end: publicKey.validFor.start }
          : { start: publicKey.validFor.start };
    await writeFile(join(lies, 'trusted_root.json'), JSON.stringify(trusted));
    for (const log of ['v1', 'v2']) {
      const options = { url: service.url, trust: lies, state: state('lies'), once: true, in: [log] } as const;
      const error = await failureAs(CommandError, watch(options, speak));
      expect(error.message).to.match(/whose time ended .* has one that follows it/);
    }
  });

  it('takes no second tree of a key for another log, whatever its number', async () => {
    const place = { url: service.url, trust, state: state('fork'), in: ['v1'] };
    await run(place);
    const text = await readFile(place.state, 'utf8');
    const forked = text.replace(/(127\.0\.0\.1 - )\d+/, '$17');
    expect(forked).not.to.equal(text);
    await writeFile(place.state, forked);
    for (let i = 0; i < 2; i++)
      expect((await contradictions(place)).join()).to.match(
        /its key signed another tree before, that of .* - 7/,
      );
    expect(await readFile(place.state, 'utf8')).to.equal(forked);
  });

  it('follows the logs behind one that contradicts itself', async () => {
    const place = { url: service.url, trust, state: state('behind') };
    await run({ ...place, fromStart: true, in: ['certificates'] });
    await sign('five', 'carol@example.com');
    const logsOf = async (path: string): Promise<Record<string, { origin: string }>> =>
      (JSON.parse(await readFile(path, 'utf8')) as { logs: Record<string, { origin: string }> }).logs;
    await run({ url: service.url, trust, state: state('one'), fromStart: true, in: ['v1'] });
    const others = await logsOf(state('one'));
    const [id = ''] = Object.keys(others);
    const logs = await logsOf(place.state);
    // The tree of another log under its name.
    const foreign = { ...Object.values(logs)[0], log: 'v1', origin: others[id]?.origin };
    await writeFile(place.state, JSON.stringify({ version: 2, logs: { ...logs, [id]: foreign } }));
    const found = await contradictions({ ...place, identity: 'carol@example.com', fromStart: true });
    expect(found).to.have.length(1);
    expect(speak.records.map(({ log }) => log)).to.deep.equal(['v2', 'certificates', undefined]);
  });
});
