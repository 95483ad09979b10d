/** Certificate logs that follow each other while a whole service runs. */
import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { parseSct, parseSctList, SCT_LIST_OID } from '../../ct-log/format/sct.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { proveCertificate } from '../../ct-log/proof.ts';
import { equalBytes, toHex } from '../../core/bytes.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { decodePem } from '../../core/pem.ts';
import { discardLog } from '../../instance/discard-log.ts';
import { isKeyEncrypted } from '../../instance/private-key-file.ts';
import { certificateLogPaths, dataPaths } from '../../instance/data-paths.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { generateKey } from '../../signers/key-types.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { encodeTrustedRoot } from '../../trust/format/trusted-root.ts';
import { readRecorded, readTrust } from '../../trust/ledger.ts';
import { OWN_PATHS, withPublicUrl } from '../../trust/public-urls.ts';
import { createRepository } from '../../trust/tuf/create-repository.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { documentedBlocks, runBlock } from '../support/documented-blocks.ts';
import { projectRoot } from '../support/project-root.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { change } from '../trust/tuf/support/repository.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

const MINUTE = 60_000;
const PASSPHRASE = 'a passphrase';

describe('service: logs that follow each other by themselves', function () {
  this.timeout(120_000);
  let root: string;
  let data: string;
  let issuer: TestIssuer;
  let service: QuietService | undefined;
  /** Milliseconds by which the clock of the service is ahead. */
  let ahead: number;
  let born: number;
  /** DER. */
  let received: Uint8Array[];
  let isLoading = false;
  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    [ahead, born, received] = [0, Date.now(), []];
    root = await mkdtemp(join(tmpdir(), 'mayfly-shards-'));
    data = join(root, 'data');
  });
  afterEach(async () => {
    await service?.close();
    service = undefined;
    await rm(root, { recursive: true, force: true });
  });

  const clock = (): number => Date.now() + ahead;
  /** The log ends four hours after it was made, and the next one is there two hours before. */
  const END = 240 * MINUTE;
  const rules = (more = ''): string => `at: ["${new Date(born + END).toISOString()}"], lead: 1h${more}`;
  const start = async (shards: string, options: Parameters<typeof openQuietly>[1] = {}) => {
    const open = '{ principal: { per-minute: 100000, burst: 100000 } }';
    await makeDataDirectory(data, {
      passphrase: PASSPHRASE,
      config: emailConfig(issuer.url, `{ rate-limit: ${open}, log: { shards: { ${shards} } } }`),
    });
    return open_(options);
  };
  const open_ = async (options: Parameters<typeof openQuietly>[1] = {}): Promise<QuietService> =>
    (service = await openQuietly(data, { clock, passphrase: PASSPHRASE, ...options }));
  const line = async (event: string, sentence = /^/): Promise<Readonly<Record<string, unknown>>> => {
    for (;;) {
      const found = service?.lines.find(
        (one) => one['event'] === event && sentence.test(String(one['sentence'])),
      );
      if (found !== undefined) return found;
      await delay(20);
    }
  };
  const sign = async ({ url }: QuietService): Promise<void> => {
    const now = Math.floor(clock() / 1000);
    const token = await emailToken({ issuer }, { iat: now - 5, nbf: now - 5, exp: now + 3600 });
    const answer = await post(`${url}/api/v2/signingCert`, bodyV2(token, clientKey()));
    expect(answer.status, await answer.clone().text()).to.equal(200);
    const { signedCertificateEmbeddedSct } = (await answer.json()) as {
      signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
    };
    const [pem = ''] = signedCertificateEmbeddedSct.chain.certificates;
    received.push(decodePem(pem)[0]?.bytes ?? new Uint8Array());
  };
  /** Clients that ask one after the other until what this returns is called. */
  const load = (running: QuietService, clients = 4): (() => Promise<void>) => {
    let isOver = false;
    const loading = Promise.all(
      Array.from({ length: clients }, async () => {
        while (!isOver) {
          await sign(running);
          await delay(5);
        }
      }),
    );
    isLoading = true;
    // What ends it says why it failed.
    loading.catch(() => undefined).finally(() => (isLoading = false));
    return async () => {
      isOver = true;
      await loading;
    };
  };
  const logIdOf = (der: Uint8Array): string => {
    const list = findExtension(parseCertificate(der), SCT_LIST_OID);
    const [sct] = list === undefined ? [] : parseSctList(list.value).map(parseSct);
    return toHex(sct?.logId ?? new Uint8Array());
  };
  /** Proves that a log has exactly what has its SCT; returns how many entries that is. */
  const proveAll = async (name: string): Promise<number> => {
    const source = await openDirectorySource(join(data, 'logs', name));
    const checkpoint = await source.checkpoint();
    const verified = verifyCheckpoint(checkpoint, logKeys(source.identity));
    const { logId } = source.identity;
    const own = received.filter((der) => logIdOf(der) === toHex(logId));
    const places = new Set<number>();
    for (const der of own)
      places.add((await proveCertificate({ source, logId, checkpoint, verified }, der)).index);
    expect(places.size).to.equal(own.length);
    expect(verified.size).to.equal(own.length);
    return own.length;
  };
  const listed = async ({ url }: QuietService): Promise<string[]> => {
    const { logs } = (await (await fetch(`${url}/log/`)).json()) as {
      logs: { name: string; state: string }[];
    };
    return logs.map(({ name, state }) => `${name} ${state}`);
  };
  const metric = async ({ metricsUrl }: QuietService, name: string): Promise<string[]> =>
    (await (await fetch(`${metricsUrl}/metrics`)).text()).split('\n').filter((one) => one.startsWith(name));
  const check = async ({ metricsUrl }: QuietService): Promise<Record<string, unknown> | undefined> => {
    const { checks } = (await (await fetch(`${metricsUrl}/readyz`)).json()) as {
      checks: Record<string, unknown>[];
    };
    return checks.find(({ name }) => name === 'shards');
  };
  const windowOf = async (name: string) =>
    (await readRecorded(dataPaths(data).trustedRoot)).certificateLogs.find(
      ({ baseUrl }) => baseUrl === OWN_PATHS.log(name),
    )?.window;
  const nextName = (): string => new Date(born + END).toISOString().slice(0, 10);

  it('refuses no request at the instant, and loses no entry', async () => {
    const running = await start(rules());
    const next = nextName();
    await sign(running);
    expect(await listed(running)).to.deep.equal(['2026 current']);
    ahead = 121 * MINUTE;
    expect(await line('next log staged')).to.include({ log: `localhost/log/${next}` });
    // Verifiers have it from now on, by every way that they are served.
    const root = (await (await fetch(`${running.url}/trust/trusted_root.json`)).json()) as {
      ctlogs: unknown[];
    };
    expect(root.ctlogs.length).to.equal(2);
    expect(await isKeyEncrypted(certificateLogPaths(dataPaths(data), next).ecdsaKey)).to.equal(true);
    while ((await listed(running)).length < 2) await delay(20);
    expect(await listed(running)).to.deep.equal(['2026 current', `${next} staged`]);
    expect(await check(running)).to.include({ ok: true });
    // It ends in a moment, by a clock that does not jump while somebody asks.
    ahead = born + END + 2_000 - Date.now();
    const end = load(running);
    const audited = await line('another log in use');
    expect(audited).to.include({ log: `localhost/log/${next}`, former: 'localhost/log/2026' });
    const { identity } = await openDirectorySource(join(data, 'logs', next));
    while (isLoading && received.filter((der) => logIdOf(der) === toHex(identity.logId)).length < 20)
      await delay(20);
    await end();
    expect(await line('former log ended')).to.include({ log: '2026' });
    expect(await listed(running)).to.deep.equal([`${next} current`, '2026 frozen']);
    const description = (await (await fetch(`${running.url}/log/2026/log.v3.json`)).json()) as {
      final_tree_head: { tree_size: number; timestamp: number };
    };
    while ((await windowOf('2026'))?.end === undefined) await delay(20);
    const { end: windowEnd = 0 } = (await windowOf('2026')) ?? {};
    expect(windowEnd).to.equal(Math.ceil(description.final_tree_head.timestamp / 1000) * 1000);
    expect((await windowOf(next))?.end).to.equal(undefined);
    expect(await metric(running, 'mayfly_log_shard_trouble')).to.deep.equal(['mayfly_log_shard_trouble 0']);
    const [size = ''] = await metric(running, 'mayfly_log_size');
    const inNext = Number(size.split(' ')[1]);
    const inFormer = description.final_tree_head.tree_size;
    // Searches find what is in both of them.
    const found = (await (await fetch(`${running.url}/api/search/v1?limit=1`)).json()) as {
      searched: { log: string; size: number }[];
    };
    expect(found.searched.map(({ log, size }) => `${log} ${size}`)).to.include.members([
      `certificates ${inNext}`,
      `certificates-2026 ${inFormer}`,
    ]);
    await running.close();
    expect(await proveAll('2026')).to.equal(inFormer);
    expect(await proveAll(next)).to.equal(inNext);
    // The service log says of each certificate which log has it.
    const linesOf = (log: string): number =>
      running.lines.filter((one) => one['event'] === 'issued' && one['log'] === log).length;
    expect(linesOf('localhost/log/2026')).to.equal(inFormer);
    expect(linesOf(`localhost/log/${next}`)).to.equal(inNext);
    // The next start goes on with it.
    const again = await open_();
    expect(await listed(again)).to.deep.equal([`${next} current`, '2026 frozen']);
    await sign(again);
    expect(again.lines.some(({ event }) => event === 'another log in use')).to.equal(false);
  });

  it('makes, switches and ends nothing while the clock is not trusted', async () => {
    let [wrong, jumps] = [0, 0];
    const steady = (): number => performance.now() + ahead;
    const wall = (): number => clock() + wrong;
    const options = { clock: wall, steadyClock: { now: steady, uptime: steady } };
    const running = await start(rules(), options);
    const next = nextName();
    const said = (sentence: string): number => running.lines.filter(({ event }) => event === sentence).length;
    const jump = async (): Promise<void> => {
      wrong = 365 * 24 * 60 * MINUTE;
      while ((await check(running))?.['ok'] !== false) await delay(20);
      expect((await check(running))?.['detail']).to.match(/^no log is made or put in use: the clock jumped/);
      expect(await metric(running, 'mayfly_log_shard_trouble')).to.deep.equal(['mayfly_log_shard_trouble 1']);
      // For as long as some looks at the clock take.
      await delay(2_500);
      wrong = 0;
      jumps++;
      while (said('logs follow each other as they should') < jumps) await delay(20);
      expect(await check(running)).to.include({ ok: true });
      await sign(running);
    };
    await jump();
    expect(await listed(running)).to.deep.equal(['2026 current']);
    ahead = 121 * MINUTE;
    await line('next log staged');
    await jump();
    expect(await listed(running)).to.deep.equal(['2026 current', `${next} staged`]);
    ahead = END + MINUTE;
    await line('former log ended');
    await jump();
    // Each once, whatever is counted down in it.
    expect(said('logs do not follow each other as they should')).to.equal(3);
    expect(await listed(running)).to.deep.equal([`${next} current`, '2026 frozen']);
  });

  it('counts the lead time from when the signed targets of the TUF repository have the key', async () => {
    await makeDataDirectory(data, {
      passphrase: PASSPHRASE,
      config: emailConfig(issuer.url, `{ log: { shards: { ${rules()} } } }`),
    });
    const paths = dataPaths(data);
    const [rootKey, onlineKey] = await Promise.all([generateKey('p256'), generateKey('p256')]);
    const repository = { directory: paths.tuf, rootKey, onlineKey };
    const contents = async () => {
      const { root: trusted } = await readTrust(paths);
      return new Map([
        ['trusted_root.json', { text: encodeTrustedRoot(withPublicUrl(trusted, 'https://ca.test')) }],
      ]);
    };
    await createRepository(paths.tuf, { rootKey, onlineKey, contents: await contents(), now: clock() });
    await open_();
    ahead = 121 * MINUTE;
    await line('next log staged');
    ahead = END + MINUTE;
    await line(
      'logs do not follow each other as they should',
      /the log in use should have ended: the targets of the TUF repository/,
    );
    await change(repository, { contents: await contents() }, { now: clock() });
    await service?.close();
    // Each start looks at once.
    let running = await open_();
    await line('logs do not follow each other as they should', /next one is not there for as long/);
    expect((await listed(running))[0]).to.equal('2026 current');
    await running.close();
    ahead += 61 * MINUTE;
    running = await open_();
    await line('former log ended');
    expect((await listed(running))[0]).to.equal(`${nextName()} current`);
  });

  it('finishes what a kill left of the making of the next log', async () => {
    const running = await start(rules());
    ahead = 121 * MINUTE;
    await line('next log staged');
    await running.close();
    const { ed25519Key } = certificateLogPaths(dataPaths(data), nextName());
    await rename(ed25519Key, ed25519Key.replace('.key.pem', '.next.key.pem'));
    const again = await open_();
    while (await isMissing(ed25519Key)) await delay(20);
    ahead = END + MINUTE;
    await line('former log ended');
    expect(await check(again)).to.include({ ok: true });
  });

  it('follows the calendar beside a former log that cannot be ended, nor read', async () => {
    const second = new Date(born + 2 * END).toISOString();
    const times = rules().replace(']', `, "${second}"]`);
    let running = await start(times);
    ahead = 121 * MINUTE;
    await line('next log staged');
    const former = certificateLogPaths(dataPaths(data), '2026');
    await rm(former.ecdsaKey);
    ahead = END + MINUTE;
    await line('other log fails', /its end cannot be noted/);
    await running.close();
    await writeFile(join(former.directory, 'commit.db'), 'damaged');
    running = await open_();
    ahead = END + 121 * MINUTE;
    const { log } = await line('next log staged');
    expect((await check(running))?.['detail']).to.match(
      /^the end of 2026 cannot be recorded for verifiers: /,
    );
    ahead = 2 * END + MINUTE;
    expect(await line('another log in use')).to.include({ log });
    await sign(running);
  });

  it('makes another log in the place of one that was late and given up', async () => {
    await start(rules());
    ahead = END + MINUTE;
    const { log } = await line('next log staged');
    await service?.close();
    await discardLog(data);
    await open_();
    expect((await line('next log staged'))['log']).not.to.equal(log);
    ahead += 61 * MINUTE;
    await line('former log ended');
  });

  it('asks for the next log where an operator makes it, and takes it into use without a start', async () => {
    const running = await start(rules(', stage: operator'));
    expect(await check(running)).to.include({ ok: true });
    ahead = 61 * MINUTE;
    expect(await line('logs do not follow each other as they should')).to.include({
      sentence:
        'the log in use is to be followed, and there is none that does: make it with `mayfly log rotate --stage`, and hand out the trust',
    });
    expect(await check(running)).to.include({ ok: false });
    expect(await metric(running, 'mayfly_log_shard_trouble')).to.deep.equal(['mayfly_log_shard_trouble 1']);
    await writeFile(join(root, 'passphrase'), `${PASSPHRASE}\n`);
    const [command = ''] = await documentedBlocks('shards.md', 'Keys that the service does not make');
    const values = { '/var/lib/mayfly': data, '/run/secrets/mayfly': join(root, 'passphrase') };
    await runBlock(command, root, values);
    await running.close();
    const again = await open_();
    ahead = END;
    await line('another log in use');
    await sign(again);
    expect((await listed(again))[0]).to.equal('2027 current');
  });

  it('goes on with the log in use while the next one cannot be made, and says so', async () => {
    const running = await start(rules());
    // Also where the tests run as root, for whom rights do not count.
    const inTheWay = join(data, 'keys', `log-${nextName()}-ecdsa.next.key.pem`);
    await mkdir(inTheWay);
    ahead = 125 * MINUTE;
    await line('logs do not follow each other as they should', /next\.key\.pem/);
    await sign(running);
    expect(await check(running)).to.include({ ok: false });
    await rmdir(inTheWay);
    await line('next log staged');
  });

  it('never takes a log into use whose key verifiers had for a shorter time', async () => {
    const running = await start(rules());
    ahead = END + MINUTE;
    await line('next log staged');
    await line(
      'logs do not follow each other as they should',
      /next one is not there for as long as verifiers are to have its key/,
    );
    await sign(running);
    expect((await listed(running))[0]).to.equal('2026 current');
    ahead += 61 * MINUTE;
    await line('another log in use');
    await sign(running);
    expect(equalBytes(received[0] ?? new Uint8Array(), received[1] ?? new Uint8Array())).to.equal(false);
    expect(logIdOf(received[0] ?? new Uint8Array())).not.to.equal(logIdOf(received[1] ?? new Uint8Array()));
    const current = (await readFile(dataPaths(data).currentLog, 'utf8')).trim();
    expect((await listed(running))[0]).to.equal(`${current} current`);
  });

  it('goes through the turn of a year as docs/shards.md has it', async () => {
    const page = await readFile(join(projectRoot, 'docs/shards.md'), 'utf8');
    const [, block = ''] = /```yaml\n([^]*?)```/.exec(page) ?? [];
    const rate = '  rate-limit: { principal: { per-minute: 100000, burst: 100000 } }';
    const [issuers = ''] = emailConfig(issuer.url).split('mayfly:');
    await makeDataDirectory(data, { passphrase: PASSPHRASE, config: `${issuers}${block}${rate}\n` });
    const values = { '/var/lib/mayfly': data };
    const running = await open_();
    await sign(running);
    let year: string | undefined;
    // It looks at the directory in the background.
    while (year === undefined)
      [, year] =
        /the log in use ends at (\d{4})-01-01T00:00:00Z; none is there to follow it/.exec(
          String((await check(running))?.['detail']),
        ) ?? [];
    const end = Date.UTC(Number(year), 0);
    ahead = end - 14 * 24 * 60 * MINUTE - 59 * MINUTE - Date.now();
    expect(await line('next log staged')).to.include({ log: `localhost/log/${year}` });
    ahead = end + 1_000 - Date.now();
    await line('former log ended');
    await sign(running);
    while ((await windowOf('2026'))?.end === undefined) await delay(20);
    const [before = '', after = ''] = await documentedBlocks('shards.md', 'What is left to be done by hand');
    expect(await runBlock(before, root, values)).to.match(
      new RegExp(
        `localhost/log/2026  frozen  1 entries .*trusted until \\d{4}-.*\nlocalhost/log/${year}  current  1 entries`,
      ),
    );
    expect(await runBlock(after, root, values)).to.match(/1 entr/);
    expect((await readdir(join(data, 'keys'))).filter((name) => name.startsWith('log-2026'))).to.deep.equal(
      [],
    );
    const list = (await (await fetch(`${running.url}/log/log_list.json`)).json()) as {
      operators: {
        tiled_logs: { description: string; state: Record<string, { final_tree_head?: object }> }[];
      }[];
    };
    const states = list.operators[0]?.tiled_logs.map(({ description, state }) => [
      description,
      Object.keys(state),
    ]);
    expect(states).to.deep.equal([
      [`localhost/log/${year}`, ['usable']],
      ['localhost/log/2026', ['readonly']],
    ]);
    expect(list.operators[0]?.tiled_logs[1]?.state['readonly']?.final_tree_head).to.include({ tree_size: 1 });
    // The next start needs the keys no more.
    await running.close();
    await sign(await open_());
  });
});
