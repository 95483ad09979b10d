/** `mayfly log watch` beside a whole service: in its directory and at its URL, with a webhook. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { isOverLogs, searchLogs } from '../../../cli/log/log-search.ts';
import type { LogSearchOptions } from '../../../cli/log/logs-query.ts';
import { isLogVerdict } from '../../../cli/log/log-verdict.ts';
import { watch, type WatchOptions } from '../../../cli/log/log-watch.ts';
import { CommandError, exitCodeOf, exitCodeOfJudge } from '../../../cli/program/command.ts';
import { exportFiles } from '../../../cli/trust/trust-export.ts';
import { createDirectoryLog } from '../../../instance/create-artifact-log.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { openArtifactReads } from '../../../rekor/artifact-reads.ts';
import { redactEntries } from '../../../rekor/redact-entries.ts';
import { encodeSct, encodeSctList } from '../../../ct-log/format/sct.ts';
import { MayflyError } from '../../../core/errors.ts';
import { octetString } from '../../../core/der-writer.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { CompactRange } from '../../../tlog/format/compact-range.ts';
import { email, namedCertificate, signatureBy } from '../../search/support/bodies.ts';
import { emailConfig, makeDataDirectory } from '../../support/data-directory.ts';
import { documentedBlocks, runBlock } from '../../support/documented-blocks.ts';
import { failureAs, failureOf } from '../../support/failure.ts';
import { startFront, type FrontAnswer, type FrontServer } from '../../support/front-server.ts';
import { signatureOf } from '../../support/logged-signature.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../../support/quiet-service.ts';
import { post } from '../../support/test-service.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

/** An entry as the index of a service has it. */
type IndexEntry = Readonly<Record<string, unknown>>;

/** A page of them. */
interface IndexPage {
  readonly entries: readonly IndexEntry[];
}

/** Changes one bit of an answer; counted from the end below 0. */
const changedAt =
  (place: number) =>
  (own: FrontAnswer): FrontAnswer => {
    const body = Buffer.from(own.body);
    const at = place < 0 ? body.length + place : place;
    // In base64, that is of another letter, and base64 as before.
    const [a, b] = [0x41, 0x42];
    body.writeUInt8(body.readUInt8(at) === a ? b : a, at);
    return { ...own, body };
  };

