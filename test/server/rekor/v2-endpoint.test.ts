import { expect } from 'chai';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit, type Audit } from '../../../audit/audit.ts';
import type { LoggedEntryDecision } from '../../../audit/entry-decision.ts';
import { AuditError } from '../../../audit/audit-error.ts';
import { fromBase64, toHex, utf8Text } from '../../../core/bytes.ts';
import { rateLimiter } from '../../../policy/rate-limit.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { V2_BODY_LIMIT } from '../../../server/rekor/v2/v2-endpoint.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { auditLines } from '../../audit/support/audit-schema.ts';
import { leafHashOf, recorded } from '../../rekor/entries/support/recorded.ts';
import { expectProven } from '../../rekor/support/rekor-log.ts';
import { startV2Server, type V2Server } from './support/v2-server.ts';

const VECTORS = recorded(2);
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** A request for an entry of its own, for each text another one. */
const requestFor = (text: string): string => {
  const rawBytes = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const verifier = { publicKey: { rawBytes }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' };
  const digest = createHash('sha256').update(text).digest('base64');
  const content = sign('sha256', Buffer.from(text), privateKey).toString('base64');
  return JSON.stringify({ hashedRekordRequestV002: { digest, signature: { content, verifier } } });
};

interface Answer {
  readonly logIndex: string;
  readonly logId: { readonly keyId: string };
  readonly kindVersion: unknown;
  readonly integratedTime: string;
  readonly inclusionPromise: unknown;
  readonly inclusionProof: {
    readonly logIndex: string;
    readonly rootHash: string;
    readonly treeSize: string;
    readonly hashes: readonly string[];
    readonly checkpoint: { readonly envelope: string };
  };
  readonly canonicalizedBody: string;
}

interface RefusedBody {
  readonly code: number;
  readonly message: string;
  readonly details: readonly {
    readonly reason: string;
    readonly metadata: Readonly<Record<string, string>>;
  }[];
}

describe('server/rekor/v2', () => {
  let server: V2Server;
  const start = async (options: Parameters<typeof startV2Server>[0] = {}): Promise<V2Server> =>
    (server = await startV2Server(options));

  afterEach(() => server.stop());

  const post = (body: string, path = '/api/v2/log/entries'): Promise<Response> =>
    fetch(server.url + path, { method: 'POST', body });
  const refusedBy = async (response: Response): Promise<RefusedBody> =>
    (await response.json()) as RefusedBody;

  it('logs every recorded request, and proves each entry under the checkpoint beside it', async () => {
    await start();
    const entries = VECTORS.entries.filter(({ name }) => name !== 'rsa-key-with-wrong-details');
    for (const [i, { name, request, canonicalizedBody, leafHash }] of entries.entries()) {
      const response = await post(request);
      expect(response.status, name).to.equal(201);
      expect(response.headers.get('content-type')).to.equal('application/json');
      const answer = (await response.json()) as Answer;
      expect(Object.keys(answer)).to.deep.equal([
        ...['logIndex', 'logId', 'kindVersion', 'integratedTime', 'inclusionPromise'],
        ...['inclusionProof', 'canonicalizedBody'],
      ]);
      const { inclusionProof: proof } = answer;
      // Index 0 is the log's own.
      expect([answer.logIndex, proof.logIndex]).to.deep.equal([String(i + 1), String(i + 1)]);
      expect(answer.kindVersion).to.deep.equal({ kind: 'hashedrekord', version: '0.0.2' });
      expect([answer.integratedTime, answer.inclusionPromise]).to.deep.equal(['0', null]);
      expect(toHex(fromBase64(answer.logId.keyId))).to.equal(toHex(server.log.identity.logId));
      const body = fromBase64(answer.canonicalizedBody);
      expect(utf8Text(body)).to.equal(canonicalizedBody);
      expectProven(server.made, {
        entry: {
          index: i + 1,
          logIndex: i + 1,
          leafHash: Buffer.from(leafHash, 'hex'),
          body,
          integratedTime: undefined,
          treeId: undefined,
          namedDigests: [],
        },
        proof: {
          size: Number(proof.treeSize),
          root: fromBase64(proof.rootHash),
          hashes: proof.hashes.map(fromBase64),
          checkpoint: proof.checkpoint.envelope,
        },
      });
    }
  });

  it('refuses every recorded refusal with its status, code and message, and says why in details', async () => {
    await start();
    for (const { name, request, status, answer } of VECTORS.refusals) {
      const response = await post(request);
      expect(response.status, name).to.equal(status);
      const { code, message, details } = await refusedBy(response);
      const expected = JSON.parse(answer.replace('\u00a0', ' ')) as RefusedBody;
      expect({ code, message }, name).to.deep.equal({ code: expected.code, message: expected.message });
      expect(details[0]?.reason, name).to.match(/^ENTRY_/);
      expect(details[0]?.metadata['sentence'], name).to.be.a('string');
    }
    expect(await server.metrics()).to.contain('rekor_v2_http_requests_total{code="400",method="post"} 16');
  });

  it('answers a request that comes again with the entry that is there, also at the same time', async () => {
    await start();
    const request = requestFor('twice');
    const answers = await Promise.all([1, 2, 3, 4].map(() => post(request)));
    answers.push(await post(request));
    const seen = await Promise.all(answers.map(async (one) => (await one.json()) as Answer));
    expect(answers.map(({ status }) => status)).to.deep.equal([201, 201, 201, 201, 201]);
    expect(seen.map(({ logIndex }) => logIndex)).to.deep.equal(['1', '1', '1', '1', '1']);
    const metrics = await server.metrics();
    expect(metrics).to.contain('rekor_v2_new_hashedrekord_entries 1');
    expect(metrics).to.contain('mayfly_artifact_entries_total{api="v2",outcome="added"} 1');
    expect(metrics).to.contain('mayfly_artifact_entries_total{api="v2",outcome="repeated"} 4');
    expect(metrics).to.contain('mayfly_artifact_log_size{api="v2"} 2');
  });

  it('refuses it as Rekor does where the operator wants that', async () => {
    await start({ refusesDuplicates: true });
    const request = requestFor('once');
    expect((await post(request)).status).to.equal(201);
    const response = await post(request);
    expect([response.status, response.headers.get('x-log-index')]).to.deep.equal([409, '1']);
    const { code, message, details } = await refusedBy(response);
    expect(code).to.equal(6);
    expect(message).to.equal('an equivalent entry already exists in the transparency log with index 1');
    expect(details[0]?.reason).to.equal('ENTRY_DUPLICATE');
  });

  it('serves checkpoint, tiles and entries under both prefixes, also to HEAD, and what changes to no cache', async () => {
    await start();
    for (let i = 0; i < 4; i++) expect((await post(requestFor(`entry ${i}`))).status).to.equal(201);
    for (const prefix of ['', '/api/v2']) {
      const checkpoint = await fetch(`${server.url}${prefix}/checkpoint`);
      expect(checkpoint.headers.get('content-type')).to.equal('text/plain; charset=utf-8');
      expect(checkpoint.headers.get('cache-control')).to.equal('no-store');
      expect((await checkpoint.text()).split('\n').slice(0, 2)).to.deep.equal(['rekor.example.org', '5']);
      const tile = await fetch(`${server.url}${prefix}/tile/0/000.p/5`);
      expect(tile.headers.get('cache-control')).to.equal('public, no-cache');
      const hashes = Buffer.from(await tile.arrayBuffer());
      const bundle = Buffer.from(
        await (await fetch(`${server.url}${prefix}/tile/entries/000.p/5`)).arrayBuffer(),
      );
      let at = 0;
      for (let i = 0; i < 5; i++) {
        const end = at + 2 + bundle.readUInt16BE(at);
        expect(leafHashOf(bundle.subarray(at + 2, end))).to.equal(
          hashes.subarray(32 * i, 32 * i + 32).toString('hex'),
        );
        at = end;
      }
      expect([at, hashes.length]).to.deep.equal([bundle.length, 160]);
      const head = await fetch(`${server.url}${prefix}/tile/0/000.p/5`, { method: 'HEAD' });
      expect([head.status, head.headers.get('content-length')]).to.deep.equal([200, '160']);
    }
  });

  it('lets caches keep only what is at the place of one log and never changes, and asks of the rest', async () => {
    await start();
    for (const [prefix, path, caching] of [
      ['/artifacts/v2', 'tile/0/000.p/1', 'public, max-age=604800, immutable'],
      ['/artifacts/v2', 'tile/entries/000.p/1', 'public, no-cache'],
      ['/api/v2', 'tile/0/000.p/1', 'public, no-cache'],
      ['/api/v2', 'tile/entries/000.p/1', 'public, no-cache'],
      ['', 'tile/0/000.p/1', 'public, no-cache'],
      ['', 'tile/entries/000.p/1', 'public, no-cache'],
    ] as const) {
      const url = `${server.url}${prefix}/${path}`;
      const first = await fetch(url);
      expect([first.status, first.headers.get('cache-control')], url).to.deep.equal([200, caching]);
      const etag = first.headers.get('etag');
      expect(etag === null, url).to.equal(caching.includes('immutable'));
      if (etag === null) continue;
      const again = await fetch(url, { headers: { 'if-none-match': etag } });
      expect([again.status, await again.text()], url).to.deep.equal([304, '']);
      const other = await fetch(url, { headers: { 'if-none-match': '"another"' } });
      expect(other.status, url).to.equal(200);
    }
  });

  it('says 404 for what is not there, 400 for a level that is no number, 501 for another method', async () => {
    await start();
    const statusOf = async (path: string, method = 'GET'): Promise<[number, number]> => {
      const response = await fetch(server.url + path, { method });
      return [response.status, (await refusedBy(response)).code];
    };
    for (const path of ['tile/0/001', 'tile/0/000', 'tile/9/000', 'tile/entries/x000/000', 'tile/0/000.p/0'])
      expect(await statusOf(`/api/v2/${path}`), path).to.deep.equal([404, 5]);
    expect(await statusOf('/api/v2/tile/x/000')).to.deep.equal([400, 3]);
    expect(server.faults, 'no fault of the service').to.deep.equal([]);
    expect(await statusOf('/api/v2/log/entries')).to.deep.equal([501, 12]);
    expect(await statusOf('/api/v2/checkpoint', 'POST')).to.deep.equal([501, 12]);
  });

  it('says of a log that has ended what Rekor says, but of a bad request what is wrong with it', async () => {
    await start({
      change: {
        refusal: () => new LogError('LOG_FROZEN', 'the log has ended'),
        add: () => Promise.reject(new LogError('LOG_FROZEN', 'the log has ended')),
      },
    });
    const response = await post(requestFor('late'));
    expect([response.status, response.headers.get('content-type')]).to.deep.equal([
      405,
      'text/plain; charset=utf-8',
    ]);
    expect(await response.text()).to.equal('This log has been frozen, please switch to the latest log.\n');
    expect((await post('{oops')).status).to.equal(400);
    expect((await fetch(`${server.url}/checkpoint`)).status).to.equal(200);
  });

  it('says that it is busy, and when to try again, while the log is', async () => {
    await start({ change: { refusal: () => new LogError('LOG_BUSY', 'too many wait') } });
    const response = await post('{}');
    expect([response.status, response.headers.get('retry-after')]).to.not.include(null);
    expect(await refusedBy(response)).to.deep.include({ code: 14, message: 'reached max pushback; retry' });
  });

  it('stores nothing of whom it does not admit, and says so in the service log', async () => {
    await start({
      admission: () => {
        throw new EntryError('ENTRY_NOT_ADMITTED', 'not you');
      },
    });
    const response = await post(requestFor('foreign'));
    expect([response.status, (await refusedBy(response)).message]).to.deep.equal([403, 'not you']);
    expect(server.log.status().size).to.equal(1);
    const refused = server.lines.find(({ reason }) => reason === 'ENTRY_NOT_ADMITTED');
    expect(refused).to.deep.include({ client: '192.0.2.1', status: 403 });
    expect(await server.metrics()).to.contain(
      'mayfly_artifact_entries_total{api="v2",outcome="ENTRY_NOT_ADMITTED"} 1',
    );
  });

  it('asks whose a request is before it checks a signature: a flood of others costs little', async () => {
    await start({
      admission: () => {
        throw new EntryError('ENTRY_NOT_ADMITTED', 'not you');
      },
    });
    const wrong = VECTORS.refusals.find(({ name }) => name === 'bad-signature')?.request ?? '';
    const { code, details } = await refusedBy(await post(wrong));
    expect([code, details[0]?.reason]).to.deep.equal([7, 'ENTRY_NOT_ADMITTED']);
  });

  it('limits how often one client logs', async () => {
    await start({ limiter: rateLimiter({ perMinute: 1, burst: 2 }, Date.now) });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await post(requestFor(`${i}`))).status);
    expect(statuses).to.deep.equal([201, 201, 429]);
    const response = await post('{}');
    expect(Number(response.headers.get('retry-after'))).to.be.greaterThan(0);
    expect((await refusedBy(response)).details[0]?.reason).to.equal('ENTRY_RATE_LIMITED');
  });

  it('counts an entry as several whose signature takes longer to check, whether it holds or not', async () => {
    const costs = { PKIX_ECDSA_P256_SHA_256: 1, PKIX_ECDSA_P384_SHA_384: 5, PKIX_ECDSA_P521_SHA_512: 12 };
    for (const [details, cost] of Object.entries(costs)) {
      await start({ limiter: rateLimiter({ perMinute: 60, burst: 2 }, () => 0) });
      const hash = details.slice(-3);
      const key = generateKeyPairSync('ec', { namedCurve: `P-${details.slice(12, 15)}` });
      const rawBytes = key.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
      const digest = createHash(`sha${hash}`).update('x').digest('base64');
      const content = sign(`sha${hash}`, Buffer.from('y'), key.privateKey).toString('base64');
      const signature = { content, verifier: { publicKey: { rawBytes }, keyDetails: details } };
      const request = JSON.stringify({ hashedRekordRequestV002: { digest, signature } });
      expect((await post(request)).status, details).to.equal(400);
      const next = await post('{}');
      const wait = cost - 1;
      expect([next.status, next.headers.get('retry-after')], details).to.deep.equal(
        wait > 0 ? [429, String(wait)] : [400, null],
      );
      await server.stop();
    }
    await start();
  });

  it('writes each entry and each refusal into the audit, and waits for it where that has to be', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mayfly-entries-'));
    const path = join(directory, 'audit.jsonl');
    const audit = await openAudit(
      {
        stdout: false,
        file: { path, maxBytes: 1e9, keep: 1 },
        failClosed: true,
        refusalsPerMinute: 60,
      },
      { clock: Date.now, note: () => undefined },
    );
    try {
      await start({ audit });
      const request = requestFor('recorded');
      await post(request);
      const [line] = auditLines(await readFile(path, 'utf8'));
      expect(line).to.deep.include({
        event: 'logged',
        client: '192.0.2.1',
        log: 'artifacts/v2',
        logIndex: 1,
        kind: 'hashedrekord 0.0.2',
      });
      const key = publicKey.export({ type: 'spki', format: 'der' });
      expect(line?.['signers']).to.deep.equal([
        { keySha256: createHash('sha256').update(key).digest('hex') },
      ]);
      expect(line?.['digests']).to.deep.equal([
        `sha256:${createHash('sha256').update('recorded').digest('hex')}`,
      ]);
      await post(request);
      await post('{}');
      const last = await post(VECTORS.entries[1]?.request ?? '');
      expect(last.status, await last.text()).to.equal(201);
      const lines = auditLines(await readFile(path, 'utf8'));
      expect(lines.map(({ event }) => event)).to.deep.equal(['logged', 'entry-refused', 'logged']);
      expect(lines[1]).to.deep.include({ log: 'artifacts/v2', reason: 'ENTRY_MALFORMED' });
      expect(JSON.stringify(lines[2]?.['signers'])).to.contain('"principals":["alice@example.com"]');
    } finally {
      await audit.close();
      await rm(directory, { recursive: true, force: true });
    }
  });

  describe('leaves no entry without its line', () => {
    const request = requestFor('to be recorded');
    let lines: LoggedEntryDecision[];
    /** An audit whose lines are written, or not, as `logged` says. */
    const auditOf = (logged: (decision: LoggedEntryDecision) => Promise<void>): Audit => ({
      isFailClosed: true,
      redacted: () => undefined,
      submitted: () => undefined,
      status: () => ({ lines: { issued: 0, logged: 0, refused: 0, suppressed: 0 }, destinations: [] }),
      refusal: () => undefined,
      entryRefused: () => true,
      refused: () => true,
      issued: () => undefined,
      close: () => Promise.resolve(),
      logged,
    });
    const write = (decision: LoggedEntryDecision): Promise<void> => {
      lines.push(decision);
      return Promise.resolve();
    };
    beforeEach(() => {
      lines = [];
    });

    it('when it could not be written', async () => {
      let isFull = true;
      const audit = auditOf((decision) =>
        isFull ? Promise.reject(new AuditError('AUDIT_UNAVAILABLE', 'the disk is full')) : write(decision),
      );
      await start({ audit });
      expect((await post(request)).status).to.be.above(499);
      isFull = false;
      for (let i = 0; i < 3; i++) expect((await post(request)).status).to.equal(201);
      expect(server.log.status().size).to.equal(2);
      expect(lines.map(({ logIndex }) => logIndex)).to.deep.equal([1]);
    });

    it('while it is being written for a twin', async () => {
      const begun = Promise.withResolvers<undefined>();
      const disk = Promise.withResolvers<undefined>();
      const answers: string[] = [];
      await start({
        audit: auditOf(async (decision) => {
          begun.resolve(undefined);
          await disk.promise;
          answers.push('written');
          await write(decision);
        }),
      });
      const first = post(request).then(() => answers.push('answered'));
      await begun.promise;
      const second = post(request).then(() => answers.push('answered'));
      // Others are answered meanwhile, so a twin has had its turn.
      expect((await post(VECTORS.refusals[0]?.request ?? '')).status).to.be.above(399);
      await server.log.add({ body: Buffer.from('{}'), namedDigests: [] });
      disk.resolve(undefined);
      await Promise.all([first, second]);
      expect(answers).to.deep.equal(['written', 'answered', 'answered']);
      expect(lines).to.have.length(1);
    });

    it('when the log did not know whether it has it', async () => {
      let isFirst = true;
      await start({
        audit: auditOf(write),
        change: {
          add: async (entry) => {
            const added = await server.log.add(entry);
            if (!isFirst) return added;
            isFirst = false;
            throw new LogError('LOG_STORAGE', 'the disk went away').ofStored();
          },
        },
      });
      expect((await post(request)).status).to.equal(503);
      expect((await post(request)).status).to.equal(201);
      expect(lines).to.have.length(1);
    });
  });

  it('refuses a body beyond the limit as Rekor does', async () => {
    await start();
    const response = await post('x'.repeat(V2_BODY_LIMIT + 1));
    expect(response.status).to.equal(400);
    expect(await refusedBy(response)).to.deep.include({ code: 3, message: 'http: request body too large' });
  });

  it('shows entries only to whom the log may be read by', async () => {
    await start({ access: { kind: 'token', token: 'secret' } });
    expect((await fetch(`${server.url}/checkpoint`)).status).to.equal(401);
    const headers = { Authorization: 'Bearer secret' };
    expect((await fetch(`${server.url}/checkpoint`, { headers })).status).to.equal(200);
    expect((await post(requestFor('anybody'))).status).to.equal(201);
  });
});
