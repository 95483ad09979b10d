/** Rekor's first API: answers as a real server gave them (`test/vectors/rekor/vectors-v1.json`), and what it never does. */
import { createPublicKey, generateKeyPairSync, sign, verify, type KeyPairKeyObjectResult } from 'node:crypto';
import { expect } from 'chai';
import { concat, fromBase64, fromHex, toHex, utf8 } from '../../../core/bytes.ts';
import { certificateNames } from '../../../core/certificate-names.ts';
import { parseCertificate } from '../../../core/certificate.ts';
import { readBodyContent } from '../../../rekor/format/body-content.ts';
import { signedEntryTimestampPayload } from '../../../rekor/format/signed-entry-timestamp.ts';
import { rateLimiter } from '../../../policy/rate-limit.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { verifyConsistency } from '../../../tlog/format/merkle-verify.ts';
import { V1 } from '../../rekor/format/support/rekor-vectors.ts';
import { expectProven } from '../../rekor/support/rekor-log.ts';
import type { TransportError } from '../../../server/http/transport-error.ts';
import type { LoggedEntry } from '../../../rekor/artifact-log.ts';
import { MOST_IN_ALL } from '../../../server/rekor/v1/search-body.ts';
import { V1_BODY_LIMIT } from '../../../server/rekor/v1/v1-endpoint.ts';
import { billOfMaterials } from '../../rekor/entries/support/bill-of-materials.ts';
import { startV1Server, type V1Server } from './support/v1-server.ts';

/** An entry as clients read it. */
interface EntryJson {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification: {
    readonly inclusionProof: {
      readonly checkpoint: string;
      readonly hashes: readonly string[];
      readonly logIndex: number;
      readonly rootHash: string;
      readonly treeSize: number;
    };
    readonly signedEntryTimestamp: string;
  };
}
type EntriesJson = Readonly<Record<string, EntryJson>>;

/** What another run of the same server would say differently, replaced by its kind: what is left is the form, the order of members included. */
function formOf(value: unknown): unknown {
  if (Array.isArray(value)) return 'list';
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.entries(value).map(([name, member]) => [
    /^[0-9a-f]{80}$/.test(name) ? 'id' : name,
    formOf(member),
  ]);
}

const UNCACHED: Readonly<Record<string, string>> = {
  'cache-control': 'no-cache, no-store, no-transform, must-revalidate, private, max-age=0',
  expires: 'Thu, 01 Jan 1970 00:00:00 GMT',
  pragma: 'no-cache',
  'x-accel-expires': '0',
};

const JSON_TYPE = { 'content-type': 'application/json' };
/** Of a kind that Rekor has. */
const UNKNOWN_HERE = { apiVersion: '0.0.1', kind: 'rpm', spec: {} };
const RECORDED = [...V1.entries, ...V1.stock];

