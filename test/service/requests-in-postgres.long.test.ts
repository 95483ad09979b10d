/** What services that write one log share of requests: used tokens, rate limits, and entries that are sent to several of them at once. */
import { cpSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { toBase64 } from '../../core/bytes.ts';
import { encodePem } from '../../core/pem.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { dataPaths } from '../../instance/data-paths.ts';
import { ReplayDatabase } from '../../policy/replay/replay-database.ts';
import { recordTrust } from '../../trust/ledger.ts';
import { derOf, outsideCa } from '../ct-log/support/outside-ca.ts';
import { makeDataDirectory } from '../support/data-directory.ts';
import { signatureOf } from '../support/logged-signature.ts';
import { ANYWHERE, runMayfly, startMayfly, type MayflyProcess } from '../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { bodyV2, clientKey, emailToken, post, refusalOf } from '../support/test-service.ts';

/** `issued`, or the reason of a refusal. */
type Outcome = string;

describe('service: requests to several services that write one log', function () {
  this.timeout(180_000);
  let server: PostgresServer | undefined;
  let schemas = 0;
  let schema: string;
  let root: string;
  let issuer: TestIssuer;
  let tokens = 0;
  const services: QuietService[] = [];
  const programs: MayflyProcess[] = [];
  const proxies: TcpProxy[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
    issuer = await startIssuer();
  });
  after(async () => {
    await issuer.close();
    await server?.remove();
  });
  beforeEach(async () => {
    schema = `requests_${schemas++}`;
    root = await mkdtemp(join(tmpdir(), 'mayfly-requests-'));
  });
  afterEach(async () => {
    for (const one of services.splice(0)) await one.close();
    for (const one of programs.splice(0)) {
      one.child.kill('SIGKILL');
      await one.ended;
    }
    for (const one of proxies.splice(0)) await one.close();
    await rm(root, { recursive: true, force: true });
  });

  const running = (): PostgresServer => server ?? expect.fail('no server');
  const inDatabase = (port?: number) => ({
    store: running().url({ schema }, port),
    'store-password-file': running().passwordFile,
  });
  const configure = (data: string, log: unknown, block: unknown): Promise<void> =>
    writeFile(
      dataPaths(data).config,
      JSON.stringify({
        'oidc-issuers': {
          [issuer.url]: { 'issuer-url': issuer.url, 'client-id': 'sigstore', type: 'email', mayfly: block },
        },
        mayfly: { log, 'artifact-log': { admission: 'any', duplicates: 'refuse' } },
      }),
    );
  const command = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runMayfly(args);
    expect(code, stderr).to.equal(0);
    return stdout;
  };
  /** Data directories of services whose logs are in the database, with an issuer block as `block` says. */
  const replicas = async (names: readonly string[], block: unknown): Promise<string[]> => {
    const first = join(root, names[0] ?? '');
    await makeDataDirectory(first);
    for (const api of [1, 2] as const) {
      const made = { api, host: 'ca.example.org', passphrase: undefined, clock: Date.now };
      await createDirectoryLog(dataPaths(first), made);
    }
    await recordTrust(dataPaths(first));
    await configure(first, inDatabase(), block);
    await command('log', 'migrate', '--data', first);
    await command('log', 'move', '--data', first);
    return names.map((name) => {
      const data = join(root, name);
      if (data !== first) cpSync(first, data, { recursive: true });
      return data;
    });
  };
  /** Has a service reach the database by a network that fails as the test wants. */
  const behindProxy = async (data: string, block: unknown): Promise<TcpProxy> => {
    const proxy = await TcpProxy.to(running().port);
    proxies.push(proxy);
    await configure(data, inDatabase(proxy.port), block);
    await command('log', 'accept-database', '--data', data);
    return proxy;
  };
  const open = async (data: string, workers = 1): Promise<QuietService> => {
    const service = await openQuietly(data, { workers });
    services.push(service);
    return service;
  };
  const serve = async (data: string): Promise<MayflyProcess & { readonly url: string }> => {
    const program = startMayfly(['serve', '--data', data, ...ANYWHERE, '--json']);
    programs.push(program);
    return { ...program, ...(JSON.parse(await program.firstLine) as { url: string }) };
  };
  const key = clientKey();
  const newToken = (): Promise<string> => emailToken({ issuer }, { jti: `token ${tokens++}` });
  const sign = async ({ url }: { readonly url: string }, token: string): Promise<Outcome> => {
    const answer = await post(`${url}/api/v2/signingCert`, bodyV2(token, key));
    if (answer.status === 200) {
      await answer.arrayBuffer();
      return 'issued';
    }
    if (answer.status === 503) expect(answer.headers.get('retry-after')).to.match(/^\d+$/);
    return (await refusalOf(answer)).details[0].reason;
  };
  const counted = (outcomes: readonly Outcome[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const one of outcomes) counts[one] = (counts[one] ?? 0) + 1;
    return counts;
  };
  /** Of the log of certificates, or of that of artifacts for an API. */
  const entries = async (what: 'certificates' | 1 | 2 = 'certificates'): Promise<number> => {
    const { rows } = await running().query(
      `SELECT identity, size FROM ${schema}.log JOIN ${schema}.log_head USING (log_id)`,
    );
    const found = rows.find(
      ({ identity }) => ((JSON.parse(String(identity)) as { api?: number }).api ?? 'certificates') === what,
    );
    return Number(found?.['size']);
  };

  it('use up a token once, whichever of them it is sent to, and nothing of its other uses is logged', async () => {
    const [a = '', b = '', c = ''] = await replicas(['a', 'b', 'c'], { 'replay-guard': 'jti' });
    const all = [await open(a), await open(b), await open(c, 2)];
    const [used, rounds]: [string[], number] = [[], 12];
    for (let round = 0; round < rounds; round++) {
      const token = await newToken();
      const others = await Promise.all(all.map(newToken));
      const [same, good] = await Promise.all([
        Promise.all([...all, ...all].map((one) => sign(one, token))),
        Promise.all(all.map((one, i) => sign(one, others[i] ?? ''))),
      ]);
      expect(counted(same), `round ${round}`).to.deep.equal({ issued: 1, TOKEN_REPLAYED: 5 });
      expect(counted(good)).to.deep.equal({ issued: 3 });
      used.push(token);
    }
    expect(await entries()).to.equal(4 * rounds);
    for (const one of services.splice(0)) await one.close();
    const again = await open(b);
    expect(await sign(again, used[0] ?? '')).to.equal('TOKEN_REPLAYED');
    expect(await sign(again, used.at(-1) ?? '')).to.equal('TOKEN_REPLAYED');
    const { rows } = await running().query(`SELECT key, expires FROM ${schema}.log_claim`);
    expect(rows).to.have.length(4 * rounds);
  });

  it('use up a token with its entry or not at all, whatever becomes of the service in between', async () => {
    const block = { 'replay-guard': 'jti', 'rate-limit': 'off' };
    const [a = '', b = ''] = await replicas(['a', 'b'], block);
    const proxy = await behindProxy(a, block);
    let size = 0;
    for (const [passages, outcome] of [
      [{ requests: 'silence' }, 'issued'],
      [{ answers: 'silence' }, 'TOKEN_REPLAYED'],
    ] as const) {
      const dying = await serve(a);
      // Until no commit is made under a lock, whose answer would not come.
      for (let i = 0; i < 20; i++) expect(await sign(dying, await newToken())).to.equal('issued');
      size += 20;
      const token = await newToken();
      proxy.set(passages);
      const lost = sign(dying, token).catch(() => 'lost');
      await delay(500);
      dying.child.kill('SIGKILL');
      await dying.ended;
      expect(await lost).to.equal('lost');
      proxy.set({ requests: 'pass', answers: 'pass' });
      const other = await open(b);
      expect(await sign(other, token), JSON.stringify(passages)).to.equal(outcome);
      size++;
      expect(await sign(other, token)).to.equal('TOKEN_REPLAYED');
      expect(await entries()).to.equal(size);
      await services.pop()?.close();
    }
  });

  it('are refused with 503 while the database is away, and their tokens work when it is back', async () => {
    const block = { 'replay-guard': 'jti', 'rate-limit': { principal: { 'per-minute': 600, burst: 600 } } };
    const [a = ''] = await replicas(['a'], block);
    const proxy = await behindProxy(a, block);
    const service = await open(a);
    expect(await sign(service, await newToken())).to.equal('issued');
    proxy.set({ requests: 'cut' });
    const kept: string[] = [];
    for (let i = 0; i < 5; i++) {
      const token = await newToken();
      const outcome = await sign(service, token);
      expect(outcome).to.be.oneOf(['LOG_UNAVAILABLE', 'RATE_LIMITS_UNAVAILABLE']);
      kept.push(token);
    }
    proxy.set({ requests: 'pass' });
    for (const token of kept) {
      let outcome = await sign(service, token);
      while (outcome.endsWith('_UNAVAILABLE')) {
        await delay(100);
        outcome = await sign(service, token);
      }
      expect(outcome).to.equal('issued');
    }
    expect(await entries()).to.equal(6);
  });

  it('are counted against one limit, with restarts and kills of the services in between', async () => {
    const burst = 40;
    const limit = { principal: { 'per-minute': 1, burst } };
    const [a = '', b = '', c = ''] = await replicas(['a', 'b', 'c'], { 'rate-limit': limit });
    let asked: number | undefined;
    let lost = 0;
    const outcomes: Outcome[] = [];
    const ask = async (one: { readonly url: string }, times: number): Promise<void> => {
      asked ??= Date.now();
      await Promise.all(
        Array.from({ length: times }, async () => {
          const outcome = await sign(one, await newToken()).catch(() => 'lost');
          if (outcome === 'lost') lost++;
          else outcomes.push(outcome);
        }),
      );
    };
    const fixed = await open(a);
    let other = await serve(b);
    const third = await open(c, 2);
    await Promise.all([ask(fixed, 5), ask(other, 5), ask(third, 5)]);
    const dying = ask(other, 6);
    await delay(5);
    other.child.kill('SIGKILL');
    await Promise.all([dying, other.ended]);
    await ask(fixed, 2);
    other = await serve(b);
    for (let round = 0; round < 6; round++) await Promise.all([ask(fixed, 3), ask(other, 3), ask(third, 3)]);
    const { issued = 0, ...refused } = counted(outcomes);
    expect(Object.keys(refused)).to.deep.equal(['PRINCIPAL_RATE_LIMITED']);
    const filled = Math.floor((Date.now() - (asked ?? 0)) / 60_000);
    const logged = await entries();
    expect(logged).to.be.within(burst - lost, burst + filled);
    expect(issued).to.be.within(logged - lost, logged);
    for (const one of [fixed, other, third]) {
      const outcome = await sign(one, await newToken());
      expect(outcome).to.be.oneOf(
        filled === 0 ? ['PRINCIPAL_RATE_LIMITED'] : ['issued', 'PRINCIPAL_RATE_LIMITED'],
      );
    }
  });

  it('count an issuer as one as well, and against nobody what a limit or a used token refuses', async () => {
    const block = {
      'replay-guard': 'jti',
      'rate-limit': { principal: { 'per-minute': 1, burst: 4 }, issuer: { 'per-minute': 1, burst: 6 } },
    };
    const [a = '', b = ''] = await replicas(['a', 'b'], block);
    const both = [await open(a), await open(b)];
    const began = Date.now();
    const used = await newToken();
    const outcomes: Outcome[] = [];
    for (let i = 0; i < 8; i++) {
      outcomes.push(...(await Promise.all(both.map((one) => sign(one, used)))));
    }
    expect(counted(outcomes)).to.deep.equal({ issued: 1, TOKEN_REPLAYED: 15 });
    const same = await Promise.all(
      [...both, ...both, ...both].map(async (one) => sign(one, await newToken())),
    );
    const bob = clientKey('bob@example.com');
    const ofBob = await Promise.all(
      [...both, ...both].map(async ({ url }) => {
        const token = await emailToken({ issuer }, { email: 'bob@example.com', jti: `token ${tokens++}` });
        const answer = await post(`${url}/api/v2/signingCert`, bodyV2(token, bob));
        return answer.status === 200 ? 'issued' : (await refusalOf(answer)).details[0].reason;
      }),
    );
    // A test that is slowed down beyond a minute says nothing.
    if (Date.now() - began > 60_000) return;
    expect(counted(same)).to.deep.equal({ issued: 3, PRINCIPAL_RATE_LIMITED: 3 });
    expect(counted(ofBob)).to.deep.equal({ issued: 2, ISSUER_RATE_LIMITED: 2 });
  });

  it('log an artifact once that is sent to all of them at once, and answer each with that one entry', async () => {
    const [a = '', b = '', c = ''] = await replicas(['a', 'b', 'c'], {});
    const all = [await open(a), await open(b), await open(c)];
    const [signer = expect.fail('no service')] = all;
    const rounds = 4;
    for (let round = 0; round < rounds; round++) {
      const requests = await signatureOf({ url: signer.url, issuer }, `text ${round}`);
      const answers = await Promise.all(
        [...all, ...all].map(({ url }) => post(`${url}/api/v1/log/entries`, requests.first)),
      );
      const statuses = counted(answers.map(({ status }) => String(status)));
      expect(statuses, `round ${round}`).to.deep.equal({ 201: 1, 409: 5 });
      const added = answers.find(({ status }) => status === 201);
      const [id = ''] = Object.keys((await added?.json()) as object);
      for (const answer of answers) if (answer.status === 409) expect(await answer.text()).to.contain(id);
      const second = await Promise.all(
        [...all, ...all].map(({ url }) => post(`${url}/api/v2/log/entries`, requests.second)),
      );
      expect(counted(second.map(({ status }) => String(status)))).to.deep.equal({ 201: 1, 409: 5 });
    }
    // Each begins with an entry of its own.
    expect([await entries(1), await entries(2)]).to.deep.equal([rounds + 1, rounds + 1]);
  });

  it('answer no entry of another service without a line, fail-closed, also one that the other could not record', async () => {
    const [a = '', b = ''] = await replicas(['a', 'b'], {});
    const ca = await outsideCa();
    const roots = join(root, 'roots.pem');
    await writeFile(roots, encodePem('CERTIFICATE', derOf(ca.root)));
    for (const data of [a, b]) {
      const issuers = {
        [issuer.url]: { 'issuer-url': issuer.url, 'client-id': 'sigstore', type: 'email' },
      };
      const mayfly = {
        log: { ...inDatabase(), submission: { roots } },
        'artifact-log': { admission: 'any' },
        audit: { database: true, 'fail-closed': true },
      };
      await writeFile(dataPaths(data).config, JSON.stringify({ 'oidc-issuers': issuers, mayfly }));
    }
    const table = `${schema}.audit_batch`;
    const refuse = async (): Promise<void> => {
      await running().query(
        `CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''full''; END';
         CREATE TRIGGER full_disk BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse()`,
      );
    };
    const accept = () => running().query(`DROP FUNCTION ${schema}.refuse() CASCADE`);
    const linesOf = async (event: string): Promise<number> => {
      const { rows } = await running().query(
        `SELECT coalesce(sum((length(lines) - length(replace(lines, '"event":"${event}"', ''))) / ${event.length + 10}), 0)::int AS n FROM ${table}`,
      );
      return Number(rows[0]?.['n']);
    };
    const other = await open(b);
    const { first, second } = await signatureOf({ url: other.url, issuer }, 'a text');
    const chain = [await ca.precertificate(), derOf(ca.issuing)].map(toBase64);
    for (const [event, path, body] of [
      ['logged', 'api/v1/log/entries', first],
      ['logged', 'api/v2/log/entries', second],
      ['submitted', 'log/2026/ct/v1/add-pre-chain', JSON.stringify({ chain })],
    ] as const) {
      const before = await linesOf(event);
      const dying = await open(a);
      await refuse();
      expect((await post(`${dying.url}/${path}`, body)).status, path).to.equal(503);
      services.splice(services.indexOf(dying), 1);
      await dying.close();
      expect((await post(`${other.url}/${path}`, body)).status, path).to.equal(503);
      await accept();
      let answer = await post(`${other.url}/${path}`, body);
      while (answer.status === 503) {
        await delay(100);
        answer = await post(`${other.url}/${path}`, body);
      }
      expect(answer.status, path).to.be.oneOf([200, 201]);
      expect(await linesOf(event), path).to.equal(before + 1);
      expect((await post(`${other.url}/${path}`, body)).status, path).to.equal(answer.status);
      expect(await linesOf(event), path).to.equal(before + 1);
    }
    // Each was logged once.
    expect([await entries(1), await entries(2)]).to.deep.equal([2, 2]);
  });

  it('find a token used after the logs were moved, there and back', async () => {
    const data = join(root, 'a');
    const block = { 'replay-guard': 'token' };
    await makeDataDirectory(data);
    await recordTrust(dataPaths(data));
    const IN_FILES = {};
    const move = async (log: object): Promise<QuietService> => {
      for (const one of services.splice(0)) await one.close();
      await configure(data, log, block);
      if (log !== IN_FILES) await command('log', 'migrate', '--data', data);
      await command('log', 'move', '--data', data);
      return open(data);
    };
    await configure(data, IN_FILES, block);
    const inFiles = await newToken();
    expect(await sign(await open(data), inFiles)).to.equal('issued');
    const there = await move(inDatabase());
    expect(await sign(there, inFiles)).to.equal('TOKEN_REPLAYED');
    const inTable = await newToken();
    expect(await sign(there, inTable)).to.equal('issued');
    for (const one of services.splice(0)) await one.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${dataPaths(data).replay}${suffix}`, { force: true });
    // The claim of an entry is no token.
    await running().query(
      `INSERT INTO ${schema}.log_claim VALUES (decode(repeat('ab', 32), 'hex'), ${Date.now() + 600_000}, true)`,
    );
    const back = await move(IN_FILES);
    expect(await sign(back, inTable)).to.equal('TOKEN_REPLAYED');
    expect(await sign(back, inFiles)).to.equal('TOKEN_REPLAYED');
    expect(await sign(back, await newToken())).to.equal('issued');
    for (const one of services.splice(0)) await one.close();
    const used = new ReplayDatabase(dataPaths(data).replay);
    expect(used.held).to.equal(3);
    used.close();
  });

  it('use up a token once without a log, too', async () => {
    const [a = '', b = ''] = await replicas(['a', 'b'], { 'replay-guard': 'jti' });
    const both: QuietService[] = [];
    for (const data of [a, b]) {
      const service = await openQuietly(data, { insecureNoLog: true });
      services.push(service);
      both.push(service);
    }
    for (let round = 0; round < 8; round++) {
      const token = await newToken();
      const outcomes = await Promise.all([...both, ...both].map((one) => sign(one, token)));
      expect(counted(outcomes), `round ${round}`).to.deep.equal({ issued: 1, TOKEN_REPLAYED: 3 });
    }
    expect(await entries()).to.equal(0);
  });
});
