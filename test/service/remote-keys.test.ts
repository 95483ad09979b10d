/** A service whose keys are all in another process, which is stopped, killed and made to fail. */
import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateLogPaths, dataPaths, type DataPaths } from '../../instance/data-paths.ts';
import { DataDirectoryError } from '../../instance/data-directory-error.ts';
import { SignerError } from '../../signers/signer-error.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { failureAs, failureOf } from '../support/failure.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { KeyServer } from '../support/remote-keys.ts';
import { bodyV2, clientKey, emailToken, post, refusalOf } from '../support/test-service.ts';

const KEY = clientKey();
const KEYS = `keys: { ca: "openbao://ca", logs: { "2026": { ecdsa: "openbao://ecdsa", ed25519: "openbao://ed25519" } }, timeout: 1s }`;

describe('service: keys outside the process', () => {
  let root: string;
  let paths: DataPaths;
  let issuer: TestIssuer;
  let server: KeyServer;
  let service: QuietService | undefined;

  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-remote-keys-'));
    const data = join(root, 'data');
    // A second use of a token is refused, so that one that was burned is noticed.
    const guarded = emailConfig(issuer.url, `{ ${KEYS} }`).replace(
      'type: email\n',
      'type: email\n    mayfly: { replay-guard: token }\n',
    );
    await makeDataDirectory(data, { config: guarded });
    paths = dataPaths(data);
    const log = certificateLogPaths(paths, '2026');
    const files = { ca: paths.intermediateKey, ecdsa: log.ecdsaKey, ed25519: log.ed25519Key };
    const pems = Object.entries(files).map(async ([name, file]) => [name, await readFile(file, 'utf8')]);
    server = await KeyServer.holding(Object.fromEntries(await Promise.all(pems)) as Record<string, string>);
    await rm(paths.keys, { recursive: true });
  });
  afterEach(async () => {
    server.resume();
    await service?.close();
    service = undefined;
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  const open = async (options: Parameters<typeof openQuietly>[1] = {}): Promise<QuietService> =>
    (service = await openQuietly(paths.root, { keyBackends: server.backends(), ...options }));
  const request = async (token: string): Promise<Response> =>
    post(`${service?.url ?? ''}/api/v2/signingCert`, bodyV2(token, KEY));
  const token = (): Promise<string> => emailToken({ issuer }, { jti: randomUUID() });
  const sign = async (): Promise<Response> => request(await token());
  const text = async (path: string): Promise<string> =>
    (await fetch(`${service?.metricsUrl ?? ''}/${path}`)).text();
  const ready = async (): Promise<number> => (await fetch(`${service?.metricsUrl ?? ''}/readyz`)).status;
  /** The size that the log shows, without asking for a certificate. */
  const size = async (): Promise<number> =>
    ((await (await fetch(`${service?.url ?? ''}/ct/v1/get-sth`)).json()) as { tree_size: number }).tree_size;
  /** Whether a key is known to be in trouble. */
  const isKnown = async (): Promise<boolean> => /breaker_open\{key="[^"]+"\} 1$/m.test(await text('metrics'));
  const becomesReady = async (): Promise<void> => {
    while ((await ready()) !== 200) await delay(20);
  };

  it('sign everything, and no file of a key is needed', async () => {
    await open();
    expect((await sign()).status).to.equal(200);
    expect(await ready()).to.equal(200);
    expect(await text('readyz')).to.include(
      'they sign: ca (openbao://ca), logs.2026.ecdsa (openbao://ecdsa)',
    );
    const metrics = await text('metrics');
    for (const line of [
      'mayfly_signer_breaker_open{key="ca"} 0',
      'mayfly_signer_in_flight{key="logs.2026.ed25519"} 0',
      'mayfly_signer_seconds_bucket{le="+Inf",key="logs.2026.ecdsa"}',
    ])
      expect(metrics).to.include(line);
    expect(metrics).to.match(/^mayfly_signer_total\{key="ca",outcome="signed"\} [3-9]$/m);
  });

  for (const [what, trouble, relief] of [
    [
      'stopped',
      () => {
        server.pause();
      },
      () => {
        server.resume();
      },
    ],
    ['killed', () => server.kill(), () => server.start()],
    ['throttled', () => server.does({ failure: 'SIGNER_THROTTLED' }), () => server.does({})],
    ['signing with another key', () => server.does({ sibling: true }), () => server.does({})],
    ['denying', () => server.does({ failure: 'SIGNER_DENIED' }), () => server.does({})],
  ] as const)
    it(`cost time and nothing else when what holds them is ${what}`, async () => {
      await open();
      expect((await sign()).status).to.equal(200);
      await trouble();
      const spare = await token();
      const tried: string[] = [];
      while (!(await isKnown())) {
        const next = await token();
        tried.push(next);
        const refused = await request(next);
        expect(refused.status).to.equal(503);
        expect(refused.headers.get('retry-after')).to.match(/^\d+$/);
      }
      // Known by now, and said before anything is used up or logged.
      const before = await size();
      const refused = await request(spare);
      expect(refused.status).to.equal(503);
      expect(refused.headers.get('retry-after')).to.match(/^\d+$/);
      const problem = await refusalOf(refused);
      expect(JSON.stringify(problem)).not.to.match(/openbao/);
      expect(await size()).to.equal(before);
      expect(await text('readyz')).to.match(/"keys".*SIGNER_|SIGNER_.*"keys"/s);
      expect(await ready()).to.equal(503);
      await relief();
      await becomesReady();
      // None was used up, neither by those who met the trouble nor by those who were spared it.
      for (const one of [spare, ...tried]) expect((await request(one)).status).to.equal(200);
      const isNoted = (event: string): boolean =>
        service?.lines.some((line) => line['event'] === event) === true;
      while (!isNoted('key in trouble') || !isNoted('key signs again')) await delay(20);
    });

  for (const [key, setting] of [
    ['ca', 'ca'],
    ['ecdsa', 'logs.2026.ecdsa'],
    ['ed25519', 'logs.2026.ed25519'],
  ] as const)
    it(`refuse what one of them cannot sign before the others are asked: ${setting}`, async () => {
      await open();
      expect((await sign()).status).to.equal(200);
      await server.does({ of: key, failure: 'SIGNER_UNAVAILABLE' });
      const tried: string[] = [];
      while (!(await isKnown())) {
        const next = await token();
        tried.push(next);
        expect((await request(next)).status).to.equal(503);
      }
      expect(await text('readyz')).to.include(`${setting}: openbao://${key}: the key server refuses`);
      const precertificates = async (): Promise<string | undefined> =>
        /signer_total\{key="ca",outcome="signed"\} (\d+)/.exec(await text('metrics'))?.[1];
      const before = await precertificates();
      expect(Number(before)).to.be.greaterThan(0);
      const spare = await token();
      const refused = await request(spare);
      expect([refused.status, (await refusalOf(refused)).details[0].reason]).to.deep.equal([
        503,
        key === 'ca' ? 'SIGNER_UNAVAILABLE' : 'LOG_UNAVAILABLE',
      ]);
      expect(await precertificates()).to.equal(before);
      expect(await ready()).to.equal(503);
      await server.does({});
      await becomesReady();
      for (const one of [spare, ...tried]) expect((await request(one)).status).to.equal(200);
    });

  it('are refused where they are not those of the chain or the log', async () => {
    const other = await KeyServer.with({ ca: 'p256', ecdsa: 'p256', ed25519: 'ed25519' });
    try {
      const failure = await failureOf(open({ keyBackends: other.backends() }));
      expect(failure).to.have.property('code', 'KEY_MISMATCH');
    } finally {
      await other.close();
    }
  });

  it('start without the former key of the CA where that of its successor is the one of the chain', async () => {
    const config = await readFile(paths.config, 'utf8');
    const moved = config.replace('ca: "openbao://ca"', 'ca: "openbao://gone", ca-next: "openbao://ca"');
    expect(moved).not.to.equal(config);
    await writeFile(paths.config, moved);
    await open();
    expect((await sign()).status).to.equal(200);
    await service?.close();
    service = undefined;
    await writeFile(paths.config, moved.replace('ca-next: "openbao://ca"', 'ca-next: "openbao://ecdsa"'));
    expect((await failureAs(SignerError, open())).message).to.include('openbao://gone');
  });

  it('are refused under a name that no log has, and a file that is not used any more is said', async () => {
    const config = await readFile(paths.config, 'utf8');
    for (const [setting, wrong] of [
      ['logs', config.replace('"2026": {', '"2062": {')],
      ['artifact-logs', config.replace('timeout: 1s', 'artifact-logs: { v2: "openbao://v2" }')],
    ] as const) {
      expect(wrong).not.to.equal(config);
      await writeFile(paths.config, wrong);
      const failure = await failureAs(DataDirectoryError, open());
      expect([failure.code, failure.message]).to.satisfy(
        ([code, text]: [string, string]) =>
          code === 'DIRECTORY_LOG' && text.startsWith(`mayfly.keys.${setting} names`),
      );
    }
    await writeFile(paths.config, config.replace('timeout: 1s', 'timestamps: "openbao://tsa"'));
    await mkdir(paths.keys);
    await writeFile(paths.intermediateKey, 'left there');
    await open();
    const sentences = (): string[] =>
      (service?.lines ?? [])
        .map((line) => String(line['sentence']))
        .filter((sentence) => sentence.includes('mayfly.keys.'));
    while (sentences().length < 2) await delay(20);
    expect(sentences()[0]).to.match(/intermediate\.key\.pem is not used, as mayfly\.keys\.ca names/);
    expect(sentences()[1]).to.match(/^mayfly\.keys\.timestamps names a key that signs nothing/);
  });

  it('say why a start is refused', async () => {
    await server.does({ failure: 'SIGNER_DENIED' });
    const failure = await failureAs(SignerError, open());
    expect(failure.message).to.include('openbao://ca');
  });
});
