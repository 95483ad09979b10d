/** What clients of both APIs are given of an entry that is redacted: that it is, and nothing of its body. */
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { Registry } from 'prom-client';
import { fromBase64, fromHex, toBase64, toHex } from '../../../core/bytes.ts';
import type { ArtifactLog } from '../../../rekor/artifact-log.ts';
import { redactEntries } from '../../../rekor/redact-entries.ts';
import { EntryMetrics } from '../../../server/operator/entry-metrics.ts';
import { RefusalLog } from '../../../server/operator/refusal-log.ts';
import { createServiceLog } from '../../../server/operator/service-log.ts';
import { admitEverybody } from '../../../server/rekor/admission.ts';
import { EntryAdditions } from '../../../server/rekor/entry-additions.ts';
import { EntryRecords } from '../../../server/rekor/entry-records.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { verifyInclusion } from '../../../tlog/format/merkle-verify.ts';
import { V1, V2, type RekorVector } from '../../rekor/format/support/rekor-vectors.ts';
import { rekorLog, type RekorLog } from '../../rekor/support/rekor-log.ts';
import { startV1Server, type V1Server } from './support/v1-server.ts';
import { startV2Server, type V2Server } from './support/v2-server.ts';

/** What is said of it. */
interface WithheldEntry {
  readonly integratedTime: number;
  readonly verification: {
    readonly inclusionProof: {
      readonly hashes: readonly string[];
      readonly rootHash: string;
      readonly treeSize: number;
    };
  };
}

/** Redacts the entry of the vector in a log whose service is stopped. */
async function redact(
  { directory, identity }: RekorLog,
  index: number,
  { leafHash }: RekorVector,
): Promise<void> {
  const redaction = { index, redactedAt: Date.now(), reason: 'not for clients', isAudited: true };
  await redactEntries(directory, identity, [{ ...redaction, leafHash: fromHex(leafHash) }]);
}

/** Logs the vectors, and stops. */
async function logged(api: 1 | 2, vectors: readonly RekorVector[]): Promise<RekorLog> {
  const made = await rekorLog(api);
  const log = await made.open();
  for (const { canonicalizedBody } of vectors)
    await log.add({ body: Buffer.from(canonicalizedBody), namedDigests: [] });
  await log.close();
  return made;
}

const additionsOf = (log: ArtifactLog): EntryAdditions => {
  const serviceLog = createServiceLog(new PassThrough().resume(), 'info');
  const metrics = new EntryMetrics([new Registry()], [log]);
  const refusalLog = new RefusalLog(serviceLog, Date.now);
  const records = new EntryRecords({ api: 1, name: 'v1' }, { metrics, serviceLog, refusalLog });
  return new EntryAdditions(
    { current: log, former: [] },
    {
      admission: admitEverybody,
      certificates: undefined,
      limiter: undefined,
      audit: undefined,
      clock: Date.now,
    },
    records,
  );
};

