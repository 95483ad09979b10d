/** Searches over all logs of a whole service. */
import { createHash } from 'node:crypto';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { openCertificateSearch } from '../../service/open-searches.ts';
import { rateLimiter } from '../../policy/rate-limit.ts';
import { UnsentResponseLimit } from '../../server/http/unsent-response-limit.ts';
import { SearchEndpoint } from '../../server/search/search-endpoint.ts';
import type { CertificateEntry } from '../../search/certificate-entries.ts';
import type { LogPage } from '../../search/log-search.ts';
import type { SearchIndex } from '../../search/search-index.ts';
import { signatureOf } from '../support/logged-signature.ts';
import { openedArtifacts, type TestArtifactLogs } from '../support/opened-artifacts.ts';
import { post, refusalOf, startTestService, type TestService } from '../support/test-service.ts';

interface Hit {
  readonly log: string;
  readonly index: number;
  readonly identity?: string;
  readonly serial?: string;
  readonly keySha256?: string;
  readonly precertificateSha256?: string;
  readonly digests?: readonly string[];
  readonly signers?: readonly { readonly identities: readonly string[]; readonly serial: string }[];
  readonly uses?: number;
  readonly signed?: readonly { readonly log: string; readonly index: number; readonly digest: string }[];
  readonly certificates?: readonly { readonly log: string; readonly index: number }[];
}

interface Page {
  readonly entries: readonly Hit[];
  readonly next: string | null;
  readonly searched: readonly { readonly log: string; readonly origin: string; readonly size: number }[];
}

const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