describe('mayfly log watch', function () {
  this.timeout(60_000);
  let root: string;
  let data: string;
  let trust: string;
  let issuer: TestIssuer;
  let service: QuietService;
  let states = 0;
  let speak = listener();

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-log-watch-'));
    [data, trust] = [join(root, 'data'), join(root, 'trust')];
    issuer = await startIssuer();
    const settings = '{artifact-log: {admission: any}, public-url: http://127.0.0.1:1}';
    await makeDataDirectory(data, { config: emailConfig(issuer.url, settings) });
    const made = { host: '127.0.0.1', passphrase: undefined, clock: Date.now };
    for (const api of [1, 2] as const) await createDirectoryLog(dataPaths(data), { api, ...made });
    service = await openQuietly(data);
    await exportFiles({ data, out: trust }, listener());
  });
  beforeEach(() => {
    speak = listener();
  });
  after(async () => {
    await service.close();
    await issuer.close();
    await rm(root, { recursive: true });
  });

  const state = (): string => join(root, `state-${states++}.json`);
  const sign = async (
    text: string,
    address: string,
    apis: readonly ('first' | 'second')[],
  ): Promise<void> => {
    const requests = await signatureOf({ url: service.url, issuer }, text, address);
    for (const api of apis) {
      const path = api === 'first' ? '/api/v1/log/entries' : '/api/v2/log/entries';
      const logged = await post(service.url + path, requests[api]);
      expect(logged.status, await logged.text()).to.equal(201);
    }
  };
  const run = async (options: WatchOptions): Promise<string[]> => {
    speak = listener();
    expect(await watch({ once: true, ...options }, speak)).to.equal(undefined);
    return speak.records.map(({ event, log, index }) => `${String(event)} ${String(log)} ${String(index)}`);
  };

  /** In a directory the newest head is read from a file, which is up to a second old: asks until so many events came. */
  const runFor = async (count: number, options: WatchOptions): Promise<string[]> => {
    const found: string[] = [];
    for (const end = Date.now() + 20_000; found.length < count && Date.now() < end;) {
      found.push(...(await run(options)));
      await delay(20);
    }
    return found;
  };
  /** Resolves when the files of the directory have every entry. */
  const settled = async (): Promise<void> => {
    const wanted = await run({ url: service.url, trust, state: state(), fromStart: true });
    for (let found: string[] = []; found.length < wanted.length;) {
      await delay(20);
      found = await run({ data, state: state(), fromStart: true });
    }
  };

  it('reports what is logged from then on, in every log, once, in a directory and of a service', async () => {
    await sign('before', 'alice@example.com', ['first', 'second']);
    await settled();
    const places = [{ data }, { url: service.url, trust }].map((place) => ({ ...place, state: state() }));
    for (const place of places)
      expect(await run({ ...place, identity: 'alice@example.com' })).to.deep.equal([]);
    await sign('after', 'alice@example.com', ['first', 'second']);
    await sign('another', 'bob@example.com', ['second']);
    for (const place of places) {
      const found = await runFor(3, { ...place, identity: 'Alice@example.com' });
      expect(found).to.have.members(['entry v1 2', 'entry v2 2', 'entry certificates 1']);
      expect(speak.texts.at(-1)).to.contain('alice@example.com');
      expect(await run({ ...place, identity: 'alice@example.com' })).to.deep.equal([]);
    }
  });

  it('begins at the start where that is asked for, and looks for all that an entry says', async () => {
    await settled();
    const everything = await run({ url: service.url, trust, state: state(), fromStart: true });
    expect(speak.records[1]?.['digests']).to.have.length(1);
    expect(speak.records[1]?.['id']).to.match(/^entry 127\.0\.0\.1 - \d+ [0-9a-f]{64} 1$/);
    expect(await run({ data, state: state(), fromStart: true })).to.deep.equal(everything);
    expect(everything).to.include.members(['entry certificates 0', 'entry v1 0', 'entry v2 0', 'entry v2 3']);
    const one = { url: service.url, trust, fromStart: true } as const;
    const bob = await run({ ...one, state: state(), identityPrefix: 'bob@', in: ['artifacts'] });
    expect(bob).to.deep.equal(['entry v2 3']);
    const [{ digests = [] } = {}] = speak.records as { digests?: string[] }[];
    expect(await run({ ...one, state: state(), digest: digests[0] ?? '' })).to.deep.equal(['entry v2 3']);
    const options = { ...one, issuer: issuer.url, in: ['certificates'] };
    expect(await run({ ...options, state: state() })).to.have.length(3);
  });

  it('reports a signature by a certificate that no log of certificates has', async () => {
    const place = { url: service.url, trust, state: state(), unlogged: true } as const;
    expect(await run(place)).to.deep.equal([]);
    await sign('good', 'carol@example.com', ['first']);
    const { pem } = namedCertificate([email('mallory@example.com')]);
    const spec = {
      data: { hash: { algorithm: 'sha256', value: hash('sha256', 'bad', 'hex') } },
      signature: { content: signatureBy('bad'), publicKey: { content: Buffer.from(pem).toString('base64') } },
    };
    const entry = JSON.stringify({ apiVersion: '0.0.1', kind: 'hashedrekord', spec });
    const logged = await post(`${service.url}/api/v1/log/entries`, entry);
    expect(logged.status, await logged.text()).to.equal(201);
    expect(await run(place)).to.deep.equal(['unlogged v1 4']);
    expect(speak.records[0]?.['problem']).to.equal('the certificate carries no SCT');
    expect(speak.texts[0]).to.contain('mallory@example.com');
  });

  describe('with a webhook', () => {
    let server: Server;
    let requests: { authorization: string | undefined; events: { id: string }[] }[];
    let status = 200;
    before(async () => {
      server = createServer((request, response) => {
        let body = '';
        request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        request.on('end', () => {
          const { events } = JSON.parse(body) as { events: { id: string }[] };
          requests.push({ authorization: request.headers.authorization, events });
          response.writeHead(status).end();
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    beforeEach(() => {
      requests = [];
      status = 200;
    });
    after(() => {
      server.close();
    });
    const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/secret`;

    it('goes on only when the receiver has the events, and sends them again until then', async () => {
      const tokenFile = join(root, 'webhook-token');
      await writeFile(tokenFile, 'webhook-secret\n', { mode: 0o600 });
      const hook = { webhook: url(), webhookTokenFile: tokenFile };
      const place = { url: service.url, trust, state: state(), ...hook, in: ['v2'] };
      expect(await run(place)).to.deep.equal([]);
      await sign('for the webhook', 'dave@example.com', ['second']);
      const before = await readFile(place.state, 'utf8');
      status = 400;
      const error = await failureAs(CommandError, watch({ once: true, ...place }, speak));
      expect(error.code).to.equal('UNREACHABLE');
      expect(error.message).to.not.contain('secret');
      expect(await readFile(place.state, 'utf8')).to.equal(before);
      status = 200;
      expect(await run(place)).to.deep.equal(['entry v2 4']);
      expect(requests.map(({ authorization }) => authorization)).to.deep.equal(
        new Array(2).fill('Bearer webhook-secret'),
      );
      expect(requests[1]?.events.map(({ id }) => id)).to.deep.equal(requests[0]?.events.map(({ id }) => id));
      expect(await run(place)).to.deep.equal([]);
      expect(requests).to.have.length(2);
    });

    it('takes no webhook that others could read', async () => {
      const options = { data, webhook: 'http://alerts.example.org/x', state: state(), once: true } as const;
      expect((await failureAs(CommandError, watch(options, speak))).code).to.equal('REFUSED');
    });
  });

  it('says no when a log contradicts what it said before, reports that, and keeps the proof', async () => {
    const place = { url: service.url, trust, state: state(), in: ['v1'] };
    expect(await run(place)).to.deep.equal([]);
    const text = await readFile(place.state, 'utf8');
    const saved = JSON.parse(text) as { logs: Record<string, { size: number; origin: string }> };
    const [id = ''] = Object.keys(saved.logs);
    const origin = saved.logs[id]?.origin;
    // A tree of as many entries, all others.
    const range = new CompactRange(sha256);
    const size = saved.logs[id]?.size ?? 0;
    for (let i = 0; i < size; i++) range.append(sha256(Uint8Array.of(i)));
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    const other = { log: 'v1', origin, size, root: base64(range.root()), frontier: range.hashes.map(base64) };
    await writeFile(place.state, JSON.stringify({ version: 2, logs: { [id]: other } }));
    const kept = await readFile(place.state, 'utf8');
    for (let i = 0; i < 2; i++) {
      speak = listener();
      expect(await watch({ once: true, ...place }, speak)).to.equal(false);
      expect(speak.records).to.have.length(1);
      expect(speak.records[0]).to.include({ event: 'contradiction' });
      expect(speak.records[0]?.['problem']).to.match(/does not continue/);
      expect(await readFile(place.state, 'utf8')).to.equal(kept);
    }
    await writeFile(place.state, '{"version":2,"logs":{}');
    const error = await failureAs(CommandError, watch({ once: true, ...place }, speak));
    expect(error.code).to.equal('USAGE');
  });

  describe('mayfly log search over all logs', () => {
    const find = async (options: LogSearchOptions): Promise<string[]> => {
      speak = listener();
      await searchLogs(options, speak);
      return speak.records.map(({ log, index }) => `${String(log)} ${String(index)}`);
    };
    const places = (): readonly LogSearchOptions[] => [
      { data },
      { url: service.url, trust },
      { url: service.url, trust, byIndex: true },
    ];
    before(() => settled());

    it('finds who signed what, in a directory, of a service, and by its index, and says what is proven', async () => {
      for (const place of places()) {
        const alice = await find({
          ...place,
          identity: 'ALICE@example.com',
          in: ['certificates', 'v1', 'v2'],
        });
        const expected = ['certificates 0', 'certificates 1', 'v1 1', 'v1 2', 'v2 1', 'v2 2'];
        expect(alice).to.have.members(expected);
        if (place.byIndex) for (const line of speak.records) expect(line['verified']).to.equal(true);
        expect(speak.texts.join()).to.contain('alice@example.com');
        const digest = hash('sha256', 'after', 'hex');
        expect(await find({ ...place, digest })).to.have.members(['v1 2', 'v2 2']);
        expect(await find({ ...place, digest, in: ['v2'], join: true })).to.deep.equal(['v2 2']);
        expect(speak.records[0]?.['certificates']).to.deep.include.members([
          {
            log: 'certificates',
            index: 1,
            serial: (speak.records[0]?.['signers'] as { serial: string }[])[0]?.serial,
          },
        ]);
        expect(await find({ ...place, digest, until: '1h' })).to.deep.equal([]);
      }
    });

    describe('of a service whose index lies', () => {
      let front: FrontServer;
      /** What the index answers, after so many pages. */
      let index: (page: number, honest: IndexPage) => { readonly status?: number; readonly json: unknown };
      let pages = 0;
      /** Entries of each answer of the log for Rekor v1. */
      let retrieved: number[];

      beforeEach(async () => {
        [pages, retrieved] = [0, []];
        front = await startFront(
          () => service.url,
          (path, own) => {
            if (path.endsWith('/entries/retrieve'))
              retrieved.push((JSON.parse(own.body.toString()) as unknown[]).length);
            if (!path.startsWith('/api/search/')) return own;
            const { status = 200, json } = index(++pages, JSON.parse(own.body.toString()) as IndexPage);
            return { status, headers: { 'retry-after': '3600' }, body: JSON.stringify(json) };
          },
        );
      });
      afterEach(() => {
        front.close();
      });

      const lied = async (options: LogSearchOptions = {}): Promise<Error> => {
        const { url } = front;
        const asked = { url, trust, byIndex: true, identity: 'alice@example.com', ...options } as const;
        return failureAs(Error, searchLogs(asked, speak));
      };

      it('is asked for the entries that it found, and for no others, which count against what one may read', async () => {
        index = (_, honest) => ({ json: honest });
        await searchLogs(
          { url: front.url, trust, byIndex: true, identity: 'alice@example.com', in: ['v1'] },
          speak,
        );
        expect(speak.records.map((record) => record['index'])).to.have.members([1, 2]);
        expect(retrieved).to.deep.equal([1, 1]);
      });

      it('ends where its pages have no end', async () => {
        index = (page) => ({ json: { entries: [], next: `page ${page}` } });
        expect((await lied()).message).to.contain('without an entry');
        expect(pages).to.be.below(1000);
        index = (page, { entries }) => ({ json: { entries, next: `page ${page}` } });
        expect((await lied()).message).to.contain('what was not asked for');
      });

      it('takes entries that were asked for alone, each once and in their order', async () => {
        const cases: readonly ((entries: readonly IndexEntry[]) => readonly unknown[])[] = [
          (entries) => [...entries, ...entries],
          (entries) => entries.toReversed(),
          (entries) => entries.map((entry) => ({ ...entry, index: -1 })),
          (entries) => entries.map((entry) => ({ ...entry, index: 1e300 })),
          (entries) => entries.map((entry) => ({ ...entry, origin: 7 })),
          // Of an origin that nobody knows, too.
          (entries) => [
            { ...entries[0], origin: 'x' },
            { ...entries[0], origin: 'y' },
            { ...entries[0], origin: 'x' },
          ],
        ];
        for (const change of cases) {
          index = (_, { entries }) => ({ json: { entries: change(entries), next: null } });
          expect((await lied()).message, change.toString()).to.contain('what was not asked for');
        }
        const digest = hash('sha256', 'after', 'hex');
        const page = await fetch(`${service.url}/api/search/v1?digest=sha256:${digest}`);
        const all = ((await page.json()) as IndexPage).entries.filter(({ log }) => log === 'v2');
        expect(all).to.have.length(1);
        index = () => ({ json: { entries: all, next: null } });
        const other = { identity: undefined, digest: hash('sha256', 'another', 'hex') };
        expect((await lied(other as unknown as LogSearchOptions)).message).to.contain(
          'what was not asked for',
        );
      });

      it('passes on few of its words, and says that another try may end otherwise', async () => {
        for (const status of [401, 429, 500, 503]) {
          index = () => ({ status, json: { message: 'long '.repeat(1000) } });
          const error = await lied();
          expect(exitCodeOf(error), `${status}`).to.equal(3);
          expect(error.message.length).to.be.below(400);
        }
      });
    });

    it('finds certificates by how often they were used, an artifact counted once', async () => {
      for (const place of places()) {
        // All live yet.
        expect(await find({ ...place, unused: true })).to.deep.equal([]);
        const used = await find({ ...place, usedMoreThan: '0' });
        expect(used).to.include.members(['certificates 0', 'certificates 1', 'certificates 2']);
        for (const { uses } of speak.records) expect(uses).to.equal(1);
        expect(await find({ ...place, usedMoreThan: '1' })).to.deep.equal([]);
      }
    });

    it('leaves a search in the certificate log alone what it was, and refuses what goes not together', async () => {
      expect(isOverLogs({ data, identity: 'x' })).to.equal(false);
      expect(isOverLogs({ data, identity: 'x', in: ['v1'] })).to.equal(true);
      expect(() => {
        isOverLogs({ data, from: '1', in: ['v1'] });
      }).to.throw(CommandError);
      const cases: LogSearchOptions[] = [
        { data, byIndex: true },
        { url: service.url, digest: 'ab' },
        { url: service.url, in: ['v1'] },
        { data, unused: true, usedMoreThan: '1' },
      ];
      for (const options of cases)
        expect(
          (await failureAs(CommandError, searchLogs(options, speak))).code,
          JSON.stringify(options),
        ).to.equal('USAGE');
    });
  });

  describe('docs/log.md, "Keep heads somewhere else", to the letter', () => {
    let block: string;
    before(async () => {
      [block = ''] = await documentedBlocks('log.md', 'Keep heads somewhere else');
    });
    const keep = (url: string): Promise<string> => runBlock(block, root, { 'https://ca.example.com': url });
    const kept = async (): Promise<string[]> => (await readdir(join(root, 'heads'))).sort();

    it('keeps each new head as it was signed, and never replaces one', async () => {
      await keep(service.url);
      const first = await kept();
      expect(first.map((name) => name.replace(/-\d+-[0-9a-f]{16}\.checkpoint$/, ''))).to.deep.equal([
        'certificates',
        'v1',
        'v2',
      ]);
      const path = join(root, 'heads', first[0] ?? '');
      const text = await readFile(path, 'utf8');
      const [, size = '', rootHash = ''] = text.split('\n');
      expect(first[0]).to.equal(
        `certificates-${size}-${Buffer.from(rootHash, 'base64').toString('hex').slice(0, 16)}.checkpoint`,
      );
      await sign('kept', 'erin@example.com', ['second']);
      await keep(service.url);
      expect(await kept())
        .to.have.length(first.length + 2)
        .and.to.include.members(first);
      expect(await readFile(path, 'utf8')).to.equal(text);
    });

    it('keeps nothing that the log did not sign, wherever that wants to be written', async () => {
      const before = await kept();
      const state = await readFile(join(root, 'watch.json'), 'utf8');
      const certificates = before.find((name) => name.startsWith('certificates')) ?? '';
      const [origin = ''] = (await readFile(join(root, 'heads', certificates), 'utf8')).split('\n');
      const lies = [
        // Not even a checkpoint: it says nothing of the log.
        [`${origin}\n../../PWNED\nAAAA\n\nno signature at all\n`, 3, ''],
        ['<!DOCTYPE html><html><body>../../PWNED</body></html>', 3, ''],
        [
          `../../PWNED\n7\n${Buffer.alloc(32).toString('base64')}\n\n— ../../PWNED AAAAAAAA\n`,
          1,
          'contradiction  ',
        ],
      ] as const;
      for (const [body, code, said] of lies) {
        const liar = await startFront(
          () => service.url,
          (path, own) => (/^\/log\/[^/]+\/checkpoint$/.test(path) ? { status: 200, body } : own),
        );
        try {
          const error = (await failureOf(keep(liar.url))) as {
            readonly code: number;
            readonly stdout: string;
          };
          expect(error.code, error.stdout).to.equal(code);
          expect(error.stdout.slice(0, 15)).to.equal(said);
        } finally {
          liar.close();
        }
      }
      expect(await kept()).to.deep.equal(before);
      expect(await readFile(join(root, 'watch.json'), 'utf8')).to.equal(state);
      expect(await readdir(root)).to.not.contain('PWNED.checkpoint');
      expect(await readdir(tmpdir())).to.not.contain('PWNED.checkpoint');
    });
  });

  it('passes over no log that the service has and the trust does not know, and none that is named', async () => {
    const named = service.url.replace('127.0.0.1', 'localhost');
    const older = join(root, 'older');
    await exportFiles({ data, out: older }, listener());
    const path = join(older, 'trusted_root.json');
    const trusted = JSON.parse(await readFile(path, 'utf8')) as {
      tlogs: { publicKey: { keyDetails: string } }[];
    };
    const tlogs = trusted.tlogs.filter(({ publicKey }) => publicKey.keyDetails !== 'PKIX_ED25519');
    await writeFile(path, JSON.stringify({ ...trusted, tlogs }));
    const cases: [Partial<WatchOptions>, RegExp][] = [
      [{ url: named, trust }, /has a log for Rekor v1, and --trust knows none of localhost.*127\.0\.0\.1/],
      [{ url: named, trust, in: ['v2'] }, /has a log for Rekor v2/],
      [{ url: service.url, trust: older }, /has a log for Rekor v2, and .* knows none/],
      [{ url: service.url, trust, in: ['v1-2'] }, /there is no log v1-2/],
      [{ url: service.url, trust, in: ['v1', 'v3'] }, /there is no log v3/],
      [{ data, in: ['v1-2'] }, /there is no log v1-2/],
    ];
    for (const [options, message] of cases)
      for (const command of [
        () => watch({ once: true, state: state(), ...options }, speak),
        () => searchLogs({ in: ['certificates', 'artifacts'], ...options }, speak),
      ]) {
        const error = await failureAs(CommandError, command());
        expect(error.message).to.match(message);
        expect(error.code).to.equal('USAGE');
      }
    const byIndex = searchLogs({ url: named, trust, byIndex: true, identity: 'alice@example.com' }, speak);
    expect((await failureAs(CommandError, byIndex)).message).to.match(/--trust knows none of localhost/);
  });

  it('follows the other logs where one cannot be read', async () => {
    const broken = await startFront(
      () => service.url,
      (path, own) => (path.startsWith('/api/v1/') ? { status: 410, body: '' } : own),
    );
    try {
      const { url } = broken;
      speak = listener();
      const error = await failureAs(
        LogError,
        watch({ url, trust, once: true, state: state(), fromStart: true }, speak),
      );
      expect(error.code).to.equal('LOG_STORAGE');
      expect(new Set(speak.records.map(({ log }) => log))).to.deep.equal(new Set(['v2', 'certificates']));
    } finally {
      broken.close();
    }
  });

  describe('behind a proxy', () => {
    it('takes no page that comes in the place of a file for a contradiction, and other bytes of its form for one', async () => {
      await sign('what is read', 'frank@example.com', ['first', 'second']);
      const page = Buffer.from('<!DOCTYPE html>\n<html><body>Bad Gateway</body></html>');
      const places: readonly (readonly [
        path: RegExp,
        what: string,
        other: (own: FrontAnswer) => FrontAnswer,
      ])[] = [
        [/^\/log\/2026\/checkpoint$/, 'a checkpoint', changedAt(-20)],
        [/^\/log\/2026\/tile\/data\//, 'a tile', changedAt(30)],
        [/^\/api\/v2\/checkpoint$/, 'a checkpoint', changedAt(-20)],
        [/^\/api\/v2\/tile\/entries\//, 'a tile', changedAt(30)],
        [
          /^\/api\/v1\/log\/entries/,
          '',
          (own) => ({ ...own, body: own.body.toString().replace(/"body":"..../, '"body":"eyJi') }),
        ],
      ];
      let answer: (path: string, own: FrontAnswer) => FrontAnswer = (_, own) => own;
      const front = await startFront(
        () => service.url,
        (path, own) => answer(path, own),
      );
      const place = { url: front.url, trust, in: ['v1', 'v2', 'certificates'] };
      const commands = [
        () => watch({ ...place, once: true, fromStart: true, state: state() }, speak),
        () => searchLogs(place, speak),
      ];
      try {
        for (const [path, what, other] of places) {
          for (const [status, sentence] of [
            [200, `${what} should be there, and a page of ${page.length} bytes came`],
            [502, 'the server answered 502'],
          ] as const)
            for (const command of commands) {
              answer = (at, own) => (path.test(at) ? { status, body: page } : own);
              const error = await failureAs(MayflyError, command());
              expect(exitCodeOfJudge(error, isLogVerdict), `${path.source} ${error.message}`).to.equal(3);
              // Rekor's first API has an own word for it.
              if (what !== '') expect(error.message).to.include(sentence);
              expect(error.hint).to.match(/proxy|Check the URL|public URL/);
            }
          answer = (at, own) => (path.test(at) ? other(own) : own);
          speak = listener();
          expect(await commands[0]?.(), path.source).to.equal(false);
          expect(speak.records.map(({ event }) => event)).to.include('contradiction');
          const wrong = await failureOf(commands[1]?.() ?? Promise.resolve());
          expect(exitCodeOfJudge(wrong, isLogVerdict), path.source).to.equal(1);
        }
      } finally {
        front.close();
      }
    });
  });

  describe('of a service without logs of artifacts', () => {
    let bare: QuietService;
    let bareData: string;
    let bareTrust: string;
    before(async () => {
      [bareData, bareTrust] = [join(root, 'bare'), join(root, 'bare-trust')];
      await makeDataDirectory(bareData, { config: emailConfig(issuer.url, '{}') });
      bare = await openQuietly(bareData);
      await exportFiles({ data: bareData, out: bareTrust }, listener());
    });
    after(() => bare.close());

    it('follows the log of certificates, and refuses what needs the others', async () => {
      for (const place of [{ url: bare.url, trust: bareTrust }, { data: bareData }]) {
        expect(await run({ ...place, state: state(), fromStart: true })).to.deep.equal([]);
        for (const options of [{ in: ['artifacts'] }, { unused: true }, { in: ['v1'] }] as const)
          expect(
            (await failureAs(CommandError, searchLogs({ ...place, ...options }, speak))).message,
          ).to.match(/there is no log/);
      }
    });
  });

  it('refuses options that would watch nothing', async () => {
    const cases: WatchOptions[] = [
      { once: true, state: state() },
      { url: service.url, once: true, state: state() },
      { data, once: true },
      { data, once: true, state: state(), heads: 'heads' },
      { data, digest: 'x', once: true, state: state() },
      { data, webhookTokenFile: 'x', once: true, state: state() },
    ];
    for (const options of cases)
      expect((await failureAs(CommandError, watch(options, speak))).code, JSON.stringify(options)).to.equal(
        'USAGE',
      );
  });

  describe('beside certificates of others', () => {
    it('reports a certificate whose SCTs cannot be read, or are of no log that is known, and goes on behind it', async () => {
      const foreign = encodeSct({
        logId: new Uint8Array(32).fill(7),
        timestamp: 1_700_000_000_000,
        extensions: new Uint8Array(),
        signature: Uint8Array.of(0x30, 0x06, 2, 1, 1, 2, 1, 1),
      });
      const cases: [Uint8Array, RegExp][] = [
        [octetString(Uint8Array.of(0x41, 0x41, 0x41)), /SCTs of the certificate cannot be read/],
        [Uint8Array.of(0x41), /SCTs of the certificate cannot be read/],
        [encodeSctList([foreign]), /no SCT of a log that is known/],
      ];
      const places = [{ data }, { url: service.url, trust }].map((place) => ({
        ...place,
        state: state(),
        unlogged: true as const,
        in: ['v2'],
      }));
      await settled();
      for (const place of places) await run(place);
      for (const [scts] of cases) {
        const { der } = namedCertificate([email('mallory@example.com')], scts);
        const verifier = {
          x509Certificate: { rawBytes: Buffer.from(der).toString('base64') },
          keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        };
        const text = `bad ${Buffer.from(scts).toString('hex')}`;
        const request = {
          digest: hash('sha256', text, 'base64'),
          signature: { content: signatureBy(text), verifier },
        };
        const body = JSON.stringify({ hashedRekordRequestV002: request });
        const logged = await post(`${service.url}/api/v2/log/entries`, body);
        expect(logged.status, await logged.text()).to.equal(201);
      }
      await sign('behind them', 'mallory@example.com', ['second']);
      for (const place of places) {
        const problems: unknown[] = [];
        for (const end = Date.now() + 20_000; problems.length < cases.length && Date.now() < end;) {
          await run(place);
          problems.push(...speak.records.map(({ problem }) => problem));
          await delay(20);
        }
        expect(problems).to.have.length(cases.length);
        for (const [i, [, problem]] of cases.entries()) expect(problems[i]).to.match(problem);
        expect(await run(place)).to.deep.equal([]);
      }
    });
  });

  // After all others, which read the bodies.
  describe('beside redacted entries', () => {
    /** In the log of that name, while no service has it; places are counted from the end where they are below 0. */
    const redactIn = async (name: string, places: readonly number[]): Promise<readonly number[]> => {
      const directory = join(data, 'artifacts', name);
      const { identity, entriesFrom, close } = await openArtifactReads(directory);
      const entries = await entriesFrom(0);
      await close();
      const record = { redactedAt: Date.now(), reason: 'a test', isAudited: false };
      const added = places.flatMap((place) => {
        const entry = entries.at(place);
        return entry === undefined ? [] : [{ index: entry.index, leafHash: entry.leafHash, ...record }];
      });
      await redactEntries(directory, identity, added);
      return added.map(({ index }) => index);
    };

    it('reports entries whose bodies are withheld, and proves all others', async () => {
      await service.close();
      for (const name of ['v1', 'v2']) await redactIn(name, [1]);
      service = await openQuietly(data);
      for (const place of [{ data }, { url: service.url, trust }]) {
        const found = await run({ ...place, state: state(), fromStart: true });
        expect(found).to.include.members([
          'redacted v1 1',
          'redacted v2 1',
          'entry v1 0',
          'entry v1 2',
          'entry v2 2',
        ]);
        expect(JSON.stringify(speak.records.filter(({ event }) => event === 'redacted'))).to.not.contain(
          'alice',
        );
      }
    });

    it('says of a search how many entries nobody can read', async () => {
      const notes: string[] = [];
      const noting = { ...speak, note: (text: string) => void notes.push(text) };
      for (const place of [{ data }, { url: service.url, trust }]) {
        await searchLogs({ ...place, identity: 'alice@example.com', in: ['v1'] }, noting);
        await searchLogs({ ...place, usedMoreThan: '0' }, noting);
        await searchLogs({ ...place, identity: 'alice@example.com', in: ['certificates'] }, noting);
      }
      // Of a directory nothing is hidden.
      expect(notes.map((text) => text.includes('the logs that the service shows, '))).to.deep.equal(
        [false, true].flatMap((isService) => new Array<boolean>(3).fill(isService)),
      );
      expect(notes.map((text) => text.replace(/^.*no others/, ''))).to.deep.equal(
        new Array(2)
          .fill([
            ', but for 1 redacted entry that may be one',
            ', but for 2 redacted entries that may be some, and uses that are not counted',
            '',
          ])
          .flat(),
      );
    });

    it('says that a certificate may have been used where its only entries are redacted', async () => {
      const byIndex = { url: service.url, trust, byIndex: true } as const;
      for (const place of [{ data }, { url: service.url, trust }, byIndex]) {
        speak = listener();
        const asked = { join: true, identity: 'alice@example.com', in: ['certificates'] } as const;
        await searchLogs({ ...place, ...asked }, speak);
        const at = speak.records.findIndex(({ index }) => index === 0);
        expect(speak.records[at]).to.deep.include({ uses: 0, usesAreAll: false, signed: [] });
        expect(speak.texts[at]).to.match(/ {2}signed 0, perhaps more$/);
      }
      speak = listener();
      await searchLogs({ ...byIndex, identity: 'bob@example.com' }, speak);
      expect(speak.heard[0]).to.equal('note: 2 redacted entries are found by nothing');
    });

    it('reads a log for Rekor v1 at its URL where neighbours are redacted, and its last entry', async () => {
      await service.close();
      const redacted = await redactIn('v1', [2, 3, -1]);
      service = await openQuietly(data);
      const url = { url: service.url, trust, in: ['v1'] } as const;
      const found = await run({ ...url, state: state(), fromStart: true });
      const ofDirectory = await run({ data, in: ['v1'], state: state(), fromStart: true });
      expect(found).to.deep.equal(ofDirectory);
      expect(found).to.include.members(['entry v1 0', ...redacted.map((index) => `redacted v1 ${index}`)]);
      for (const { event, time } of speak.records) if (event === 'redacted') expect(time).to.match(/^20/);
      // From the end on, too: the tree there is that of an entry which is withheld.
      const from = { ...url, state: state() };
      expect(await run(from)).to.deep.equal([]);
      await sign('behind a redacted entry', 'erin@example.com', ['first']);
      expect(await run(from)).to.deep.equal([`entry v1 ${(redacted.at(-1) ?? 0) + 1}`]);
    });

    it('does not believe what hash an entry has that is withheld', async () => {
      let lies = 0;
      const lying = await startFront(
        () => service.url,
        (_, own) => {
          const text = own.body.toString();
          // The last digit of the id under which the entry is.
          const other = text.replace(/[0-9a-f](?=":\{"integ)/, (digit) => (digit === '0' ? '1' : '0'));
          if (other !== text) lies++;
          return own.status === 410 ? { ...own, body: other } : own;
        },
      );
      try {
        const { url } = lying;
        const options = { url, trust, in: ['v1'], once: true, state: state(), fromStart: true } as const;
        expect(await watch(options, speak)).to.equal(false);
        expect(lies).to.be.above(0);
        expect(speak.records.map(({ event }) => event)).to.deep.equal(['contradiction']);
      } finally {
        lying.close();
      }
    });
  });
});