const vectorOf = (vectors: readonly RekorVector[], name: string): RekorVector => {
  const found = vectors.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no vector ${name}`);
  return found;
};

describe('server/rekor/v1: redacted entries', () => {
  const kept = vectorOf(V1.entries, 'hashedrekord-p256-cert');
  const gone = vectorOf(V1.entries, 'hashedrekord-rsa2048');
  let server: V1Server;
  before(async () => {
    const made = await logged(1, [kept, gone]);
    await redact(made, 2, gone);
    server = await startV1Server({
      made,
      add: (bytes, caller, mayRead) => additionsOf(server.log).add(bytes, caller, mayRead),
    });
  });
  after(() => server.stop());

  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(server.url + path, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
  const idOf = ({ leafHash }: RekorVector): string =>
    (server.made.identity.treeId ?? 0n).toString(16).padStart(16, '0') + leafHash;

  it('says 410 to who reads it by index or either id, and nothing of what it was', async () => {
    for (const path of ['?logIndex=2', `/${gone.leafHash}`, `/${idOf(gone)}`]) {
      const response = await fetch(`${server.url}/api/v1/log/entries${path}`);
      expect([response.status, response.headers.get('retry-after')], path).to.deep.equal([410, null]);
      expect(response.headers.get('cache-control')).to.include('no-store');
      const { code, message } = (await response.json()) as { code: number; message: string };
      expect(code).to.equal(410);
      expect(message)
        .to.match(/^the entry with index 2 is redacted: /)
        .and.not.include('not for clients');
    }
  });

  it('says beside that which leaf hash it has, when it was logged, and the proof that the tree has it', async () => {
    const response = await fetch(`${server.url}/api/v1/log/entries?logIndex=2`);
    const { entry } = (await response.json()) as { entry: Readonly<Record<string, WithheldEntry>> };
    const [[id, withheld] = []] = Object.entries(entry);
    expect([Object.keys(entry).length, id]).to.deep.equal([1, idOf(gone)]);
    expect(Object.keys(withheld ?? {})).to.deep.equal([
      'integratedTime',
      'logID',
      'logIndex',
      'verification',
    ]);
    expect(Object.keys(withheld?.verification ?? {})).to.deep.equal(['inclusionProof']);
    expect(withheld?.integratedTime).to.equal((await server.log.entryAt(2))?.integratedTime);
    const { hashes = [], rootHash = '', treeSize = 0 } = withheld?.verification.inclusionProof ?? {};
    const place = { leafHash: fromHex(gone.leafHash), index: 2, size: treeSize };
    expect(verifyInclusion(sha256, place, hashes.map(fromHex), fromHex(rootHash))).to.equal(true);
    expect(rootHash).to.equal(toHex(server.log.tree.head().head.root));
  });

  it('leaves it out where several are asked for', async () => {
    const response = await post('/api/v1/log/entries/retrieve', {
      entryUUIDs: [idOf(gone), idOf(kept)],
      logIndexes: [2, 1],
      entries: [JSON.parse(gone.request)],
    });
    expect(response.status).to.equal(200);
    const entries = (await response.json()) as Readonly<Record<string, unknown>>[];
    expect(entries.map((entry) => Object.keys(entry))).to.deep.equal([[idOf(kept)], [idOf(kept)]]);
  });

  it('does not find it any more', async () => {
    const { hash } = hashOf(gone);
    const body: unknown = await (await post('/api/v1/index/retrieve', { hash: `sha256:${hash}` })).json();
    expect(body).to.deep.equal([]);
    const other = hashOf(kept).hash;
    expect(await (await post('/api/v1/index/retrieve', { hash: `sha256:${other}` })).json()).to.deep.equal([
      idOf(kept),
    ]);
  });

  it('refuses to log it again, and says where neither what it was nor that it is new', async () => {
    const response = await post('/api/v1/log/entries', gone.request);
    const { code, message } = (await response.json()) as { code: number; message: string };
    expect([response.status, code, response.headers.get('location')]).to.deep.equal([410, 410, null]);
    expect(message).to.include('is redacted');
    expect(server.log.status().size).to.equal(3);
    expect((await post('/api/v1/log/entries', kept.request)).status, 'a duplicate of a neighbour').to.equal(
      201,
    );
  });

  it('proves its neighbours and its tree as before', async () => {
    expect((await fetch(`${server.url}/api/v1/log/entries?logIndex=1`)).status).to.equal(200);
    expect((await fetch(`${server.url}/api/v1/log/proof?firstSize=2&lastSize=3`)).status).to.equal(200);
    expect(server.faults).to.deep.equal([]);
  });
});

/** The digest that is in the body of an entry. */
function hashOf({ canonicalizedBody }: RekorVector): { readonly hash: string } {
  const hash = /"algorithm":"sha\d+","value":"([0-9a-f]+)"/.exec(canonicalizedBody)?.[1];
  if (hash === undefined) throw new Error('the body has no digest');
  return { hash };
}

describe('server/rekor/v2: redacted entries', () => {
  const [kept, gone, other] = V2.entries.filter(({ name }) => name !== 'rsa-key-with-wrong-details') as [
    RekorVector,
    RekorVector,
    RekorVector,
  ];
  let server: V2Server;
  before(async () => {
    const made = await logged(2, [kept, gone, other]);
    await redact(made, 2, gone);
    server = await startV2Server({ made });
  });
  after(() => server.stop());

  it('has an empty entry in bundles of every width, and what is proven beside them', async () => {
    const hashes = await bytesOf('/tile/0/000.p/4');
    for (const width of [3, 4])
      for (const prefix of ['', '/api/v2']) {
        const bundle = await bytesOf(`${prefix}/tile/entries/000.p/${width}`);
        const bodies: Buffer[] = [];
        for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at))
          bodies.push(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at)));
        expect(bodies.map((body) => body.length > 0)).to.deep.equal(
          [true, true, false, true].slice(0, width),
        );
      }
    const list = await fetch(`${server.url}/api/v2/redacted`);
    expect([list.status, list.headers.get('cache-control')]).to.deep.equal([200, 'no-store']);
    const { origin, redacted } = (await list.json()) as {
      origin: string;
      redacted: readonly { logIndex: string; leafHash: string; redactedAt: string }[];
    };
    expect([origin, redacted.length]).to.deep.equal(['rekor.example.org', 1]);
    const { logIndex, leafHash, redactedAt, ...rest } = redacted[0] ?? {
      logIndex: '',
      leafHash: '',
      redactedAt: '',
    };
    expect([logIndex, toHex(fromBase64(leafHash)), rest]).to.deep.equal(['2', gone.leafHash, {}]);
    expect(toBase64(hashes.subarray(64, 96))).to.equal(leafHash);
    expect(new Date(redactedAt).toISOString()).to.equal(redactedAt);
    expect((await fetch(`${server.url}/api/v2/redacted`, { method: 'POST' })).status).to.equal(501);
  });

  it('refuses to log it again with its reason', async () => {
    const response = await fetch(`${server.url}/api/v2/log/entries`, { method: 'POST', body: gone.request });
    const { code, message, details } = (await response.json()) as {
      code: number;
      message: string;
      details: readonly { reason: string }[];
    };
    expect([response.status, code, details[0]?.reason]).to.deep.equal([410, 5, 'ENTRY_REDACTED']);
    expect(message).to.include('is redacted').and.not.include('not for clients');
    expect(server.log.status().size).to.equal(4);
    const metrics = await server.metrics();
    expect(metrics).to.contain('mayfly_artifact_entries_total{api="v2",outcome="ENTRY_REDACTED"} 1');
  });

  async function bytesOf(path: string): Promise<Buffer> {
    const response = await fetch(server.url + path);
    expect(response.status, path).to.equal(200);
    return Buffer.from(await response.arrayBuffer());
  }
});