describe('server/search', () => {
  let service: TestService;
  let artifacts: TestArtifactLogs;
  let search: SearchIndex<CertificateEntry>;
  before(async () => {
    artifacts = await openedArtifacts();
    service = await startTestService((values) => {
      search = openCertificateSearch(values.log, join(values.trustPlaces.logs, '2026'));
      return { artifacts, search };
    });
    // Alice signs one artifact, logged through both APIs; Bob's certificate is never used; Carol signs another artifact.
    const alice = await signatureOf(service, 'an artifact');
    await post(`${service.url}/api/v1/log/entries`, alice.first);
    await post(`${service.url}/api/v2/log/entries`, alice.second);
    await signatureOf(service, 'nothing', 'bob@example.com');
    const carol = await signatureOf(service, 'another artifact', 'carol@example.com');
    await post(`${service.url}/api/v2/log/entries`, carol.second);
  });
  after(async () => {
    await search.close();
    await service.close();
    await artifacts.remove();
  });

  const ask = async (query: Record<string, string | readonly string[]>): Promise<Page> => {
    const parameters = Object.entries(query).flatMap(([name, value]) =>
      [value].flat().map((one): [string, string] => [name, one]),
    );
    const url = `${service.url}/api/search/v1?${new URLSearchParams(parameters)}`;
    const response = await fetch(url);
    expect(response.status, await response.clone().text()).to.equal(200);
    return (await response.json()) as Page;
  };
  const places = ({ entries }: Page): string[] => entries.map(({ log, index }) => `${log} ${index}`);

  it('finds at once, in every log, by all that a certificate says and by what was signed', async () => {
    const all = ['certificates 0', 'v1 1', 'v2 1'];
    expect(places(await ask({ identity: 'Alice@example.com' }))).to.deep.equal(all);
    expect(places(await ask({ 'identity-prefix': 'alice@', log: ['v1', 'v2'] }))).to.deep.equal(all.slice(1));
    expect(places(await ask({ digest: digestOf('an artifact') }))).to.deep.equal(all.slice(1));
    const { entries } = await ask({ identity: 'alice@example.com' });
    const { serial = '', keySha256 = '', precertificateSha256 = '' } = entries[0] ?? {};
    expect(entries[1]?.signers?.[0]).to.deep.include({ identities: ['alice@example.com'], serial });
    expect(places(await ask({ serial }))).to.deep.equal(all);
    expect(places(await ask({ key: keySha256 }))).to.deep.equal(all);
    expect(places(await ask({ certificate: precertificateSha256 }))).to.deep.equal(all.slice(0, 1));
    const issuer = service.issuer.url;
    expect(places(await ask({ issuer, log: 'certificates' }))).to.have.length(3);
    const extension = [`issuer-v2=${issuer}`, '1.24=nobody'];
    expect(places(await ask({ extension }))).to.deep.equal([]);
    expect(places(await ask({ extension, match: 'any', log: 'v2' }))).to.deep.equal(['v2 2', 'v2 1']);
  });

  it('joins certificates with what was signed, and counts an artifact once however often it is logged', async () => {
    const { entries } = await ask({ log: 'certificates', join: 'true' });
    expect(entries.map(({ identity, uses }) => [identity, uses])).to.deep.equal([
      ['carol@example.com', 1],
      ['bob@example.com', 0],
      ['alice@example.com', 1],
    ]);
    expect(entries[2]?.signed?.map(({ log, index }) => `${log} ${index}`)).to.deep.equal(['v1 1', 'v2 1']);
    const [signed] = (await ask({ digest: digestOf('another artifact'), join: 'true' })).entries;
    expect(signed?.certificates?.map(({ log, index }) => `${log} ${index}`)).to.deep.equal([
      'certificates 2',
    ]);
  });

  it('goes on in pages, of which no entry is lost or twice, also while logs grow', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Page = await ask({ limit: '2', ...(cursor === null ? {} : { cursor }) });
      expect(page.entries.length).to.be.at.most(2);
      seen.push(...places(page));
      if (cursor === null) await signatureOf(service, 'later', 'dave@example.com');
      cursor = page.next;
    } while (cursor !== null);
    const certificates = [2, 1, 0].map((index) => `certificates ${index}`);
    expect(seen).to.deep.equal([...certificates, 'v1 1', 'v1 0', 'v2 2', 'v2 1', 'v2 0']);
  });

  it('searches a span of time, and places of one log', async () => {
    const [past, future] = [-3_600_000, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString());
    const carol = { identity: 'carol@example.com' };
    expect(places(await ask({ ...carol, since: past ?? '' }))).to.deep.equal(['certificates 2', 'v2 2']);
    expect(places(await ask({ ...carol, until: past ?? '' }))).to.deep.equal([]);
    expect(places(await ask({ ...carol, since: future ?? '' }))).to.deep.equal([]);
    const part = await ask({ log: 'certificates', from: '1', before: '2' });
    expect(places(part)).to.deep.equal(['certificates 1']);
    expect(part.searched).to.have.length(1);
    expect(part.searched[0]?.origin).to.equal('localhost/log/2026');
  });

  it('refuses what it does not understand, and says which parameter', async () => {
    const queries = [
      ['identiti=x', 'does not know'],
      ['identity=', 'identity is empty'],
      [`identity=${'x'.repeat(3000)}`, 'longer'],
      [`identity=${'x'.repeat(9000)}`, 'longer'],
      ['digest=abc', 'digest'],
      ['extension=nothing', 'extension'],
      ['serial=xyz', 'serial'],
      ['key=12', 'key'],
      ['log=v3', 'no log'],
      ['from=1', 'say which'],
      ['limit=501', 'limit'],
      ['limit=51&join=true', 'limit'],
      ['limit=0', 'limit'],
      ['limit=1&limit=2', 'more than once'],
      ['since=yesterday', 'since'],
      ['cursor=v1', 'cursor'],
      ['cursor=v3:1', 'cursor'],
      ['match=none', 'match'],
      [Array.from({ length: 17 }, (_, i) => `identity=${i}`).join('&'), 'conditions'],
    ] as const;
    for (const [query, word] of queries) {
      const response = await fetch(`${service.url}/api/search/v1?${query}`);
      expect(response.status, query).to.equal(400);
      const { details, message } = await refusalOf(response);
      expect(details[0].reason).to.equal('SEARCH_MALFORMED');
      expect(message, query).to.contain(word);
    }
    const posted = await post(`${service.url}/api/search/v1`, '');
    expect([posted.status, posted.headers.get('allow')]).to.deep.equal([501, 'GET']);
    const metrics = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    expect(metrics).to.match(/mayfly_log_reads_total\{endpoint="search",code="400"\} 19/);
  });
});

describe('server/search, with access for some', () => {
  it('follows log-access', async () => {
    let search: SearchIndex<CertificateEntry> | undefined;
    const service = await startTestService((values) => {
      search = openCertificateSearch(values.log, join(values.trustPlaces.logs, '2026'));
      return { search, logAccess: { kind: 'token', token: 'secret' } };
    });
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`${service.url}/api/search/v1`, { headers })).status;
    expect(await statusOf({})).to.equal(401);
    expect(await statusOf({ authorization: 'Bearer wrong' })).to.equal(401);
    expect(await statusOf({ authorization: 'Bearer secret' })).to.equal(200);
    await search?.close();
    await service.close();
  });
});

/** A page without an entry, which cost nothing. */
const EMPTY: LogPage = { entries: [], next: undefined, searched: [], unsearched: [], cost: 0 };

