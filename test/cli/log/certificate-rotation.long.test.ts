/** `mayfly log watch` and `search` over certificate logs that follow each other: none of what the log before took last is missed. */
import { hash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { searchLogs } from '../../../cli/log/log-search.ts';
import { watch, type WatchOptions } from '../../../cli/log/log-watch.ts';
import type { LogSearchOptions } from '../../../cli/log/logs-query.ts';
import { CommandError } from '../../../cli/program/command.ts';
import { exportFiles } from '../../../cli/trust/trust-export.ts';
import { toBase64 } from '../../../core/bytes.ts';
import { decodePem } from '../../../core/pem.ts';
import { leafIndexExtension } from '../../../ct-log/format/leaf-index.ts';
import { encodeSct, encodeSctList } from '../../../ct-log/format/sct.ts';
import { readIdentity } from '../../../ct-log/log-identity.ts';
import { createDirectoryLog } from '../../../instance/create-artifact-log.ts';
import { certificateLogPaths, dataPaths } from '../../../instance/data-paths.ts';
import { stageLog } from '../../../instance/stage-log.ts';
import { switchLog } from '../../../instance/switch-log.ts';
import { email, namedCertificate, signatureBy } from '../../search/support/bodies.ts';
import { emailConfig, makeDataDirectory } from '../../support/data-directory.ts';
import { failureAs } from '../../support/failure.ts';
import { signatureOf } from '../../support/logged-signature.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../../support/quiet-service.ts';
import { post } from '../../support/test-service.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

const CERTIFICATES = { in: ['certificates'] };

/** Puts another log in the place of the one in use. */
async function rotate(data: string, origin: string): Promise<void> {
  const chain = decodePem(await readFile(dataPaths(data).chain, 'latin1')).map(({ bytes }) => bytes);
  const request = { data, chain, passphrase: undefined, clock: Date.now };
  await stageLog({ ...request, origin });
  await switchLog(request);
}

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
    await rotate(data, 'localhost/log/2027');
    await open();
    await issue('bob@example.com');
    await service.close();
    await rotate(data, 'localhost/log/2028');
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

  describe('by the index', () => {
    interface Answer {
      readonly entries: readonly { readonly log: string; readonly index: number }[];
      readonly unsearched: readonly string[];
      readonly searched: readonly { readonly log: string; readonly size: number }[];
      readonly next: string | null;
    }
    const ask = async (query: string): Promise<Answer> => {
      for (;;) {
        const answer = await fetch(`${service.url}/api/search/v1?${query}`);
        if (answer.status === 200) return (await answer.json()) as Answer;
        expect(answer.status, await answer.text()).to.equal(503);
      }
    };
    const foundBy = async (query: string): Promise<string[]> =>
      (await ask(query)).entries.map(({ log, index }) => `${log} ${String(index)}`);
    const restart = async (change: () => Promise<unknown>): Promise<void> => {
      await service.close();
      await change();
      await open();
    };

    it('finds what is in any of them, and proves it', async () => {
      expect(await foundBy('identity=tail@example.com')).to.deep.equal(['certificates-2026 1']);
      expect(await foundBy('identity-prefix=b')).to.deep.equal(['certificates-2027 0']);
      const everything = [
        'certificates 0',
        'certificates-2027 0',
        'certificates-2026 1',
        'certificates-2026 0',
      ];
      expect(await foundBy('')).to.deep.equal(everything);
      const { unsearched, searched } = await ask('issuer=x');
      expect(unsearched).to.deep.equal([]);
      expect(searched.map(({ log, size }) => `${log} ${String(size)}`)).to.deep.equal([
        'certificates 1',
        'certificates-2027 1',
        'certificates-2026 2',
      ]);
      const pages: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: Answer = await ask(`limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
        pages.push(...page.entries.map(({ log, index }) => `${log} ${String(index)}`));
        cursor = page.next;
      }
      expect(pages).to.deep.equal(everything);
      const place = { url: service.url, trust, byIndex: true } as const;
      expect(await search({ ...place, in: ['certificates'] })).to.deep.equal(everything);
      expect(speak.records.every(({ verified }) => verified === true)).to.equal(true);
      expect(
        await search({ ...place, in: ['certificates-2026'], identity: 'tail@example.com' }),
      ).to.deep.equal(['certificates-2026 1']);
    });

    it('makes the index of one anew that was deleted', async () => {
      await restart(() => rm(join(former('2026'), 'search.db')));
      expect(await foundBy('identity=tail@example.com')).to.deep.equal(['certificates-2026 1']);
      expect(await readdir(former('2026'))).to.include('search.db');
    });

    it('names those that it cannot read, and finds what is in the others', async () => {
      const place = { url: service.url, trust, byIndex: true, identity: 'bob@example.com' } as const;
      const commits = join(former('2026'), 'commit.db');
      const aside = join(root, 'commit.db');
      await restart(() => rename(commits, aside));
      try {
        const answer = await ask('identity-prefix=b');
        expect(answer.unsearched).to.deep.equal(['certificates-2026']);
        expect(answer.entries.map(({ log }) => log)).to.deep.equal(['certificates-2027']);
        expect((await ask('identity=x&log=certificates-2027')).entries).to.deep.equal([]);
        expect(await search({ ...place, url: service.url })).to.deep.equal(['certificates-2027 0']);
        expect(speak.heard.join('\n')).to.contain('the service cannot search certificates-2026');
      } finally {
        await restart(() => rename(aside, commits));
      }
      // One whose index cannot be made.
      await restart(async () => {
        await rm(join(former('2026'), 'search.db'));
        await mkdir(join(former('2026'), 'search.db', 'full'), { recursive: true });
      });
      try {
        expect((await ask('identity-prefix=b')).unsearched).to.deep.equal(['certificates-2026']);
        // The operator reads why.
        const noted = (): unknown[] =>
          service.lines.flatMap(({ event, log }) => (event === 'former log cannot be searched' ? [log] : []));
        while (noted().length === 0) await delay(20);
        expect(noted()).to.deep.equal(['2026']);
      } finally {
        await restart(() => rm(join(former('2026'), 'search.db'), { recursive: true }));
      }
      expect((await ask('identity-prefix=b')).unsearched).to.deep.equal([]);
    });
  });
});

describe('mayfly log watch, signatures by certificates of former certificate logs', function () {
  this.timeout(60_000);
  let root: string;
  let data: string;
  let trust: string;
  let issuer: TestIssuer;
  let service: QuietService;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-former-signatures-'));
    [data, trust] = [join(root, 'data'), join(root, 'trust')];
    issuer = await startIssuer();
    const settings = '{artifact-log: {admission: any}, public-url: http://127.0.0.1:1}';
    await makeDataDirectory(data, { config: emailConfig(issuer.url, settings) });
    const made = { api: 2, host: '127.0.0.1', passphrase: undefined, clock: Date.now } as const;
    await createDirectoryLog(dataPaths(data), made);
    service = await openQuietly(data);
    await sign('alice@example.com');
    await service.close();
    await rotate(data, 'localhost/log/2027');
    await exportFiles({ data, out: trust }, listener());
    service = await openQuietly(data);
    await sign('bob@example.com');
    for (const name of ['2026', '2027']) await forge(name, `mallory.${name}@example.com`);
    // So that the files of the directory have every entry.
    await service.close();
    service = await openQuietly(data);
  });
  after(async () => {
    await service.close();
    await issuer.close();
    await rm(root, { recursive: true });
  });

  const log = async (request: string): Promise<void> => {
    const logged = await post(`${service.url}/api/v2/log/entries`, request);
    expect(logged.status, await logged.text()).to.equal(201);
  };
  const sign = async (address: string): Promise<void> => {
    await log((await signatureOf({ url: service.url, issuer }, address, address)).second);
  };
  /** A certificate with an SCT of the log of that name, as if its keys were known to others: what its entry 0 is, it is not. */
  const forge = async (name: string, address: string): Promise<void> => {
    const { logId } = await readIdentity(certificateLogPaths(dataPaths(data), name).directory);
    const sct = {
      logId,
      timestamp: Date.now(),
      extensions: leafIndexExtension(0),
      signature: Uint8Array.of(0x30, 0x06, 2, 1, 1, 2, 1, 1),
    };
    const { der } = namedCertificate([email(address)], encodeSctList([encodeSct(sct)]));
    const verifier = {
      x509Certificate: { rawBytes: toBase64(der) },
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
    };
    const content = signatureBy(address);
    const digest = hash('sha256', address, 'base64');
    await log(JSON.stringify({ hashedRekordRequestV002: { digest, signature: { content, verifier } } }));
  };
  const problems = async (place: WatchOptions): Promise<unknown[]> => {
    const speak = listener();
    const options = { once: true, fromStart: true, unlogged: true, in: ['v2'] } as const;
    const state = join(await mkdtemp(join(root, 'state-')), 'watch.json');
    expect(await watch({ ...options, ...place, state }, speak)).to.equal(undefined);
    return speak.records.map(({ index, problem }) => `${String(index)}: ${String(problem)}`);
  };
  const NOT_THERE = 'does not have the certificate: entry 0 of the log is not this certificate';

  it('looks for each certificate in the log that it has an SCT of', async () => {
    for (const place of [{ data }, { url: service.url, trust }, { data, log: '2027' }])
      expect(await problems(place)).to.deep.equal([
        `3: the log localhost/log/2026 ${NOT_THERE}`,
        `4: the log localhost/log/2027 ${NOT_THERE}`,
      ]);
  });

  it('reports what is of a log that is hidden or gone', async () => {
    const former = certificateLogPaths(dataPaths(data), '2026').directory;
    await service.close();
    await rename(former, join(root, 'taken'));
    service = await openQuietly(data);
    try {
      const hidden = 'the log localhost/log/2026, of which the certificate carries an SCT, is not there';
      const gone = 'the certificate carries no SCT of a log that is known';
      const last = `4: the log localhost/log/2027 ${NOT_THERE}`;
      expect(await problems({ url: service.url, trust })).to.deep.equal([
        `1: ${hidden} to be looked into`,
        `3: ${hidden} to be looked into`,
        last,
      ]);
      expect(await problems({ data })).to.deep.equal([`1: ${gone}`, `3: ${gone}`, last]);
    } finally {
      await service.close();
      await rename(join(root, 'taken'), former);
      service = await openQuietly(data);
    }
  });
});
