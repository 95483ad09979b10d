import { generateKeyPairSync, sign } from 'node:crypto';
import { expect } from 'chai';
import { Registry } from 'prom-client';
import { Issuance } from '../../../ca/issuance.ts';
import type { SigningRequest } from '../../../ca/signing-request.ts';
import { PolicyError } from '../../../policy/core/policy-error.ts';
import { DecisionRecords } from '../../../server/fulcio/decision-records.ts';
import { InFlightLimit } from '../../../server/fulcio/in-flight-limit.ts';
import { SigningCalls } from '../../../server/fulcio/signing-calls.ts';
import { DecisionMetrics } from '../../../server/operator/decision-metrics.ts';
import { RefusalLog } from '../../../server/operator/refusal-log.ts';
import { createServiceLog } from '../../../server/operator/service-log.ts';
import { NOW, pemOf, testAuthority } from '../../ca/support/authority.ts';
import { CALLER } from '../../ca/support/issuing.ts';
import { memoryLog } from '../../ca/support/memory-log.ts';
import { openPolicy } from '../../ca/support/open-policy.ts';
import { emailPrincipal } from '../../ca/support/principal.ts';

const clock = (): number => NOW;

function request(challenge = 'alice@example.org'): SigningRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const proof = sign('sha256', Buffer.from(challenge), privateKey);
  return { token: 'token', key: { kind: 'publicKey', content: pemOf(publicKey), proof } };
}

/** Signing calls without a transport, the policy that is in force, and what was recorded. */
async function start(maxInFlight = 1, wait: () => Promise<void> = () => Promise.resolve()) {
  const lines: Record<string, unknown>[] = [];
  const serviceLog = createServiceLog(
    { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    'info',
  );
  const { authority: own } = await testAuthority();
  const sign = async (data: Uint8Array): Promise<Uint8Array> => {
    const signature = await own.signer.sign(data);
    await wait();
    return signature;
  };
  const authority = { ...own, signer: { ...own.signer, sign } };
  const audited: unknown[] = [];
  const live = { current: openPolicy(emailPrincipal()) };
  const log = memoryLog(clock);
  const registry = new Registry();
  const metrics = new DecisionMetrics([registry]);
  const refusalLog = new RefusalLog(serviceLog, clock);
  const limit = new InFlightLimit(maxInFlight);
  const records = new DecisionRecords({ metrics, serviceLog, refusalLog });
  records.audit = (decision) => {
    audited.push(decision);
    return wait();
  };
  const calls = new SigningCalls(new Issuance({ policy: live, authority, log, clock }), records, limit);
  return { calls, live, limit, log, lines, registry, audited };
}

describe('server: a signing call without a transport', () => {
  const denied = new PolicyError('RULE_DENIED', 'no longer', { metadata: { rule: 'no-alice' } });
  const denying = openPolicy(emailPrincipal(), {
    requireStillAllowed: () => {
      throw denied;
    },
  });

  it('answers with a certificate, and records it as it leaves', async () => {
    const { calls, limit, lines, registry } = await start();
    const outcome = await calls.sign(request(), CALLER);
    expect(lines, 'nothing left').to.deep.equal([]);
    const { decision, problem } = calls.release(outcome);
    expect([problem, limit.signing]).to.deep.equal([undefined, 0]);
    expect(decision).to.include({ outcome: 'issued', caller: CALLER, principal: 'alice@example.org' });
    expect(lines).to.have.length(1);
    expect(lines[0]).to.include({
      event: 'issued',
      requestId: 'r1',
      client: '192.0.2.1',
      leafIndex: 0,
      ms: 1,
    });
    expect(await registry.metrics()).to.contain('mayfly_certificates_total{entry="test"} 1');
  });

  it('answers with a problem that every protocol can say, and records it once', async () => {
    const { calls, lines, registry } = await start();
    const { decision, problem } = calls.release(await calls.sign(request('mallory@example.org'), CALLER));
    expect(decision).to.include({ outcome: 'refused', principal: 'alice@example.org', serial: undefined });
    expect(problem).to.include({ code: 3, status: 400, reason: 'PROOF_INVALID' });
    expect(problem?.info.metadata).to.include({ requestId: 'r1' });
    expect(lines.map(({ event, reason }) => [event, reason])).to.deep.equal([['refused', 'PROOF_INVALID']]);
    const counted = 'mayfly_refusals_total{entry="test",reason="PROOF_INVALID"} 1';
    expect(await registry.metrics()).to.contain(counted);
  });

  it('refuses a certificate that a policy forbids which came after it was made, with what was logged', async () => {
    const { calls, live, log, lines, registry } = await start();
    const outcome = await calls.sign(request(), CALLER);
    live.current = denying;
    const { decision, problem } = calls.release(outcome);
    expect(problem).to.include({ reason: 'RULE_DENIED' });
    expect(decision).to.include({ outcome: 'refused', error: denied, rule: 'no-alice', leafIndex: 0 });
    expect(log.entries).to.have.length(1);
    expect(lines.map(({ event }) => event)).to.deep.equal(['refused']);
    expect(await registry.metrics()).to.not.contain('mayfly_certificates_total{');
  });

  it('refuses what a policy forbids that came at any wait, and audits no certificate that it forbids already', async () => {
    // The precertificate is signed, the certificate is signed, the audit has its line.
    for (const [at, audits] of [
      [1, 0],
      [2, 0],
      [3, 1],
    ] as const) {
      let waits = 0;
      const { calls, live, lines, audited } = await start(1, () => {
        if (++waits === at) live.current = denying;
        return Promise.resolve();
      });
      const { decision, problem } = calls.release(await calls.sign(request(), CALLER));
      expect(problem, `wait ${at}`).to.include({ reason: 'RULE_DENIED' });
      expect(decision, `wait ${at}`).to.include({ outcome: 'refused', error: denied });
      expect(audited, `wait ${at}`).to.have.length(audits);
      expect(lines.map(({ event }) => event)).to.deep.equal(['refused']);
    }
  });

  it('refuses what is over the limit, and frees its place when a request is decided', async () => {
    const { calls, limit, live } = await start(1);
    let free: () => void = () => undefined;
    const good = live.current;
    const waiting = new Promise<void>((resolve) => (free = resolve));
    live.current = {
      ...good,
      authorize: async (...asked) => {
        await waiting;
        return good.authorize(...asked);
      },
    };
    const first = calls.sign(request(), CALLER);
    const second = calls.release(await calls.sign(request(), CALLER));
    expect([second.problem?.reason, limit.signing]).to.deep.equal(['TOO_BUSY', 1]);
    free();
    expect(calls.release(await first).problem).to.equal(undefined);
    expect(limit.signing).to.equal(0);
  });
});
