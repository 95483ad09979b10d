import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CommandError, exitCodeOf } from '../../../cli/program/command.ts';
import { search } from '../../../cli/rekor/rekor-search.ts';
import { toBase64, toHex } from '../../../core/bytes.ts';
import { createDirectoryLog } from '../../../instance/create-artifact-log.ts';
import { artifactLogPaths } from '../../../instance/artifact-logs.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { openKey } from '../../../instance/open-key.ts';
import { openArtifactLog } from '../../../rekor/open-artifact-log.ts';
import type { ArtifactLog } from '../../../rekor/artifact-log.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { hashLeaf } from '../../../tlog/format/merkle.ts';
import { dsse, email, hashedrekord, namedCertificate, uri } from '../../search/support/bodies.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { failureAs } from '../../support/failure.ts';
import { openedArtifacts, type TestArtifactLogs } from '../../support/opened-artifacts.ts';
import { startTestService, type TestService } from '../../support/test-service.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

const SUBJECT = `sha256:${'ab'.repeat(32)}`;

/** What a search asks. */
interface Asked {
  readonly before?: number;
}

/** What a service answers. */
interface LyingAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

/** Asks for a name where nothing else is asked for. */
const named = (options: object): object =>
  'digest' in options ? options : { identity: 'ada@example.org', ...options };

