import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PolicyCompiler } from '../../../service/policy-compiler.ts';
import { ConfigurationFollower } from '../../../service/reload/configuration-follower.ts';
import { loadSettled } from '../../../service/reload/settled-load.ts';
import { loadConfig } from '../../../config/load/load.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  post,
  refusalOf,
  startTestService,
  type TestService,
} from '../../support/test-service.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const CLIENTS = 12;

const configOf = (issuer: string, rules: string): string =>
  `oidc-issuers:\n  ${issuer}:\n    issuer-url: ${issuer}\n    client-id: sigstore\n    type: email\n` +
  `    mayfly:\n      rate-limit: { principal: off }\n      rules: [${rules}]\n`;
const DENY_ALICE = `{ name: no-alice, deny: 'principal.san == "${ALICE}"', message: Ask the security team. }`;

interface Answer {
  readonly address: string;
  readonly status: number;
  readonly reason: string;
  readonly startedAt: number;
}

/** Asks without a pause, from many clients at once, until it is stopped. */
class Load {
  readonly answers: Answer[] = [];
  readonly #clients: Promise<void>[];
  #stopped = false;
  #waiting: { readonly count: number; readonly reached: () => void } | undefined;

  constructor(service: TestService, bodies: ReadonlyMap<string, unknown>) {
    this.#clients = Array.from({ length: CLIENTS }, async (_, i) => {
      const address = i % 2 === 0 ? ALICE : BOB;
      while (!this.#stopped) await this.#ask(service, address, bodies.get(address));
    });
  }

  async #ask(service: TestService, address: string, body: unknown): Promise<void> {
    const startedAt = performance.now();
    const response = await post(`${service.url}/api/v2/signingCert`, body);
    const { status } = response;
    const reason = status === 200 ? '' : (await refusalOf(response)).details[0].reason;
    if (status === 200) await response.arrayBuffer();
    this.answers.push({ address, status, reason, startedAt });
    if (this.#waiting !== undefined && this.answers.length >= this.#waiting.count) this.#waiting.reached();
  }

  /** Resolves when `count` more answers are there. */
  more(count: number): Promise<void> {
    return new Promise((reached) => (this.#waiting = { count: this.answers.length + count, reached }));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }
}

describe('service/reload: a deny rule that is loaded under load', function () {
  this.timeout(60_000);
  let directory: string;
  let service: TestService;
  let follower: ConfigurationFollower;
  let load: Load | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-deny-'));
    service = await startTestService();
    const file = join(directory, 'config.yaml');
    await writeFile(file, configOf(service.issuer.url, ''));
    follower = new ConfigurationFollower({
      started: await loadSettled(file, loadConfig),
      policy: service.policy,
      compiler: new PolicyCompiler({ clock: Date.now, serviceLog: service.serviceLog }),
      clock: Date.now,
      program: 'mayfly',
      log: service.serviceLog,
      settle: 1,
    });
  });
  afterEach(async () => {
    await load?.stop();
    await follower.close();
    await service.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('lets not one more certificate go to whom it names, fails nobody else, and goes away as it came', async () => {
    const file = join(directory, 'config.yaml');
    const bodies = new Map<string, unknown>();
    for (const email of [ALICE, BOB])
      bodies.set(email, bodyV2(await emailToken(service, { email }), clientKey(email)));
    load = new Load(service, bodies);
    for (let round = 0; round < 3; round++) {
      await load.more(60);
      await writeFile(file, configOf(service.issuer.url, DENY_ALICE));
      await follower.reload();
      const deniedFrom = performance.now();
      await load.more(60);
      await writeFile(file, configOf(service.issuer.url, ''));
      const deniedUntil = performance.now();
      await follower.reload();
      const asked = load.answers.filter(
        ({ startedAt, address }) => address === ALICE && startedAt > deniedFrom && startedAt < deniedUntil,
      );
      for (const { reason } of asked.slice(0, 20)) expect(reason).to.equal('RULE_DENIED');
    }
    await load.more(20);
    await load.stop();
    const outcomes = (address: string): Set<string> =>
      new Set(
        load?.answers
          .filter((answer) => answer.address === address)
          .map(({ status, reason }) => `${status} ${reason}`),
      );
    expect([...outcomes(BOB)]).to.deep.equal(['200 ']);
    expect([...outcomes(ALICE)].sort()).to.deep.equal(['200 ', '403 RULE_DENIED']);
    // The service writes a line when a certificate leaves. In its own order of things, none left after the rule.
    let isDenied = false;
    let kept = 0;
    for (const line of service.lines) {
      if (line['event'] === 'configuration loaded') isDenied = line['rules'] === 1;
      if (line['event'] !== 'issued' || line['principal'] !== ALICE) continue;
      expect(isDenied, JSON.stringify(line)).to.equal(false);
      kept++;
    }
    expect(kept).to.be.greaterThan(0);
  });
});
