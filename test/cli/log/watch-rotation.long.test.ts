/** `mayfly log watch` and `search` over logs of artifacts that follow each other: of one name, with a key each. */
import { cpSync } from 'node:fs';
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
import { fileSteps } from '../../support/file-steps.ts';
import { signatureOf } from '../../support/logged-signature.ts';
import { startFront } from '../../support/front-server.ts';
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
    for (const name of ['url', 'hidden'])
      await run({ url: service.url, trust, state: state(name), fromStart: true });
    await service.close();
    await run({ data, state: state('data'), fromStart: true });
    // What comes between the last round and the switch.
    await open();
    await sign('tail', 'tail@example.com');
    await service.close();
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

  it('reads the ones before to their end, and the new ones from their first entry on, of a service and in a directory', async () => {
    const found = await run({ url: service.url, trust, state: state('url') });
    expect(found).to.deep.equal([
      ...['v1 4', 'v1-2 0', 'v1-2 1', 'v2 4', 'v2-2 0', 'v2-2 1'],
      ...['certificates 3', 'certificates 4'],
    ]);
    const ids = new Set(speak.records.map(({ id }) => id));
    expect(await run({ url: service.url, trust, state: state('url') })).to.deep.equal([]);
    const all = await run({ url: service.url, trust, state: state('all'), fromStart: true });
    await service.close();
    expect(await run({ data, state: state('data') })).to.deep.equal(found);
    // The same event, wherever it was read.
    expect(new Set(speak.records.map(({ id }) => id))).to.deep.equal(ids);
    expect(await run({ data, state: state('new'), fromStart: true })).to.deep.equal(all);
    expect(all).to.have.length(5 + 2 + 5 + 2 + 5);
    expect(new Set(speak.records.map(({ id }) => id)).size).to.equal(all.length);
    expect(await run({ data, state: state('new') })).to.deep.equal([]);
    await open();
  });

  it('begins at the heads of all of them where they are seen for the first time', async () => {
    expect(await run({ url: service.url, trust, state: state('heads') })).to.deep.equal([]);
    await service.close();
    expect(await run({ data, state: state('head') })).to.deep.equal([]);
    await open();
  });

  describe('killed at a step of its state', () => {
    before(() => service.close());
    after(open);

    /** After each step of the state: what was reported by then, and what the same command reports then. */
    async function afterEachStep(
      options: WatchOptions,
      judge: (step: string, first: readonly string[], then: readonly string[]) => void,
    ): Promise<void> {
      const folder = await mkdtemp(join(root, 'state-'));
      const copies: [step: string, copy: string, reported: number][] = [];
      const steps = fileSteps(
        folder,
        () => run({ ...options, state: join(folder, 'state.json') }),
        (step) => {
          const copy = `${folder}-${copies.length}`;
          cpSync(folder, copy, { recursive: true });
          copies.push([step, copy, speak.records.length]);
        },
      );
      expect(await steps).not.to.deep.equal([]);
      const all = speak.records.map(({ id }) => String(id));
      for (const [step, copy, reported] of copies) {
        await run({ ...options, state: join(copy, 'state.json') });
        const then = speak.records.map(({ id }) => String(id));
        judge(step, all.slice(0, reported), then);
        expect(new Set([...all.slice(0, reported), ...then]), step).to.deep.equal(new Set(all));
        expect(await run({ ...options, state: join(copy, 'state.json') }), step).to.deep.equal([]);
        await rm(copy, { recursive: true });
      }
    }

    it('reports all entries, and again those of one log alone', async () => {
      let repeated = 0;
      await afterEachStep({ data, fromStart: true }, (step, first, then) => {
        const twice = then.filter((id) => first.includes(id));
        repeated += twice.length;
        expect(new Set(twice.map((id) => id.replace(/ \d+$/, ''))).size, step).to.be.lessThan(2);
      });
      expect(repeated).to.be.greaterThan(0);
    });

    it('begins at the heads of all logs all the same', async () => {
      await afterEachStep({ data }, (step, first, then) => {
        expect([...first, ...then], step).to.deep.equal([]);
      });
    });
  });

  it('reads one of those before alone, and says which there are not', async () => {
    const place = { url: service.url, trust };
    for (const [log, count] of [
      ['v1-2', 2],
      ['v2-2', 2],
      ['v2', 7],
    ] as const)
      expect(await run({ ...place, in: [log], state: state(`in-${log}`), fromStart: true })).to.have.length(
        count,
      );
    speak = listener();
    await searchLogs({ ...place, in: ['artifacts'], identity: 'tail@example.com' }, speak);
    expect(speak.records.map(({ log, index }) => `${String(log)} ${String(index)}`)).to.deep.equal([
      'v1 4',
      'v2 4',
    ]);
    for (const options of [{ in: ['v1-3'] }, { in: ['v2-3'] }])
      expect((await failureAs(CommandError, searchLogs({ ...place, ...options }, speak))).message).to.match(
        /there is no log v\d-3/,
      );
  });

  it('fails, after it read the others, where one is hidden that was read before, or is not known', async () => {
    let isHidden = true;
    const front = await startFront(
      () => service.url,
      (path, own) => {
        const { body } = own;
        if (isHidden && path === '/api/v1/log')
          return {
            ...own,
            body: body.toString().replace(/"inactiveShards":\[.*?\]/, '"inactiveShards":null'),
          };
        return isHidden && path.startsWith('/artifacts/') ? { status: 404, body: '' } : own;
      },
    );
    const place = { url: front.url, trust, state: state('hidden'), in: ['v2'] };
    try {
      const failure = await failureAs(CommandError, watch({ once: true, ...place }, (speak = listener())));
      expect(failure.message).to.equal(
        'the log 127.0.0.1 (v2), which was read before, is not there any more',
      );
      expect(speak.records.map(({ log, index }) => `${String(log)} ${String(index)}`)).to.deep.equal([
        'v2 0',
        'v2 1',
      ]);
      // Of the first API, entries of the log before stand at the indexes of others then.
      expect((await contradictions({ ...place, in: ['v1'] })).join()).to.match(/contradicts itself/);
      isHidden = false;
      expect(await run(place)).to.deep.equal(['v2 4']);
      const path = join(trust, 'trusted_root.json');
      const trusted = JSON.parse(await readFile(path, 'utf8')) as {
        tlogs: { publicKey: { validFor: { end?: string } } }[];
      };
      const newer = join(root, 'newer');
      await exportFiles({ data, out: newer }, listener());
      const tlogs = trusted.tlogs.filter(({ publicKey }) => publicKey.validFor.end === undefined);
      expect(tlogs).to.have.length(2);
      await writeFile(join(newer, 'trusted_root.json'), JSON.stringify({ ...trusted, tlogs }));
      for (const log of ['v1', 'v2']) {
        const options = { url: front.url, trust: newer, in: [log], state: state(`newer-${log}`) };
        const error = await failureAs(
          CommandError,
          watch({ ...options, once: true, fromStart: true }, (speak = listener())),
        );
        expect([error.code, error.message]).to.deep.equal([
          'USAGE',
          `the service has the log ${log} of before, and --trust does not know it`,
        ]);
        expect(speak.records).to.have.length(2);
      }
    } finally {
      front.close();
    }
  });

  it('finds entries of all of them by the index, and proves them', async () => {
    speak = listener();
    await searchLogs({ url: service.url, trust, byIndex: true, in: ['artifacts'] }, speak);
    const found = speak.records.map(
      ({ log, index, verified }) => `${String(log)} ${String(index)} ${String(verified)}`,
    );
    expect(found).to.include.members(['v2-2 0 true', 'v2-2 1 true', 'v1-2 1 true', 'v2 3 true', 'v1 3 true']);
    expect(found).to.have.length(14);
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
    expect(await run({ ...place, trust, fromStart: true, in: ['artifacts'] })).to.have.length(14);
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
    const [id = ''] = Object.keys(others).slice(-1);
    const logs = await logsOf(place.state);
    // The tree of another log under its name.
    const foreign = { ...Object.values(logs)[0], log: 'v1-2', origin: others[id]?.origin };
    await writeFile(place.state, JSON.stringify({ version: 2, logs: { ...logs, [id]: foreign } }));
    const found = await contradictions({ ...place, identity: 'carol@example.com', fromStart: true });
    expect(found).to.have.length(1);
    expect(speak.records.map(({ log }) => log)).to.deep.equal(['v2-2', 'certificates', undefined]);
  });
});
