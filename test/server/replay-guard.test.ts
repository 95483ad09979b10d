import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import { openReplayGuard, RESTART_INTERVAL } from '../../policy/replay/replay-guard.ts';
import { compilePolicy } from '../../policy/snapshot.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  OPEN_POLICY,
  post,
  refusalOf,
  startTestService,
} from '../support/test-service.ts';

describe('server: a replay guard whose thread ended', () => {
  it('refuses, logs the cause once, and goes on when it was started again', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mayfly-guard-'));
    const workers: Worker[] = [];
    const remember = (worker: Worker): void => void workers.push(worker);
    const service = await startTestService();
    process.on('worker', remember);
    const guard = await openReplayGuard(join(directory, 'replay.db'), () => Date.now() + service.skew);
    try {
      const { policy } = service;
      const definition = policy.current.issuers[0]?.definition;
      if (definition === undefined) throw new Error('there is an issuer block');
      const context = {
        clock: Date.now,
        permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS,
        openReplayGuard: () => Promise.resolve(guard),
      };
      const issuers = [{ definition, policy: { ...OPEN_POLICY, replayGuard: 'token' as const } }];
      policy.replace(await compilePolicy(issuers, { ...context, previous: policy.current }));
      const key = clientKey();
      const used = await emailToken(service);
      const sign = async (token: string): Promise<string> => {
        const response = await post(`${service.url}/api/v2/signingCert`, bodyV2(token, key));
        return response.ok ? 'issued' : (await refusalOf(response)).details[0].reason;
      };
      expect(await sign(used)).to.equal('issued');
      await workers.at(-1)?.terminate();
      for (let i = 0; i < 3; i++) expect(await sign(used)).to.equal('REPLAY_GUARD_UNAVAILABLE');
      const refused = service.lines.filter(({ reason }) => reason === 'REPLAY_GUARD_UNAVAILABLE');
      expect(refused).to.have.length(3);
      expect(refused.filter((line) => 'cause' in line)).to.have.length(1);
      expect(JSON.stringify(refused)).to.contain('replay-guard-worker ended').and.not.contain(directory);
      service.skew = RESTART_INTERVAL;
      expect(await sign(used)).to.equal('TOKEN_REPLAYED');
      expect(await sign(await emailToken(service, { jti: 'another' }))).to.equal('issued');
    } finally {
      process.off('worker', remember);
      await service.close();
      await guard.close();
      await rm(directory, { recursive: true });
    }
  });
});
