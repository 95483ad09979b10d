/** `mayfly log watch` and `search` over certificate logs that follow each other: none of what the log before took last is missed. */
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { searchLogs } from '../../../cli/log/log-search.ts';
import { watch, type WatchOptions } from '../../../cli/log/log-watch.ts';
import type { LogSearchOptions } from '../../../cli/log/logs-query.ts';
import { CommandError } from '../../../cli/program/command.ts';
import { exportFiles } from '../../../cli/trust/trust-export.ts';
import { decodePem } from '../../../core/pem.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { stageLog } from '../../../instance/stage-log.ts';
import { switchLog } from '../../../instance/switch-log.ts';
import { emailConfig, makeDataDirectory } from '../../support/data-directory.ts';
import { failureAs } from '../../support/failure.ts';
import { signatureOf } from '../../support/logged-signature.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../../support/quiet-service.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

const CERTIFICATES = { in: ['certificates'] };

describe('mayfly log watch and search, certificate logs that follow each other', function () {
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
  const issue = async (address: string): Promise<void> => {
    await signatureOf({ url: service.url, issuer }, 'text', address);
  };
  const rotate = async (origin: string): Promise<void> => {
    const chain = decodePem(await readFile(dataPaths(data).chain, 'latin1')).map(({ bytes }) => bytes);
    const request = { data, chain, passphrase: undefined, clock: Date.now };
    await stageLog({ ...request, origin });
    await switchLog(request);
  };
  const run = async (options: WatchOptions): Promise<string[]> => {
    speak = listener();
    expect(await watch({ once: true, ...options }, speak), JSON.stringify(speak.records)).to.equal(undefined);
    return found();
  };
  const search = async (options: LogSearchOptions): Promise<string[]> => {
    speak = listener();
    await searchLogs(options, speak);
    return found();
  };
  const found = (): string[] => speak.records.map(({ log, index }) => `${String(log)} ${String(index)}`);
  const state = (name: string): string => join(root, `${name}.json`);
  const former = (name: string): string => join(data, 'logs', name);

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-certificate-rotation-'));
    [data, trust] = [join(root, 'data'), join(root, 'trust')];
    issuer = await startIssuer();
    await makeDataDirectory(data, { config: emailConfig(issuer.url) });
    await open();
    await exportFiles({ data, out: trust }, listener());
    await issue('alice@example.com');
    for (const name of ['url', 'hidden'])
      await run({ url: service.url, trust, state: state(name), fromStart: true });
    for (const name of ['data', 'lost']) await run({ data, state: state(name), fromStart: true });
    await issue('tail@example.com');
    await service.close();
    await rotate('localhost/log/2027');
    await open();
    await issue('bob@example.com');
    await service.close();
    await rotate('localhost/log/2028');
    trust = join(root, 'later');
    await exportFiles({ data, out: trust }, listener());
    await open();
    await issue('eve@example.com');
  });
  after(async () => {
    await service.close();
    await issuer.close();
    await rm(root, { recursive: true });
  });

  const BEHIND = ['certificates-2026 1', 'certificates-2027 0', 'certificates 0'];

  it('reads each of them on to its end before the next one, of a service and in a directory', async () => {
    expect(
      await run({ url: service.url, trust, state: state('url'), ...CERTIFICATES }),
    ).to.have.ordered.members(BEHIND);
    const ids = speak.records.map(({ id }) => id);
    expect(await run({ url: service.url, trust, state: state('url'), ...CERTIFICATES })).to.deep.equal([]);
    expect(await run({ data, state: state('data'), ...CERTIFICATES })).to.have.ordered.members(BEHIND);
    // The same event, wherever it was read.
    expect(speak.records.map(({ id }) => id)).to.deep.equal(ids);
    expect(await run({ data, state: state('data') })).to.deep.equal([]);
  });

  it('begins at the heads of all of them where they are seen for the first time', async () => {
    expect(await run({ url: service.url, trust, state: state('heads') })).to.deep.equal([]);
    expect(await run({ url: service.url, trust, state: state('all'), fromStart: true })).to.have.length(4);
  });

  it('fails, after it read the others, where a log that was read before is hidden or gone', async () => {
    // As a service does not show it, and as a directory is that somebody took it from.
    await rename(former('2026'), join(root, 'taken'));
    await service.close();
    await open();
    try {
      for (const options of [
        { url: service.url, trust, state: state('hidden') },
        { data, state: state('lost') },
      ]) {
        speak = listener();
        const failure = await failureAs(CommandError, watch({ once: true, ...options }, speak));
        expect(failure.message).to.equal(
          'the log localhost/log/2026 (certificates), which was read before, is not there any more',
        );
        expect(found()).to.deep.equal(BEHIND.slice(1));
      }
    } finally {
      await service.close();
      await rename(join(root, 'taken'), former('2026'));
      await open();
    }
    // Nothing is lost by that.
    expect(await run({ data, state: state('lost') })).to.deep.equal(BEHIND.slice(0, 1));
  });

  it('searches all of them', async () => {
    for (const place of [{ data }, { url: service.url, trust }]) {
      expect(await search({ ...place, identity: 'tail@example.com', any: true })).to.deep.equal([
        'certificates-2026 1',
      ]);
      expect(await search({ ...place, in: ['certificates-2027'] })).to.deep.equal(['certificates-2027 0']);
      expect(await search({ ...place, log: '2028', in: ['certificates'] })).to.deep.equal(['certificates 0']);
    }
  });

  it('says by the index which of them it does not search', async () => {
    const UNSEARCHED = ['certificates-2026', 'certificates-2027'];
    const ask = async (query: string): Promise<unknown> =>
      (await (await fetch(`${service.url}/api/search/v1?${query}`)).json()) as unknown;
    expect(await ask('identity=tail@example.com')).to.deep.include({ entries: [], unsearched: UNSEARCHED });
    const notes: string[] = [];
    const note = (text: string): void => void notes.push(text);
    await searchLogs(
      { url: service.url, trust, byIndex: true, identity: 'tail@example.com' },
      { ...speak, note },
    );
    expect(notes.join('\n')).to.contain(`the index does not have ${UNSEARCHED.join(', ')}`);
  });
});
