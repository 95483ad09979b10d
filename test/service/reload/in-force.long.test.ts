/** After a reload every setting is in force or named as one that needs a restart, and what did not change is kept. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PolicyCompiler } from '../../../service/policy-compiler.ts';
import { ConfigurationFollower } from '../../../service/reload/configuration-follower.ts';
import { restartSettings } from '../../../service/reload/restart-settings.ts';
import { loadSettled } from '../../../service/reload/settled-load.ts';
import { loadConfig, parseConfig } from '../../../config/load/load.ts';
import type { MayflyConfig } from '../../../config/settings/mayfly-config.ts';
import { mayflySchema } from '../../../config/schema/mayfly-schema.ts';
import { settingName } from '../../../policy/changes.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  post,
  refusalOf,
  startTestService,
  type TestService,
} from '../../support/test-service.ts';

const KEY = clientKey();
const ONE = 'rate-limit: { principal: { per-minute: 1 } }';

describe('service/reload: what is in force', () => {
  let directory: string;
  let service: TestService;
  let follower: ConfigurationFollower;
  const file = (): string => join(directory, 'config.yaml');

  /** Writes a configuration of one issuer; `entry` and `top` are what stands in its block and in that of the service. */
  const write = (entry: string, top = ''): Promise<void> => {
    const { url } = service.issuer;
    const issuer = `{ issuer-url: "${url}", client-id: sigstore, type: email, mayfly: { ${entry} } }`;
    return writeFile(file(), `oidc-issuers: { "${url}": ${issuer} }\nmayfly: { ${top} }\n`);
  };
  const load = async (entry: string, top?: string): Promise<void> => {
    await write(entry, top);
    const { success } = follower.state.reloads;
    await follower.reload();
    expect(follower.state.reloads.success, follower.state.failure).to.equal(success + 1);
  };
  const sign = async (): Promise<string> => {
    const response = await post(`${service.url}/api/v2/signingCert`, bodyV2(await emailToken(service), KEY));
    if (response.status !== 200) return (await refusalOf(response)).details[0].reason;
    await response.arrayBuffer();
    return 'issued';
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-in-force-'));
    service = await startTestService();
    await write('');
    const clock = (): number => Date.now() + service.skew;
    follower = new ConfigurationFollower({
      started: await loadSettled(file(), loadConfig),
      policy: service.policy,
      compiler: new PolicyCompiler({ clock, serviceLog: service.serviceLog }),
      clock,
      program: 'mayfly',
      log: service.serviceLog,
      settle: 1,
      load: loadConfig,
    });
  });
  afterEach(async () => {
    await follower.close();
    await service.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('lists of algorithms follow, as they get shorter and longer', async () => {
    for (const [list, outcome] of [
      ['ecdsa-sha2-256-nistp256, ed25519', 'issued'],
      ['ed25519', 'ALGORITHM_NOT_PERMITTED'],
      ['ecdsa-sha2-256-nistp256', 'issued'],
    ]) {
      await load('', `client-signing-algorithms: [${list ?? ''}]`);
      expect(await sign(), list).to.equal(outcome);
    }
  });

  it('whether rules are required follows, and so do limits', async () => {
    await load('', 'require-rules: true');
    expect(await sign()).to.equal('RULES_REQUIRED');
    await load('', `require-rules: false, ${ONE}`);
    expect([await sign(), await sign()]).to.deep.equal(['issued', 'PRINCIPAL_RATE_LIMITED']);
    await load('', 'rate-limit: off');
    expect(await sign()).to.equal('issued');
  });

  it('keys of an issuer and counts of a limit stay when something else changes', async () => {
    await load(ONE);
    expect(await sign()).to.equal('issued');
    const { jwks, discovery } = service.issuer.requests;
    for (const change of ['lifetime: 5', 'csr: off']) {
      await load(`${ONE}, ${change}`);
      expect(await sign(), change).to.equal('PRINCIPAL_RATE_LIMITED');
    }
    expect(service.issuer.requests).to.include({ jwks, discovery });
    await load('rate-limit: { principal: { per-minute: 2 } }');
    expect(await sign(), 'another limit').to.equal('issued');
  });

  it('every other setting is named as one that needs a restart', () => {
    const { mayfly } = parseConfig('oidc-issuers: {}\n');
    const all: MayflyConfig = { audit: undefined, outsideLog: undefined, witness: undefined, ...mayfly };
    const names = Object.keys(all) as (keyof MayflyConfig)[];
    // The key and the TLS roots of a log of somebody else are one setting with its URL.
    const shape = Object.keys(mayflySchema.shape);
    expect(names).to.have.length(shape.filter((name) => !/^ct-log-(?!url)/.test(name)).length);
    const followed = names.filter(
      (name) => restartSettings(all, { ...all, [name]: 'something else' }).length === 0,
    );
    expect(followed).to.have.members(['clientSigningAlgorithms', 'requireRules', 'rateLimits']);
    for (const name of names.filter((one) => !followed.includes(one)))
      expect(restartSettings(all, { ...all, [name]: 'something else' })).to.deep.equal([settingName(name)]);
  });
});