describe('server/rekor/v1', () => {
  /** A duplicate is no new entry, so that most tests can share one. */
  let shared: V1Server;
  let server: V1Server;
  const own: V1Server[] = [];
  const startOwn = async (options?: Parameters<typeof startV1Server>[0]): Promise<void> => {
    server = await startV1Server(options);
    own.push(server);
  };
  before(async () => {
    shared = server = await startV1Server();
    await logAll();
  });
  beforeEach(() => {
    server = shared;
  });
  afterEach(() => Promise.all(own.splice(0).map((one) => one.stop())));
  after(() => shared.stop());

  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.url + path, { headers });
  const post = (path: string, body: string, headers: Record<string, string> = JSON_TYPE): Promise<Response> =>
    fetch(server.url + path, { method: 'POST', body, headers });
  const log = (vector: { readonly request: string }): Promise<Response> =>
    post('/api/v1/log/entries', vector.request);
  const logAll = async (): Promise<string[]> => {
    const ids: string[] = [];
    for (const vector of RECORDED) ids.push((await log(vector)).headers.get('etag') ?? '');
    return ids;
  };
  const expectEntry = (text: string, canonicalizedBody: string): EntryJson => {
    const entries = JSON.parse(text) as EntriesJson;
    const [found] = Object.entries(entries);
    if (found === undefined) throw new Error('there is no entry');
    const [id, entry] = found;
    expect(Object.keys(entries)).to.have.length(1);
    expect(Buffer.from(entry.body, 'base64').toString()).to.equal(canonicalizedBody);
    const { identity } = server.made;
    expect(entry.logID).to.equal(toHex(identity.logId));
    const { inclusionProof: proof, signedEntryTimestamp } = entry.verification;
    const body = fromBase64(entry.body);
    const leafHash = sha256(concat([Uint8Array.of(0), body]));
    expect(id).to.equal((identity.treeId ?? 0n).toString(16).padStart(16, '0') + toHex(leafHash));
    const { integratedTime, logIndex } = entry;
    const logged = {
      index: proof.logIndex,
      logIndex,
      leafHash,
      body,
      integratedTime,
      treeId: identity.treeId,
      namedDigests: [],
    };
    const hashes = proof.hashes.map(fromHex);
    const { treeSize: size, checkpoint } = proof;
    expectProven(server.made, {
      entry: logged,
      proof: { size, root: fromHex(proof.rootHash), hashes, checkpoint },
    });
    const payload = signedEntryTimestampPayload({ body, integratedTime, logId: identity.logId, logIndex });
    const key = createPublicKey({ key: Buffer.from(identity.publicKey), format: 'der', type: 'spki' });
    expect(verify('sha256', payload, key, fromBase64(signedEntryTimestamp)), 'the SET').to.equal(true);
    return entry;
  };

  describe('answers as a real server did', () => {
    for (const vector of RECORDED)
      it(`logs "${vector.name}"`, async () => {
        const response = await log(vector);
        const text = await response.text();
        expect(response.status).to.equal(201);
        const entry = expectEntry(text, vector.canonicalizedBody);
        expect(formOf(JSON.parse(text))).to.deep.equal(formOf(JSON.parse(vector.answer)));
        expect(text).to.equal(`${JSON.stringify(JSON.parse(text))}\n`);
        const [id = ''] = Object.keys(JSON.parse(text) as object);
        expect(id.slice(16)).to.equal(vector.leafHash);
        expect(response.headers.get('location')).to.equal(`/api/v1/log/entries/${id}`);
        expect(response.headers.get('etag')).to.equal(id);
        expect(response.headers.get('content-type')).to.equal('application/json');
        expect(response.headers.get('cache-control')).to.equal(null);
        expect(response.headers.get('vary')).to.equal('Origin');
        expect(entry.logIndex).to.equal(RECORDED.indexOf(vector) + 1);
        expect(Math.abs(entry.integratedTime - Date.now() / 1000)).to.be.lessThan(600);
      });

    const reads: readonly (readonly [string, (id: string) => string])[] = [
      ['GET /api/v1/log/entries?logIndex=11', () => '/api/v1/log/entries?logIndex=1'],
      [
        'GET /api/v1/log/entries/1382db03324201bfe0d199794996b99e66c1118e845f8320d7a85a2adfe548b9',
        (id) => `/api/v1/log/entries/${id.slice(16)}`,
      ],
      ['GET /api/v1/log', () => '/api/v1/log'],
      ['GET /api/v1/log/proof?firstSize=3&lastSize=21', () => '/api/v1/log/proof?firstSize=1&lastSize=2'],
      ['GET /api/v1/log/publicKey (Accept: application/x-pem-file)', () => '/api/v1/log/publicKey'],
    ];
    for (const [recorded, path] of reads)
      it(`reads as "${recorded}"`, async () => {
        const [vector] = V1.entries;
        if (vector === undefined) throw new Error('no vector');
        const id = (await log(vector)).headers.get('etag') ?? '';
        const expected = V1.reads[recorded];
        if (expected === undefined) throw new Error('not recorded');
        const response = await get(path(id));
        const text = await response.text();
        expect(response.status).to.equal(expected.status);
        for (const line of expected.headers) {
          const [name = '', value] = line.split(': ');
          expect(response.headers.get(name), name).to.equal(value);
        }
        if (text.startsWith('{'))
          expect(formOf(JSON.parse(text))).to.deep.equal(formOf(JSON.parse(expected.answer)));
        else
          expect(text).to.match(
            /^-----BEGIN PUBLIC KEY-----\n(?:[\w+/=]{1,64}\n)+-----END PUBLIC KEY-----\n$/,
          );
        expect(text.endsWith('\n')).to.equal(true);
      });
  });

  describe('reads', () => {
    it('one entry by its index, by both of its ids, and in either case, with a new timestamp each time', async () => {
      const [vector] = RECORDED;
      if (vector === undefined) throw new Error('no vector');
      const id = (await log(vector)).headers.get('etag') ?? '';
      const seen = new Set<string>();
      for (const path of [
        '?logIndex=1',
        '?logIndex=+1&x=y',
        `/${id}`,
        `/${id.slice(16)}`,
        `/${id.toUpperCase()}/`,
      ]) {
        const response = await get(`/api/v1/log/entries${path.replace('+', '%2B')}`);
        const entry = expectEntry(await response.text(), vector.canonicalizedBody);
        seen.add(entry.verification.signedEntryTimestamp);
      }
      expect(seen.size).to.equal(5);
    });

    it('entries by ids, by proposals and bodies, and by indexes, in the order of Rekor, and leaves out what is absent', async () => {
      const ids = await logAll();
      const [zero, one, two, three] = [0, 1, 2, 3].map((at) => RECORDED[at]?.canonicalizedBody);
      const query = {
        logIndexes: [99, 4],
        entries: [JSON.parse(RECORDED[2]?.request ?? '') as unknown, UNKNOWN_HERE],
        entryUUIDs: [ids[1]?.slice(16), ids[0], '01'.repeat(40)],
      };
      for (const path of [
        '/api/v1/log/entries/retrieve',
        '/api/v1/log/entries/retrieve/',
        '//api/v1/log/entries/retrieve',
      ]) {
        const response = await post(path, JSON.stringify(query));
        expect(response.status).to.equal(200);
        const found = (await response.json()) as EntriesJson[];
        const bodies = found.map((entry) =>
          Buffer.from(Object.values(entry)[0]?.body ?? '', 'base64').toString(),
        );
        expect(bodies).to.deep.equal([zero, one, two, three]);
      }
      for (const nothing of ['{}', '{"entryUUIDs":null,"logIndexes":null}', '{} and more']) {
        const response = await post('/api/v1/log/entries/retrieve', nothing);
        expect(await response.text()).to.equal('[]\n');
      }
    });

    it('consistency proofs between any two sizes', async () => {
      await startOwn();
      const heads: { readonly rootHash: string; readonly treeSize: number }[] = [];
      for (const vector of RECORDED.slice(0, 6)) {
        heads.push((await (await get('/api/v1/log')).json()) as (typeof heads)[number]);
        await log(vector);
      }
      const now = (await (await get('/api/v1/log')).json()) as (typeof heads)[number];
      expect(now.treeSize).to.equal(7);
      for (const { treeSize: first, rootHash } of [...heads, now]) {
        const response = await get(`/api/v1/log/proof?firstSize=${first}&lastSize=7`);
        const proof = (await response.json()) as { readonly hashes: string[]; readonly rootHash: string };
        expect(proof.rootHash).to.equal(now.rootHash);
        if (first === 7) expect(proof.hashes).to.deep.equal([]);
        const [old, last] = [
          { size: first, root: fromHex(rootHash) },
          { size: 7, root: fromHex(now.rootHash) },
        ];
        expect(verifyConsistency(sha256, old, last, proof.hashes.map(fromHex))).to.equal(true);
      }
    });

    it('the key as JSON for those who ask for nothing else', async () => {
      const response = await get(`/api/v1/log/publicKey?treeID=${server.made.identity.treeId}`, {
        accept: 'application/json',
      });
      const text = await response.text();
      expect(text).to.match(/^"-----BEGIN PUBLIC KEY-----\\n.*"\n$/);
      expect((await get('/api/v1/log/publicKey', { accept: '*/*' })).headers.get('content-type')).to.equal(
        'application/x-pem-file',
      );
    });

    it('answers pings, and pages of other origins', async () => {
      for (const method of ['GET', 'HEAD']) {
        const response = await fetch(`${server.url}/ping`, { method });
        expect(response.status).to.equal(200);
        expect(await response.text()).to.equal(method === 'GET' ? '.' : '');
      }
      const response = await get('/api/v1/log', { origin: 'https://search.example' });
      expect(response.headers.get('access-control-allow-origin')).to.equal('*');
    });
  });

  describe('searches', () => {
    const search = async (query: object): Promise<string[]> => {
      const response = await post('/api/v1/index/retrieve', JSON.stringify(query));
      expect(response.status, await response.clone().text()).to.equal(200);
      return (await response.json()) as string[];
    };
    /** Leaf hashes of what the real server had found, without the entries of a tree that is not here. */
    const recorded = (name: string, mine: readonly string[]): string[] => {
      const known = new Set(mine.map((id) => id.slice(16)));
      const found = JSON.parse(V1.reads[name]?.answer ?? '[]') as string[];
      return found.map((id) => id.slice(16)).filter((leaf) => known.has(leaf));
    };
    const leaves = (ids: readonly string[]): string[] => ids.map((id) => id.slice(16));

    it('finds at once what the real server had found, and dsse entries by their certificates, too', async () => {
      const ids = await logAll();
      const [first] = V1.entries;
      const { spec } = JSON.parse(first?.request ?? '') as { spec: { data: { hash: { value: string } } } };
      const { value } = spec.data.hash;
      const byHash = leaves(await search({ hash: value.toUpperCase() }));
      expect(byHash).to.include.members(recorded('POST /api/v1/index/retrieve {hash}', ids));
      const byEmail = leaves(await search({ email: 'alice@example.com' }));
      expect(byEmail).to.include.members(recorded('POST /api/v1/index/retrieve {email}', ids));
      expect(byEmail).not.to.deep.equal([]);
      for (const [i, { canonicalizedBody }] of RECORDED.entries()) {
        const { verifiers, digests } = readBodyContent(utf8(canonicalizedBody));
        for (const { pem } of verifiers) {
          const content = Buffer.from(pem).toString('base64');
          expect(await search({ publicKey: { format: 'x509', content } })).to.include(ids[i]);
        }
        for (const { blocks, isCertificate } of verifiers)
          for (const subject of isCertificate
            ? certificateNames(parseCertificate(blocks[0] ?? new Uint8Array()))
            : [])
            expect(await search({ subject })).to.include(ids[i]);
        for (const hash of digests) expect(await search({ hash })).to.include(ids[i]);
      }
    });

    it('finds statements by the digests of their subjects, which stand in no body', async () => {
      const ids = await logAll();
      const subjects: readonly (readonly [string, string])[] = [
        ['dsse-two-signatures', '78e32d719a9f8b40af9e3aab541b2ef43f1164960a2a202206d400ef98982753'],
        ['intoto-002', '57c4d7693f56db7dd7f91ba0f1ca783e450b0dc4b502c541bb7656bf52744064'],
      ];
      for (const [name, hash] of subjects) {
        const at = RECORDED.findIndex((vector) => vector.name === name);
        expect(RECORDED[at]?.canonicalizedBody).not.to.contain(hash);
        expect(await search({ hash }), name).to.deep.equal([ids[at]]);
      }
    });

    it('joins what is asked with OR, and with AND where the query says so', async () => {
      const ids = await logAll();
      const [first, second] = V1.entries;
      const hashOf = (text = ''): string => {
        const { spec } = JSON.parse(text) as { spec: { data: { hash: { value: string } } } };
        return spec.data.hash.value;
      };
      const { verifiers } = readBodyContent(utf8(second?.canonicalizedBody ?? ''));
      const publicKey = { format: 'x509', content: Buffer.from(verifiers[0]?.pem ?? '').toString('base64') };
      const query = { hash: hashOf(first?.request), publicKey };
      const or = await search(query);
      expect(or).to.include.members([ids[0], ids[1]]);
      expect(await search({ ...query, operator: 'and' })).to.deep.equal([]);
      const both = { ...query, hash: hashOf(second?.request), operator: 'and' };
      expect(await search(both)).to.deep.equal([ids[1]]);
      expect(await search({})).to.deep.equal([]);
      expect(await search({ email: null, hash: null })).to.deep.equal([]);
      expect(await search({ publicKey: { format: 'ssh', content: 'QUJD' } })).to.deep.equal([]);
    });

    it('goes on to further pages, and finds by beginnings of names and by issuers', async () => {
      await logAll();
      const query = { subjectPrefix: 'alice@' };
      const all = await search(query);
      expect(all.length).to.be.greaterThan(3);
      const paged: string[] = [];
      let before: string | null = null;
      do {
        const body = JSON.stringify({
          ...query,
          limit: 2,
          ...(before === null ? {} : { before: Number(before) }),
        });
        const response = await post('/api/v1/index/retrieve', body);
        paged.push(...((await response.json()) as string[]));
        before = response.headers.get('x-search-before');
      } while (before !== null);
      expect(paged).to.deep.equal(all);
      expect(await search({ issuer: 'https://nobody.example' })).to.deep.equal([]);
    });
  });

  it('limits what each client reads by what it costs, and says when to come back', async () => {
    let now = 0;
    await startOwn({ readLimit: rateLimiter({ perMinute: 60, burst: 20 }, () => now) });
    await logAll();
    const retrieve = (body: object): Promise<Response> =>
      post('/api/v1/log/entries/retrieve', JSON.stringify(body));
    const logIndexes = Array.from({ length: 10 }, (_, i) => i);
    const size = (await (await retrieve({ logIndexes })).text()).length;
    const left = 20 - 10 - Math.floor(size / (16 * 1024)) - 4;
    expect(left).to.be.within(2, 5);
    // Each of these is one.
    for (const path of ['entries?logIndex=1', `entries/${'0'.repeat(64)}`, 'proof?firstSize=1&lastSize=2'])
      expect((await get(`/api/v1/log/${path}`)).status).to.be.oneOf([200, 404]);
    expect((await post('/api/v1/index/retrieve', '{"email":"a@example.com"}')).status).to.equal(200);
    // Two more than are left, of which none is there.
    const absent = Array.from({ length: left + 2 }, (_, i) => 900 + i);
    expect((await retrieve({ logIndexes: absent })).status).to.equal(200);
    const refusals = [
      await get('/api/v1/log/entries?logIndex=1'),
      await retrieve({}),
      await post('/api/v1/index/retrieve', '{}'),
    ];
    for (const refused of refusals) {
      expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([429, '3']);
      const { code, message } = (await refused.json()) as Record<string, unknown>;
      expect([code, message]).to.deep.equal([429, 'this address reads more than one may; try again in 3 s']);
    }
    for (const path of ['/api/v1/log', '/api/v1/log/publicKey', '/ping'])
      expect((await get(path)).status, path).to.equal(200);
    expect((await log(RECORDED[0] ?? { request: '' })).status).to.equal(201);
    now += 3000;
    expect((await get('/api/v1/log/entries?logIndex=1')).status).to.equal(200);
    expect(server.answers).to.include('GET /api/v1/log/entries 429');
  });

  it('counts the checks of signatures that finding an entry takes', async () => {
    await startOwn({ readLimit: rateLimiter({ perMinute: 60, burst: 4 }, () => 0) });
    const envelope = envelopeBy([signer, other], '{}');
    const ask = { entries: [dsseBy([signer, other], envelope)] };
    expect((await post('/api/v1/log/entries/retrieve', JSON.stringify(ask))).status).to.equal(200);
    const refused = await get('/api/v1/log/entries?logIndex=0');
    // One for the entry, three for each of two checks; four were there.
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([429, '4']);
  });

  it('answers a search as clients of Rekor send it with all that is found, or refuses it', async () => {
    let found = MOST_IN_ALL;
    await startOwn({
      search: {
        ready: () => Promise.resolve(),
        search: async ({ limit }) => {
          const [entry] = await server.log.entriesFrom(0);
          return { entries: Array(Math.min(found, limit)).fill(entry) as LoggedEntry[], before: 7 };
        },
      },
    });
    const ask = (query: object): Promise<Response> => post('/api/v1/index/retrieve', JSON.stringify(query));
    const tooMany = await ask({ email: 'a@example.com' });
    expect(tooMany.status).to.equal(400);
    expect(((await tooMany.json()) as { message: string }).message).to.include('more than 2000 entries');
    found = 3;
    const slow = await ask({ email: 'a@example.com' });
    expect([slow.status, slow.headers.get('retry-after')]).to.deep.equal([503, '2']);
    const page = await ask({ email: 'a@example.com', limit: 500 });
    expect([page.status, page.headers.get('x-search-before')]).to.deep.equal([200, '7']);
    expect(await page.json()).to.have.length(3);
  });

  const TYPE = 'application/vnd.in-toto+json';
  const signer = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const envelopeBy = (keys: readonly KeyPairKeyObjectResult[], payload: string): string => {
    const signed = Buffer.from(`DSSEv1 ${TYPE.length} ${TYPE} ${payload.length} ${payload}`);
    const signatures = keys.map(({ privateKey }) => ({
      sig: sign('sha256', signed, privateKey).toString('base64'),
    }));
    return JSON.stringify({
      payloadType: TYPE,
      payload: Buffer.from(payload).toString('base64'),
      signatures,
    });
  };
  const pemOf = ({ publicKey }: KeyPairKeyObjectResult): string =>
    Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })).toString('base64');
  const dsseBy = (keys: readonly KeyPairKeyObjectResult[], envelope: string): object => ({
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: { proposedContent: { envelope, verifiers: keys.map(pemOf) } },
  });

  it('finds an envelope with two signatures where it is asked for as kinds of which one has no room for them', async () => {
    await startOwn();
    const keys = [signer, other];
    const envelope = envelopeBy(keys, '{}');
    const dsse = dsseBy(keys, envelope);
    expect((await post('/api/v1/log/entries', JSON.stringify(dsse))).status).to.equal(201);
    const intoto = {
      apiVersion: '0.0.1',
      kind: 'intoto',
      spec: { content: { envelope }, publicKey: pemOf(signer) },
    };
    const found = await post('/api/v1/log/entries/retrieve', JSON.stringify({ entries: [dsse, intoto] }));
    expect(found.status).to.equal(200);
    expect(await found.json()).to.have.length(1);
  });

  it('checks for all entries of one question no more signatures than for one that is logged', async () => {
    await startOwn();
    const keys = Array.from({ length: 5 }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    const envelope = envelopeBy(keys, '{}');
    // To find whose each one is takes fifteen checks.
    const dsse = dsseBy(keys.toReversed(), envelope);
    const ask = (entries: readonly object[]): Promise<Response> =>
      post('/api/v1/log/entries/retrieve', JSON.stringify({ entries }));
    expect((await ask([dsse])).status).to.equal(200);
    const refused = await ask([dsse, dsse]);
    expect(refused.status).to.equal(400);
    expect(((await refused.json()) as { message: string }).message).to.include('more than 16 checks');
    const inOrder = dsseBy(keys, envelope);
    expect((await ask([inOrder, inOrder, inOrder])).status).to.equal(200);
  });

  it('reads while searches wait for their index', async () => {
    let ready = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (ready = resolve));
    await startOwn({ search: { ready: () => waiting } });
    const searches = Array.from({ length: 8 }, () =>
      post('/api/v1/index/retrieve', '{"email":"a@example.com"}'),
    );
    expect((await get('/api/v1/log/entries?logIndex=0')).status).to.equal(200);
    ready();
    for (const { status } of await Promise.all(searches)) expect(status).to.equal(200);
  });

  describe('refuses as a real server did', () => {
    for (const vector of V1.refusals)
      it(`the entry "${vector.name ?? ''}"`, async () => {
        const response = await post('/api/v1/log/entries', vector.request ?? '');
        expect(await response.text()).to.equal(vector.answer);
        expect(response.status).to.equal(vector.status);
        expect(response.headers.get('content-type')).to.equal('application/json');
      });

    const ID_PATTERN = '^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$';
    const NONE = 'ab'.repeat(32);
    const cases: readonly (readonly [string, number, object | ''])[] = [
      ['/api/v1/log/entries?logIndex=99', 404, ''],
      ['/api/v1/log/entries?logIndex=9223372036854775807', 404, ''],
      [`/api/v1/log/entries/${NONE}`, 404, ''],
      [`/api/v1/log/entries/0000000000000001${NONE}`, 404, ''],
      [
        '/api/v1/log/entries?logIndex=-1',
        422,
        { code: 609, message: 'logIndex in query should be greater than or equal to 0' },
      ],
      [
        '/api/v1/log/entries?logIndex=x',
        422,
        { code: 601, message: 'logIndex in query must be of type int64: "x"' },
      ],
      [
        '/api/v1/log/entries?logIndex=9223372036854775808',
        422,
        { code: 601, message: 'logIndex in query must be of type int64: "9223372036854775808"' },
      ],
      ['/api/v1/log/entries', 422, { code: 602, message: 'logIndex in query is required' }],
      [
        '/api/v1/log/entries/xyz',
        422,
        { code: 605, message: `entryUUID in path should match '${ID_PATTERN}'` },
      ],
      [
        `/api/v1/log/entries/ffffffffffffffff${NONE}`,
        400,
        { code: 400, message: 'validation error: ffffffffffffffff is not a valid TreeID' },
      ],
      ['/api/v1/log/proof', 422, { code: 602, message: 'lastSize in query is required' }],
      [
        '/api/v1/log/proof?firstSize=0&lastSize=1',
        422,
        { code: 609, message: 'firstSize in query should be greater than or equal to 1' },
      ],
      [
        '/api/v1/log/proof?firstSize=6&lastSize=5',
        400,
        { code: 400, message: 'firstSize(6) must be less than lastSize(5)' },
      ],
      [
        '/api/v1/log/proof?lastSize=99999',
        400,
        {
          code: 400,
          message: `the tree size requested(99999) was greater than what is currently observable(${RECORDED.length + 1})`,
        },
      ],
      [
        '/api/v1/log/proof?lastSize=1&treeID=1',
        400,
        { code: 400, message: 'no log range found for tree ID 1' },
      ],
      ['/api/v1/log/publicKey?treeID=1', 400, { code: 400, message: 'Bad Request' }],
      ['/api/v1/log/nothing', 404, { code: 404, message: 'path /api/v1/log/nothing was not found' }],
    ];
    for (const [path, status, answer] of cases)
      it(`GET ${path}`, async () => {
        const response = await get(path);
        const text = await response.text();
        expect(response.status).to.equal(status);
        expect(text.trimEnd()).to.equal(
          answer === '' ? '' : JSON.stringify(answer).replaceAll('&', '\\u0026'),
        );
        expect(text.endsWith('\n')).to.equal(status === 400);
        if (answer === '') expect(response.headers.get('content-type')).to.equal(null);
        if (!path.includes('nothing'))
          for (const [name, value] of Object.entries(UNCACHED))
            expect(response.headers.get(name), name).to.equal(value);
      });
  });

  const POSTED: readonly (readonly [string, string, number, object])[] = [
    ['/api/v1/log/entries/retrieve', '', 422, { code: 602, message: 'entry in body is required' }],
    [
      '/api/v1/log/entries/retrieve',
      '{"entryUUIDs":[]}',
      422,
      { code: 612, message: 'entryUUIDs in body should have at least 1 items' },
    ],
    [
      '/api/v1/log/entries/retrieve',
      `{"logIndexes":[${'1,'.repeat(10)}1]}`,
      422,
      { code: 611, message: 'logIndexes in body should have at most 10 items' },
    ],
    [
      '/api/v1/log/entries/retrieve',
      `{"logIndexes":[1,2,3,4,5,6],"entries":[{},{},{},{},{}]}`,
      422,
      { code: 422, message: 'more than max allowed 10 entries in request' },
    ],
    [
      '/api/v1/log/entries/retrieve',
      '{"entryUUIDs":["xyz"]}',
      422,
      { code: 605, message: "entryUUIDs.0 in body should match '^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$'" },
    ],
    [
      '/api/v1/log/entries/retrieve',
      '{"logIndexes":[-1]}',
      422,
      { code: 609, message: 'logIndexes.0 in body should be greater than or equal to 0' },
    ],
    [
      '/api/v1/index/retrieve',
      '{"operator":"xor"}',
      422,
      { code: 606, message: 'operator in body should be one of [and or]' },
    ],
    [
      '/api/v1/index/retrieve',
      '{"publicKey":{"content":"QUJD"}}',
      422,
      { code: 602, message: 'publicKey.publicKey.format in body is required' },
    ],
    [
      '/api/v1/index/retrieve',
      '{"publicKey":{"format":"x"}}',
      422,
      {
        code: 606,
        message: 'publicKey.publicKey.format in body should be one of [pgp x509 minisign ssh tuf]',
      },
    ],
    [
      '/api/v1/index/retrieve',
      '{"publicKey":{"format":"x509","content":"QUJD"}}',
      400,
      { code: 400, message: 'public key provided could not be parsed' },
    ],
    [
      '/api/v1/index/retrieve',
      '{"subject":""}',
      422,
      { code: 604, message: 'subject in body should be at least 1 chars long' },
    ],
  ];
  for (const [path, body, status, answer] of POSTED)
    it(`refuses ${path} with ${body.slice(0, 40)}`, async () => {
      const response = await post(path, body);
      expect((await response.text()).trimEnd()).to.equal(JSON.stringify(answer));
      expect(response.status).to.equal(status);
    });

  it('says which methods and media types there are', async () => {
    const wrong = await fetch(`${server.url}/api/v1/log/entries`, { method: 'DELETE' });
    expect(wrong.status).to.equal(405);
    expect(wrong.headers.get('allow')).to.equal('POST,GET');
    expect(await wrong.text()).to.equal(
      '{"code":405,"message":"method DELETE is not allowed, but [POST,GET] are"}',
    );
    expect((await fetch(`${server.url}/api/v1/log/entries`, { method: 'HEAD' })).status).to.equal(405);
    const text = await post('/api/v1/log/entries', '{}', { 'content-type': 'text/plain' });
    expect(text.status).to.equal(415);
    expect(await text.text()).to.equal(
      '{"code":415,"message":"unsupported media type \\"text/plain\\", only [application/json] are allowed"}',
    );
    const charset = { 'content-type': 'application/json; charset=utf-8' };
    expect((await post('/api/v1/index/retrieve', '{}', charset)).status).to.equal(200);
    expect((await get('/api/v1/log', { accept: 'text/html' })).status).to.equal(406);
    expect((await get('/api/v1/log', { accept: 'text/html, application/*;q=0.5' })).status).to.equal(200);
    expect(server.faults).to.deep.equal([]);
  });

  it('logs and finds an attestation of several mebibytes', async () => {
    await startOwn();
    const request = billOfMaterials(3_000_000);
    const logged = await post('/api/v1/log/entries', JSON.stringify(request));
    expect(logged.status).to.equal(201);
    const id = logged.headers.get('etag') ?? '';
    const found = await post('/api/v1/log/entries/retrieve', JSON.stringify({ entries: [request] }));
    expect(found.status).to.equal(200);
    expect(((await found.json()) as object[]).flatMap(Object.keys)).to.deep.equal([id]);
  });

  it('takes a body up to its limit, and says of a longer one that it is too large', async () => {
    const query = (length: number): string => '{"hash":null}'.padEnd(length);
    const searched = 1024 * 1024;
    expect((await post('/api/v1/index/retrieve', query(searched))).status).to.equal(200);
    const refused = await post('/api/v1/index/retrieve', query(searched + 1));
    // No 5xx: clients would send it again and again.
    expect(refused.status).to.equal(400);
    expect(await refused.json()).to.have.all.keys('code', 'message');
    expect(server.refusals).to.deep.equal([]);
    await post('/api/v1/log/entries', query(V1_BODY_LIMIT + 1));
    expect(server.refusals.map((error) => (error as TransportError).code)).to.deep.equal(['BODY_TOO_LARGE']);
  });

  it('says of a log that has ended what Rekor says where entries are only read, and not to come again', async () => {
    await startOwn({ add: () => Promise.reject(new LogError('LOG_FROZEN', 'it has ended')) });
    const refused = await post('/api/v1/log/entries', '{}');
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([501, null]);
    expect(await refused.text()).to.equal(
      '{"code":501,"message":"Create Entry API not enabled in this Rekor instance"}\n',
    );
    expect(server.faults).to.deep.equal([]);
  });

  it('shows nothing of what others logged to those who may not read', async () => {
    await startOwn({ access: { kind: 'token', token: 'secret' } });
    const [vector] = V1.entries;
    if (vector === undefined) throw new Error('no vector');
    expect((await log(vector)).status).to.equal(201);
    for (const path of ['/api/v1/log/entries?logIndex=1', '/api/v1/log', '/api/v1/log/proof?lastSize=1']) {
      const refused = await get(path);
      expect(refused.status).to.equal(401);
      expect(refused.headers.get('www-authenticate')).to.equal('Bearer');
      expect((await get(path, { authorization: 'Bearer secret' })).status).to.equal(200);
    }
    for (const path of ['/api/v1/log/entries/retrieve', '/api/v1/index/retrieve'])
      expect((await post(path, '{}')).status).to.equal(401);
    expect((await get('/api/v1/log/publicKey')).status).to.equal(200);
  });

  it('says what is wrong with the log itself in the form of the API, and reports its own faults', async () => {
    let failure: Error = new LogError('LOG_BUSY', 'too much waits', { hint: 'Try again.' });
    await startOwn({ add: () => Promise.reject(failure) });
    const busy = await post('/api/v1/log/entries', '{}');
    expect(busy.status).to.equal(503);
    expect(busy.headers.get('retry-after')).to.match(/^\d+$/);
    expect(await busy.json()).to.include({ code: 503 });
    expect(server.faults).to.deep.equal([]);
    failure = new Error('a secret of ours');
    const broken = await post('/api/v1/log/entries', '{}');
    expect(broken.status).to.equal(500);
    expect(await broken.text()).not.to.contain('secret');
    expect(server.faults).to.deep.equal([failure]);
  });

  it('counts over all trees, and reads those before the one that it writes', async () => {
    await startOwn({ earlier: 40 });
    const [vector] = V1.entries;
    if (vector === undefined) throw new Error('no vector');
    const entry = expectEntry(await (await log(vector)).text(), vector.canonicalizedBody);
    expect([entry.logIndex, entry.verification.inclusionProof.logIndex]).to.deep.equal([41, 1]);
    expect((await get('/api/v1/log/entries?logIndex=41')).status).to.equal(200);
    const older = (await (await get('/api/v1/log/entries?logIndex=0')).json()) as EntriesJson;
    const [id = ''] = Object.keys(older);
    expect((await get(`/api/v1/log/entries/${id}`)).status).to.equal(200);
    expect((await get(`/api/v1/log/entries/${id.slice(16)}`)).status).to.equal(200);
    const info = (await (await get('/api/v1/log')).json()) as {
      readonly inactiveShards: { readonly treeID: string }[];
      readonly treeID: string;
    };
    expect(info.inactiveShards.map(({ treeID }) => treeID)).to.deep.equal([
      BigInt(`0x${id.slice(0, 16)}`).toString(),
    ]);
    expect(info.treeID).to.equal(String(server.made.identity.treeId));
  });

  it('answers a duplicate with the entry that it has, or refuses it where it is set to', async () => {
    const [vector] = V1.entries;
    if (vector === undefined) throw new Error('no vector');
    const first = expectEntry(await (await log(vector)).text(), vector.canonicalizedBody);
    const again = await log(vector);
    expect(again.status).to.equal(201);
    const second = expectEntry(await again.text(), vector.canonicalizedBody);
    expect([second.logIndex, second.integratedTime]).to.deep.equal([first.logIndex, first.integratedTime]);
    await startOwn({ refusesDuplicates: true });
    const id = (await log(vector)).headers.get('etag') ?? '';
    const refused = await log(vector);
    expect(refused.status).to.equal(409);
    expect(refused.headers.get('location')).to.equal(`/api/v1/log/entries/${id}`);
    const message = `an equivalent entry already exists in the transparency log with UUID ${id}`;
    expect(await refused.text()).to.equal(`${JSON.stringify({ code: 409, message })}\n`);
  });
});