describe('server/search, limited', () => {
  it('lets a client search by what it costs, also one that does not wait, and says when to come back', async () => {
    let now = 0;
    let cost = 0;
    const statuses: number[] = [];
    const endpoint = new SearchEndpoint({
      search: { ready: () => Promise.resolve(), page: () => Promise.resolve({ ...EMPTY, cost }) },
      clientAddress: ({ headers }) => String(headers['x-client']),
      access: () => undefined,
      readLimit: rateLimiter({ perMinute: 60, burst: 10 }, () => now),
      unsent: new UnsentResponseLimit(),
      context: { answered: () => undefined, isClosing: () => false },
      onAnswer: (status) => void statuses.push(status),
      onFault: () => undefined,
    });
    const server = createServer((request, response) => {
      endpoint.answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/search/v1`;
    const ask = (client: string): Promise<Response> => fetch(url, { headers: { 'x-client': client } });
    try {
      // Two for themselves, and twelve for what they took: four more than there were.
      expect((await ask('192.0.2.1')).status).to.equal(200);
      cost = 12;
      expect((await ask('192.0.2.1')).status).to.equal(200);
      const refused = await ask('192.0.2.1');
      expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([429, '5']);
      const { code, message, details } = await refusalOf(refused);
      expect([code, details[0].reason]).to.deep.equal([8, 'SEARCH_RATE_LIMITED']);
      expect(message).to.equal('this address searches and reads more than one may');
      expect((await ask('192.0.2.2')).status, 'another client').to.equal(200);
      now += 5000;
      expect((await ask('192.0.2.1')).status, 'later').to.equal(200);
      expect(statuses).to.deep.equal([200, 200, 429, 200, 200]);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  it('has one budget with the reads of Rekor v1', async () => {
    let search: SearchIndex<CertificateEntry> | undefined;
    const artifacts = await openedArtifacts();
    const service = await startTestService((values) => {
      search = openCertificateSearch(values.log, join(values.trustPlaces.logs, '2026'));
      return { artifacts, search, artifactLog: { readRateLimit: { perMinute: 1, burst: 8 } } };
    });
    const statusOf = async (path: string): Promise<number> => (await fetch(service.url + path)).status;
    // One for itself, and one for each of the entries with which both logs of artifacts begin.
    expect(await statusOf('/api/search/v1')).to.equal(200);
    for (let left = 5; left > 0; left--)
      expect(await statusOf('/api/v1/log/entries?logIndex=0'), `${left}`).to.equal(200);
    expect(await statusOf('/api/search/v1')).to.equal(429);
    expect(await statusOf('/api/v1/log/entries?logIndex=0')).to.equal(429);
    // Files are not counted.
    expect(await statusOf('/api/v2/tile/entries/000.p/1')).to.equal(200);
    await search?.close();
    await service.close();
    await artifacts.remove();
  });
});

describe('server/search, under load', () => {
  it('lets a bounded number of searches run and wait, and refuses the rest', async () => {
    const pages: ((page: LogPage) => void)[] = [];
    const begun = (count: number): Promise<void> =>
      new Promise((resolve) => {
        const look = setInterval(() => {
          if (pages.length < count) return;
          clearInterval(look);
          resolve();
        }, 5);
      });
    const endpoint = new SearchEndpoint({
      search: { ready: () => Promise.resolve(), page: () => new Promise((resolve) => pages.push(resolve)) },
      clientAddress: ({ socket }) => socket.remoteAddress ?? '',
      access: () => undefined,
      readLimit: undefined,
      unsent: new UnsentResponseLimit(),
      context: { answered: () => undefined, isClosing: () => false },
      onAnswer: () => undefined,
      onFault: () => undefined,
    });
    let arrived = 0;
    let all = (): void => undefined;
    const requested = new Promise<void>((resolve) => (all = resolve));
    const server = createServer((request, response) => {
      endpoint.answer(request, response);
      if (++arrived === 20) all();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    // Each on a connection of its own, at once: fetch would keep some back.
    const ask = (): Promise<readonly [status: number | undefined, text: string]> =>
      new Promise((resolve, reject) => {
        get({ host: '127.0.0.1', port, path: '/api/search/v1', agent: false }, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () => {
            resolve([response.statusCode, text]);
          });
        }).on('error', reject);
      });
    const answers = Array.from({ length: 20 }, ask);
    const [status, text] = await Promise.race(answers);
    expect([status, text]).to.satisfy(() => status === 503 && text.includes('"TOO_BUSY"'));
    // One at a time of one client: the other place is for others.
    await requested;
    for (let i = 1; i <= 9; i++) {
      await begun(1);
      expect(pages.length).to.equal(1);
      pages.pop()?.({ ...EMPTY });
    }
    const statuses = (await Promise.all(answers)).map(([one]) => one);
    expect(statuses.filter((one) => one === 200)).to.have.length(9);
    expect(statuses.filter((one) => one === 503)).to.have.length(11);
    server.close();
    server.closeAllConnections();
  });
});