describe('mayfly rekor search', function () {
  this.timeout(60_000);
  let root: string;
  let data: string;
  let artifacts: TestArtifactLogs;
  let service: TestService;
  let speak = listener();
  const ada = namedCertificate([email('ada@example.org')]);
  const job = namedCertificate([uri('https://git.example.org/acme/app/ci.yml@refs/heads/main')]);

  /** Index 1 is of Ada, 2 to 4 are of jobs, and 4 names a subject. */
  const fill = async (log: ArtifactLog): Promise<void> => {
    const bodies = [ada, job].map(({ pem }) => hashedrekord(pem).body);
    const more = [hashedrekord(job.pem, '1').body, dsse(job.pem)];
    for (const [i, body] of [...bodies, ...more].entries())
      await log.add({ body, namedDigests: i === 3 ? [SUBJECT] : [] });
  };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-rekor-search-'));
    data = join(root, 'data');
    await makeDataDirectory(data);
    const paths = dataPaths(data);
    for (const api of [1, 2] as const) {
      await createDirectoryLog(paths, {
        api,
        host: 'ca.example.org',
        passphrase: undefined,
        clock: Date.now,
      });
      const { directory, key } = artifactLogPaths(paths, api);
      const log = await openArtifactLog({
        directory,
        signer: await openKey(key),
        clock: Date.now,
      });
      await fill(log);
      await log.close();
    }
    await writeFile(join(root, 'ada.pem'), ada.pem);
    artifacts = await openedArtifacts();
    for (const log of artifacts.logs) await fill(log);
    service = await startTestService(() => ({ artifacts, logAccess: { kind: 'token', token: 'secret' } }));
    await writeFile(join(root, 'token'), 'secret\n', { mode: 0o600 });
  });
  beforeEach(() => {
    speak = listener();
  });
  after(async () => {
    await service.close();
    await artifacts.remove();
    await rm(root, { recursive: true });
  });

  const found = (): string[] =>
    speak.records.map(({ api, logIndex }) => `${String(api)} ${String(logIndex)}`);
  /** The same of the directory and of the service. */
  const places = (): readonly {
    readonly data?: string;
    readonly url?: string;
    readonly accessTokenFile?: string;
  }[] => [{ data }, { url: service.url, accessTokenFile: join(root, 'token') }];

  it('says who signed, where and what, the newest first, in a directory and of a service', async () => {
    for (const place of places()) {
      speak = listener();
      await search({ ...place, v1: true, identityPrefix: 'https://git.example.org/ACME/' }, speak);
      expect(found()).to.deep.equal(['v1 4', 'v1 3', 'v1 2']);
      expect(speak.records[0]).to.deep.include({ kind: 'dsse 0.0.1' });
      const [signer] = speak.records[0]?.['signers'] as {
        identities: string[];
        issuer: string;
        serial: string;
      }[];
      expect(signer).to.deep.include({ issuer: 'https://issuer.example', serial: '0abc01' });
      expect(speak.texts[0]).to.contain('https://git.example.org/acme/app/ci.yml@refs/heads/main');
      expect(speak.records[0]?.['time']).to.match(/^\d{4}-/);
    }
  });

  it('finds by certificate, digest of a subject, issuer and several of them', async () => {
    const cases: readonly (readonly [Parameters<typeof search>[0], string[]])[] = [
      [{ certificate: join(root, 'ada.pem') }, ['v1 1']],
      [{ digest: 'ab'.repeat(32) }, ['v1 4']],
      [{ digest: SUBJECT, identity: 'ada@example.org' }, []],
      [{ digest: SUBJECT, identity: 'ada@example.org', any: true }, ['v1 4', 'v1 1']],
      [{ issuer: 'https://issuer.example', limit: '2' }, ['v1 4', 'v1 3']],
      [{ issuer: 'https://issuer.example', before: '3' }, ['v1 2', 'v1 1']],
      [{ identity: 'nobody@example.org' }, []],
    ];
    for (const place of places())
      for (const [options, expected] of cases) {
        speak = listener();
        await search({ ...place, v1: true, ...options }, speak);
        expect(found(), JSON.stringify(options)).to.deep.equal(expected);
      }
  });

  /** A service that answers as the test says, and what it was asked. */
  const beside = async (
    answer: (path: string, asked: readonly Asked[]) => LyingAnswer,
    use: (url: string) => Promise<void>,
  ): Promise<readonly Asked[]> => {
    const asked: Asked[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (bytes: Buffer) => chunks.push(bytes));
      request.on('end', () => {
        asked.push(JSON.parse(Buffer.concat(chunks).toString()) as Asked);
        const { status = 200, headers = {}, json } = answer(request.url ?? '', asked);
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(JSON.stringify(json ?? []));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
    return asked;
  };
  const failure = async (url: string, options: Parameters<typeof search>[0] = {}): Promise<CommandError> =>
    failureAs(CommandError, search({ url, identity: 'ada@example.org', ...options }, speak));

  it('goes on behind a page that is empty because its time was over, and refuses one that does not go on', async () => {
    const nextOf = (asked: readonly Asked[]): string => (asked.length === 1 ? '7' : '3');
    const asked = await beside(
      // 7, 3, and 3 again.
      (_, all) => ({ headers: { 'x-search-before': nextOf(all) } }),
      async (url) => {
        expect((await failure(url)).message).to.contain('what was not asked for');
      },
    );
    expect(asked.map(({ before }) => before)).to.deep.equal([undefined, 7, 3]);
    expect(found()).to.deep.equal([]);
  });

  it('ends where the pages of a service have no end, and where its time is over', async () => {
    let next = Number.MAX_SAFE_INTEGER;
    const asked = await beside(
      () => ({ headers: { 'x-search-before': String(next--) } }),
      async (url) => {
        const error = await failure(url);
        expect(error.message).to.contain('without an entry');
        expect(exitCodeOf(error)).to.equal(3);
      },
    );
    expect(asked.length).to.be.below(1000);
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    try {
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      const error = await failure(url, { timeout: '1' });
      expect(error.message).to.contain('the 1 s for the whole command');
      expect(exitCodeOf(error)).to.equal(3);
    } finally {
      silent.closeAllConnections();
      silent.close();
    }
  });

  it('takes from a service what was asked for alone: each entry once, in its order, with a number and a time', async () => {
    const bodies = [hashedrekord(ada.pem).body, hashedrekord(job.pem).body, hashedrekord(ada.pem, '2').body];
    const ids = bodies.map((body) => `${'0'.repeat(16)}${toHex(hashLeaf(sha256, body))}`);
    const [mine = '', others = '', second = ''] = ids;
    const entry = (id: string, facts: object = {}): object => ({
      [id]: {
        body: toBase64(bodies[ids.indexOf(id)] ?? new Uint8Array()),
        logIndex: 7,
        integratedTime: 1_700_000_000,
        ...facts,
      },
    });
    const { digest } = hashedrekord(ada.pem);
    const cases: readonly (readonly [what: string, ids: unknown, entries: unknown, facts?: object])[] = [
      ['another name', [others], [entry(others)]],
      ['another digest', [second], [entry(second)], { digest }],
      ['the same entry twice', [mine, mine], [entry(mine), entry(mine)]],
      ['an entry of another id', [mine], [entry(others)]],
      ['more entries than ids', [mine], [entry(mine), entry(second, { logIndex: 6 })]],
      ['an id without its entry', [mine], []],
      ['a rising number', [mine, second], [entry(mine), entry(second, { logIndex: 8 })]],
      ['a negative number', [mine], [entry(mine, { logIndex: -1 })]],
      ['no whole number', [mine], [entry(mine, { logIndex: 0.5 })]],
      ['a number beyond all', [mine], [entry(mine, { logIndex: 1e300 })]],
      ['a number that was excluded', [mine], [entry(mine)], { before: '7' }],
      ['a time that is none', [mine], [entry(mine, { integratedTime: 1e300 })]],
      ['what is no id', ['x'], []],
      ['more ids than wanted', [mine, second], [entry(mine)], { limit: '1' }],
    ];
    for (const [what, listed, entries, options = {}] of cases)
      await beside(
        (path) => ({ json: path.endsWith('index/retrieve') ? listed : entries }),
        async (url) => {
          const error = await failureAs(CommandError, search({ url, ...named(options) }, speak));
          expect(error.message, what).to.contain('what was not asked for');
        },
      );
    await beside(
      (path) => ({
        json: path.endsWith('index/retrieve')
          ? [mine, second]
          : [entry(second, { logIndex: 6 }), entry(mine)],
      }),
      (url) => search({ url, identity: 'ada@example.org' }, speak),
    );
    expect(found().slice(-2)).to.deep.equal(['v1 7', 'v1 6']);
    await beside(
      () => ({ headers: { 'x-search-before': 'soon' } }),
      async (url) => {
        expect((await failure(url)).message).to.contain('what was not asked for');
      },
    );
  });

  it('says of a service that is busy or at fault that another try may end otherwise, in few words and without the token', async () => {
    for (const status of [401, 403, 429, 500, 503])
      await beside(
        () => ({
          status,
          headers: { 'retry-after': '3600' },
          json: { message: `Bearer secret ${'long '.repeat(1000)}` },
        }),
        async (url) => {
          const error = await failure(url, { accessTokenFile: join(root, 'token') });
          expect(exitCodeOf(error), `${status}`).to.equal(3);
          expect(error.message).to.match(new RegExp(`answered ${status}: Bearer \\(a token\\) long`));
          expect(error.message.length).to.be.below(400);
        },
      );
  });

  it('says that what a service finds is its word', async () => {
    const heard = listener();
    await search(
      { url: service.url, accessTokenFile: join(root, 'token'), identity: 'ada@example.org' },
      heard,
    );
    expect(heard.heard.join('\n')).to.contain('nothing is verified');
    const own = listener();
    await search({ data, identity: 'ada@example.org' }, own);
    expect(own.heard.join('\n')).not.to.contain('nothing is verified');
  });

  it('searches both logs of a directory, of which that for Rekor v2 keeps no subjects', async () => {
    await search({ data, identity: 'ada@example.org' }, speak);
    expect(found()).to.deep.equal(['v1 1', 'v2 1']);
    speak = listener();
    await search({ data, digest: SUBJECT }, speak);
    expect(found()).to.deep.equal(['v1 4']);
  });

  it('says what is missing, wrong or refused', async () => {
    const wrong: readonly (readonly [Parameters<typeof search>[0], RegExp])[] = [
      [{ data }, /say what to look for/],
      [{ identity: 'a' }, /either --data or --url/],
      [{ data, url: service.url, identity: 'a' }, /either --data or --url/],
      [{ data, digest: 'xyz' }, /no digest/],
      [{ data, identity: 'a', identityPrefix: 'b' }, /one of --identity/],
      [{ url: service.url, v2: true, identity: 'a' }, /Rekor v1 alone/],
      [{ url: service.url, identity: 'a' }, /answered 401: reading this log needs its access token/],
      [{ url: `${service.url}/nowhere`, identity: 'a' }, /answered 404/],
    ];
    for (const [options, message] of wrong) {
      const error = await failureAs(CommandError, search(options, speak));
      expect(error.message).to.match(message);
    }
  });
});
