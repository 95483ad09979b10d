/** What caches in front of the service keep. A cache is played by its rules: what an answer says of itself, and without a word whatever its operator set. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { openCertificateSearch } from '../../service/open-searches.ts';
import { openedArtifacts, type TestArtifactLogs } from '../support/opened-artifacts.ts';
import { projectRoot } from '../support/project-root.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  post,
  startTestService,
  submissionOfNobody,
  type ServiceValues,
  type TestService,
} from '../support/test-service.ts';
import { signatureOf } from '../support/logged-signature.ts';
import { openedTimestamps, testTimestampAuthority, timestampChain } from '../tsa/support/test-authority.ts';

/** A repository of one file whose name has no version. */
const tuf: NonNullable<ServiceValues['tuf']> = {
  current: (path) => (path === 'root.json' ? new Uint8Array(1) : undefined),
  status: () => ({ failure: 'none', differences: [], signatures: 0, failures: 0 }),
};

const VALUES: Readonly<Record<string, string>> = {
  log: '2026',
  path: '0/000.p/1',
  tile: '0/000.p/1',
  fingerprint: '0'.repeat(64),
  entryUUID: '0'.repeat(64),
  file: 'trusted_root.json',
};

/** Every path of the description of the API, with values in the place of its parameters. */
function documentedPaths(): readonly string[] {
  const text = readFileSync(join(projectRoot, 'docs/openapi.yaml'), 'utf8');
  const { paths } = parse(text) as { readonly paths: Readonly<Record<string, unknown>> };
  return Object.keys(paths).map((path) =>
    path.startsWith('/artifacts/')
      ? path.replace('{log}', 'v2').replace('{tile}', '0/000.p/1')
      : path.startsWith('/tuf/')
        ? '/tuf/root.json'
        : path.replace(/\{(\w+)\}/g, (_, name: string) => VALUES[name] ?? ''),
  );
}

/** What is not there, not yet there, or not asked for as it should be. */
const REFUSED = [
  '/',
  '/nothing',
  '/%zz',
  '/api/v2/trustBundle/',
  '/api/v1/timestamp/',
  '/api/v1/log/nothing',
  '/api/v1/log/entries/zz',
  '/api/v1/log/entries?logIndex=999',
  '/api/v1/log/proof?lastSize=999',
  '/api/search/v1?nothing=1',
  '/api/v2/tile/0/000.p/9',
  '/api/v2/tile/x/000',
  '/api/v2/tile/0/zzz',
  '/tile/0/x001/000',
  '/tile/entries/000.p/9',
  '/artifacts/v2-7/checkpoint',
  '/artifacts/v3/checkpoint',
  '/trust/nothing',
  '/tuf/9.root.json',
  '/log/nothing',
  '/log/2027/checkpoint',
  '/log/2026/nothing',
  '/log/2026/tile/0/000.p/9',
  '/log/2026/ct/v1/get-entries?start=9&end=9',
];

/** What caches may keep: names that always have the same content, and lists for a minute. */
const KEPT =
  /^\/(?:(?:api\/v2\/|artifacts\/v2\/|log\/2026\/)?tile\/|log\/(?:2026\/?)?$|log\/2026\/(?:issuer\/|log\.v3\.json|ct\/v1\/get-(?:roots|entries|entry-and-proof|proof-by-hash|sth-consistency)))/;

/** Seconds for which a shared cache keeps an answer, whose operator wants whatever says nothing of it kept for a minute, as `proxy_cache_valid any 1m` of nginx does. */
function secondsKept({ headers }: Response): number {
  const said = headers.get('cache-control');
  if (said === null) return 60;
  if (/\b(?:no-store|no-cache|private)\b/.test(said)) return 0;
  return Number(/\bmax-age=(\d+)/.exec(said)?.[1] ?? 60);
}

/** A cache in front of a service. Time stands still. */
class FrontCache {
  readonly #origin: string;
  readonly #kept = new Map<string, Response>();

  constructor(origin: string) {
    this.#origin = origin;
  }

  async get(path: string): Promise<Response> {
    const kept = this.#kept.get(path);
    if (kept !== undefined) return kept.clone();
    const response = await fetch(this.#origin + path);
    if (secondsKept(response) > 0) this.#kept.set(path, response.clone());
    return response;
  }
}

describe('server: what caches keep', () => {
  let artifacts: TestArtifactLogs;
  let service: TestService;
  let search: { close(): Promise<void> } | undefined;
  let isPublic: boolean;

  const start = async (): Promise<void> => {
    const timestamps = openedTimestamps(await testTimestampAuthority(Date.now, await timestampChain()));
    artifacts = await openedArtifacts();
    service = await startTestService(({ log, trustPlaces }) => {
      const opened = openCertificateSearch(log, join(trustPlaces.logs, '2026'));
      search = opened;
      const logAccess = isPublic
        ? ({ kind: 'public' } as const)
        : ({ kind: 'token', token: 'x'.repeat(32) } as const);
      return { timestamps, artifacts, tuf, search: opened, logAccess, submission: submissionOfNobody };
    });
  };

  beforeEach(() => (isPublic = true));
  afterEach(async () => {
    await search?.close();
    await service.close();
    await artifacts.remove();
  });

  it('is said by every answer but those to a POST, of which no cache keeps any without a word', async () => {
    await start();
    await post(`${service.url}/api/v2/signingCert`, bodyV2(await emailToken(service), clientKey()));
    let kept = 0;
    for (const path of [...documentedPaths(), ...REFUSED]) {
      const methods = ['GET', 'HEAD', 'PUT', 'DELETE'];
      for (const response of await Promise.all(
        methods.map((method) => fetch(service.url + path, { method })),
      )) {
        const name = `${path} ${response.status}`;
        expect(response.headers.get('cache-control'), name).to.be.a('string');
        if (secondsKept(response) === 0) continue;
        kept++;
        expect(response.status, name).to.equal(200);
        expect(path, name).to.match(KEPT);
      }
    }
    expect(kept).to.be.above(5);
  });

  it('is nothing of what a client without the right to read is refused', async () => {
    isPublic = false;
    await start();
    for (const path of documentedPaths().filter((one) =>
      /^\/(?:log|tile|artifacts|checkpoint|api\/search)/.test(one),
    )) {
      const response = await fetch(service.url + path);
      const name = `${path} ${response.status}`;
      expect(response.status, name).to.equal(401);
      expect(secondsKept(response), name).to.equal(0);
    }
  });

  it('never hides an entry, also from who asked before it was there', async () => {
    await start();
    const front = new FrontCache(service.url);
    const paths = [
      '/log/2026/tile/0/000.p/1',
      '/log/2026/tile/data/000.p/1',
      '/tile/0/000.p/2',
      '/tile/entries/000.p/2',
      '/api/v2/tile/0/000.p/2',
      '/artifacts/v2/tile/entries/000.p/2',
      '/api/v1/log/entries?logIndex=1',
    ];
    const heads = ['/checkpoint', '/log/2026/checkpoint'];
    for (const path of paths) expect((await front.get(path)).status, path).to.equal(404);
    for (const path of heads) expect((await front.get(path)).status, path).to.equal(200);
    const { first, second } = await signatureOf(service, 'an artifact');
    for (const [path, body] of [
      ['/api/v1/log/entries', first],
      ['/api/v2/log/entries', second],
    ] as const)
      expect((await post(service.url + path, body)).status, path).to.equal(201);
    for (const path of paths) expect((await front.get(path)).status, path).to.equal(200);
    for (const path of heads)
      expect(await (await front.get(path)).text(), path).to.equal(
        await (await fetch(service.url + path)).text(),
      );
  });
});
