/** A whole service whose logs are held to an anchor. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { dataPaths } from '../../instance/data-paths.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { recordTrust } from '../../trust/ledger.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { failureAs } from '../support/failure.ts';
import { runMayfly } from '../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

describe('service: logs with an anchor', function () {
  this.timeout(60_000);
  let root: string;
  let data: string;
  let issuer: TestIssuer;
  let service: QuietService | undefined;
  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-anchor-'));
    data = join(root, 'data');
    const mayfly = { log: { anchor: { at: join(root, 'anchor'), mode: 'synchronous' } } };
    await makeDataDirectory(data, { config: emailConfig(issuer.url, JSON.stringify(mayfly)) });
    const paths = dataPaths(data);
    await createDirectoryLog(paths, {
      api: 2,
      host: 'ca.example.org',
      passphrase: undefined,
      clock: Date.now,
    });
    await recordTrust(paths);
  });
  afterEach(async () => {
    await service?.close();
    service = undefined;
    await rm(root, { recursive: true, force: true });
  });

  const issue = async (): Promise<QuietService> => {
    const started = (service ??= await openQuietly(data));
    const answer = await post(
      `${started.url}/api/v2/signingCert`,
      bodyV2(await emailToken({ issuer }), clientKey()),
    );
    expect(answer.status).to.equal(200);
    return started;
  };
  const stop = async (): Promise<void> => {
    await service?.close();
    service = undefined;
  };
  const check = () => runMayfly(['log', 'check', '--data', data]);

  it('says which level is in force, and refuses the data directory of before', async () => {
    await issue();
    await stop();
    const old = join(root, 'old');
    await cp(data, old, { recursive: true });
    const { metricsUrl } = await issue();
    const ready = (await (await fetch(`${metricsUrl}/readyz`)).json()) as {
      checks: { name: string; detail: string }[];
    };
    expect(ready.checks.find(({ name }) => name === 'anchor')?.detail).to.equal(
      `synchronous, ${join(root, 'anchor')} holds the head of 2 of 2 entries`,
    );
    expect(await (await fetch(`${metricsUrl}/metrics`)).text()).to.contain(
      'mayfly_log_anchor_lag{mode="synchronous"} 0',
    );
    await stop();
    expect((await check()).stdout).to.contain(
      `anchor: synchronous, ${join(root, 'anchor')} holds its head of 2 entries`,
    );
    await rm(data, { recursive: true });
    await cp(old, data, { recursive: true });
    const { code, stdout } = await check();
    expect(code).to.equal(1);
    expect(stdout).to.contain('WRONG: the anchor').and.contain('it knows of 2 entries, and the log has 1');
    expect((await failureAs(LogError, openQuietly(data))).code).to.equal('LOG_ROLLED_BACK');
  });
});
