import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { RefusedDecision } from '../../ca/decision.ts';
import { AuditError } from '../../audit/audit-error.ts';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { sqliteCommitStore } from '../../tlog/store/sqlite-commit-store.ts';
import type { IssuerPolicyDefinition } from '../../policy/issuer-policy-definition.ts';
import { openReplayGuard, type ReplayGuard } from '../../policy/replay/replay-guard.ts';
import { compilePolicy } from '../../policy/snapshot.ts';
import { Outage, outageCommits, outageSigner } from '../ct-log/support/faults.ts';
import { testLog, type TestLog } from '../ct-log/support/test-log.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  OPEN_POLICY,
  post,
  refusalOf,
  startTestService,
  type Change,
  type TestService,
} from '../support/test-service.ts';

describe('server: a log that does not work for a while', () => {
  let directory: string;
  let test: TestLog;
  let guard: ReplayGuard;
  let service: TestService;
  let log: CtLog;
  const key = clientKey();
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-outage-'));
    test = await testLog();
    guard = await openReplayGuard(join(directory, 'replay.db'), Date.now);
  });
  afterEach(async () => {
    await service.close();
    await guard.close();
    await test.remove();
    await rm(directory, { recursive: true });
  });

  /** A service whose only entry lets each token through once, over a log with faults. */
  async function start(
    open: Partial<Parameters<TestLog['open']>[0]>,
    change: Change = () => ({}),
    over: Partial<IssuerPolicyDefinition> = {},
  ): Promise<void> {
    service = await startTestService((values) => change(values));
    const { authority, policy } = service;
    log = await test.open({ chain: authority.chain, ...open });
    await service.close();
    service = await startTestService((values) => ({ ...change(values), log, authority }));
    const definition = service.policy.current.issuers[0]?.definition;
    if (definition === undefined) throw new Error('there is an entry');
    service.policy.replace(
      await compilePolicy([{ definition, policy: { ...OPEN_POLICY, replayGuard: 'token', ...over } }], {
        clock: Date.now,
        permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS,
        openReplayGuard: () => Promise.resolve(guard),
        previous: policy.current === service.policy.current ? undefined : service.policy.current,
      }),
    );
  }

  const token = (): Promise<string> => emailToken(service, { jti: Math.random().toString() });
  const sign = async (text: string): Promise<string> => {
    const response = await post(`${service.url}/api/v2/signingCert`, bodyV2(text, key));
    return response.ok ? 'issued' : (await refusalOf(response)).details[0].reason;
  };
  const ready = async (): Promise<number> => (await fetch(`${service.url}/readyz`)).status;
  const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await delay(20);
  };
  const events = (name: RegExp): string[] =>
    service.lines.map(({ event }) => String(event)).filter((event) => name.test(event));
  const metric = async (line: string): Promise<boolean> =>
    (await (await fetch(service.metricsUrl)).text()).split('\n').includes(line);

  it('uses up no token while it has stopped, and goes on by itself', async () => {
    const outage = new Outage('no space left on device');
    await start({
      stores: { commits: outageCommits(sqliteCommitStore(test.directory, test.identity), outage) },
    });
    expect(await sign(await token())).to.equal('issued');
    outage.isOn = true;
    expect(await sign(await token())).to.equal('LOG_UNAVAILABLE');
    const kept = await token();
    for (let i = 0; i < 3; i++) expect(await sign(kept)).to.equal('LOG_UNAVAILABLE');
    expect(await ready()).to.equal(503);
    expect((await fetch(`${service.url}/healthz`)).status).to.equal(200);
    await until(() => events(/^log stopped$/).length > 0);
    expect(await metric('mayfly_log_failed 1')).to.equal(true);
    expect(await metric('mayfly_log_trouble{part="entries"} 1')).to.equal(true);
    outage.isOn = false;
    await until(async () => (await ready()) === 200);
    expect(await sign(kept)).to.equal('issued');
    expect(await sign(kept)).to.equal('TOKEN_REPLAYED');
    await until(() => events(/^log goes on$/).length > 0);
    expect(events(/^log /)).to.deep.equal(['log stopped', 'log goes on']);
    expect(await metric('mayfly_log_stops_total 1')).to.equal(true);
    expect(await metric('mayfly_log_failed 0')).to.equal(true);
    expect(service.lines.find(({ event }) => event === 'log stopped')).to.include({
      level: 'error',
      sentence: 'no space left on device',
    });
    const { size } = log.status();
    expect(size).to.equal(2);
  });

  it('says once why it refuses, and briefly how often', async () => {
    const outage = new Outage('no space left on device');
    await start({
      stores: { commits: outageCommits(sqliteCommitStore(test.directory, test.identity), outage) },
    });
    outage.isOn = true;
    for (let i = 0; i < 5; i++) await sign(await token());
    const refused = service.lines.filter(({ event }) => event === 'refused');
    expect(refused.map((line) => 'cause' in line)).to.deep.equal([true, false, false, false, false]);
    for (const line of refused) expect(JSON.stringify(line).length).to.be.below(400);
    expect(JSON.stringify(refused)).to.not.contain('    at ');
  });

  it('signs the same head again when a key failed, and is not ready meanwhile', async () => {
    const outage = new Outage('the key is throttled');
    const { treeHead, checkpoint } = test.signers;
    await start({ signers: { checkpoint, treeHead: outageSigner(treeHead, outage) } });
    outage.isOn = true;
    const waiting = sign(await token());
    await until(async () => (await ready()) === 503);
    const detail = await (await fetch(`${service.metricsUrl}/readyz`)).text();
    expect(detail).to.contain('the log cannot sign what it commits: the key is throttled');
    outage.isOn = false;
    expect(await waiting).to.equal('issued');
    expect(await ready()).to.equal(200);
    expect(log.status()).to.include({ stops: 0, size: 1 });
  });

  it('refuses those who wait for a key too long, then everybody at once, and uses up no token for that', async () => {
    const outage = new Outage('the key does not answer');
    const { treeHead, checkpoint } = test.signers;
    await start({
      signers: { checkpoint, treeHead: outageSigner(treeHead, outage) },
      limits: { signingTimeoutMs: 100 },
    });
    outage.isOn = true;
    expect(await sign(await token())).to.equal('LOG_UNAVAILABLE');
    const kept = await token();
    expect(await sign(kept)).to.equal('LOG_UNAVAILABLE');
    await until(() => events(/^log cannot sign$/).length > 0);
    outage.isOn = false;
    await until(() => log.refusal() === undefined);
    expect(await sign(kept)).to.equal('issued');
    expect(log.status().size).to.equal(2);
  });

  it('counts a request whose entry is in the log although it was refused, and says which it is', async () => {
    const outage = new Outage('the key does not answer');
    const { treeHead, checkpoint } = test.signers;
    const refusals: [reason: string, isLogged: boolean][] = [];
    const audit = {
      isFailClosed: true,
      refusal: () => undefined,
      issued: () => Promise.resolve(),
      refused: ({ serial }: RefusedDecision, reason: string) =>
        refusals.push([reason, serial !== undefined]) > 0,
      logged: () => undefined,
      redacted: () => undefined,
      submitted: () => undefined,
      entryRefused: () => true,
      status: () => ({ lines: { issued: 0, logged: 0, refused: 0, suppressed: 0 }, destinations: [] }),
      close: () => Promise.resolve(),
    };
    await start(
      {
        signers: { checkpoint, treeHead: outageSigner(treeHead, outage) },
        limits: { signingTimeoutMs: 100 },
      },
      () => ({ audit }),
      { principalRateLimit: { perMinute: 1, burst: 1 } },
    );
    outage.isOn = true;
    expect(await sign(await token())).to.equal('LOG_UNAVAILABLE');
    outage.isOn = false;
    await until(() => log.refusal() === undefined);
    expect(log.status().size).to.equal(1);
    expect(await sign(await token())).to.equal('PRINCIPAL_RATE_LIMITED');
    expect(refusals).to.deep.equal([
      ['LOG_UNAVAILABLE', true],
      ['PRINCIPAL_RATE_LIMITED', false],
    ]);
  });

  it('asks for no token while a fail-closed audit takes no lines', async () => {
    let refusal: AuditError | undefined = new AuditError(
      'AUDIT_UNAVAILABLE',
      'the decision cannot be recorded',
    );
    const audit = {
      isFailClosed: true,
      refusal: () => refusal,
      issued: () => Promise.resolve(),
      refused: () => true,
      logged: () => undefined,
      redacted: () => undefined,
      submitted: () => undefined,
      entryRefused: () => true,
      status: () => ({ lines: { issued: 0, logged: 0, refused: 0, suppressed: 0 }, destinations: [] }),
      close: () => Promise.resolve(),
    };
    await start({}, () => ({ audit }));
    const kept = await token();
    for (let i = 0; i < 2; i++) expect(await sign(kept)).to.equal('AUDIT_UNAVAILABLE');
    refusal = undefined;
    expect(await sign(kept)).to.equal('issued');
    expect(log.status().size).to.equal(1);
  });
});
