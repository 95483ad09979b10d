import { expect } from 'chai';
import { hash, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit, type Audit } from '../../audit/audit.ts';
import type { RefusedDecision } from '../../ca/decision.ts';
import { AuditError } from '../../audit/audit-error.ts';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import { compilePolicy } from '../../policy/snapshot.ts';
import { PolicyError } from '../../policy/core/policy-error.ts';
import { auditLines } from '../audit/support/audit-schema.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  post,
  refusalOf,
  startTestService,
  type TestService,
} from '../support/test-service.ts';

interface AnswerV2 {
  readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: readonly string[] } };
}

/** An audit that does what a test says, and remembers the refusals. */
function fakeAudit(
  issued: Audit['issued'],
): Audit & { readonly refusals: (RefusedDecision & { readonly reason: string })[] } {
  const refusals: (RefusedDecision & { readonly reason: string })[] = [];
  return {
    isFailClosed: true,
    refusal: () => undefined,
    issued,
    refusals,
    refused: (decision, reason) => refusals.push({ ...decision, reason }) > 0,
    logged: () => undefined,
    redacted: () => undefined,
    submitted: () => undefined,
    entryRefused: () => true,
    status: () => ({
      lines: { issued: 0, logged: 0, refused: 0, suppressed: 0 },
      destinations: [{ name: 'file', isFailing: true, lost: 3 }],
    }),
    close: () => Promise.resolve(),
  };
}

describe('server: the audit of decisions', () => {
  let directory: string;
  let path: string;
  let service: TestService | undefined;
  const open = (failClosed = false, clock = Date.now) =>
    openAudit(
      { stdout: false, file: { path, maxBytes: 1e9, keep: 1 }, failClosed, refusalsPerMinute: 60 },
      { clock, note: () => undefined },
    );
  const lines = async () => auditLines(await readFile(path, 'latin1'));
  const sign = async (to: TestService, token?: string, key = clientKey()): Promise<Response> =>
    post(`${to.url}/api/v2/signingCert`, bodyV2(token ?? (await emailToken(to)), key), {
      'x-request-id': 'r1',
    });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-audit-'));
    path = join(directory, 'audit.jsonl');
  });
  afterEach(async () => {
    await service?.close();
    service = undefined;
    await rm(directory, { recursive: true });
  });

  it('records of a certificate what the certificate says, before it leaves', async () => {
    const audit = await open(true);
    service = await startTestService(() => ({ audit }));
    const answer = (await (await sign(service)).json()) as AnswerV2;
    const [leaf = ''] = answer.signedCertificateEmbeddedSct.chain.certificates;
    const certificate = new X509Certificate(leaf);
    const [line] = await lines();
    expect(line).to.deep.include({
      event: 'issued',
      requestId: 'r1',
      client: '127.0.0.1',
      entry: 'people',
      issuer: service.issuer.url,
      principal: 'alice@example.com',
      log: service.log.identity.origin,
      leafIndex: 0,
      certificateSha256: hash('sha256', certificate.raw),
      notAfter: certificate.validToDate.toISOString(),
    });
    expect(certificate.serialNumber.toLowerCase()).to.contain(line?.['serial']);
    // The service log does not say the same again.
    expect(service.lines.map(({ event }) => event)).to.not.include('issued');
  });

  it('names the rule that allowed a certificate', async () => {
    const audit = await open(true);
    service = await startTestService(() => ({ audit }));
    const { current } = service.policy;
    const rules = [{ name: 'staff', effect: 'allow', expression: 'claims.email_verified' }] as const;
    const entries = current.issuers.map((entry) => ({ ...entry, policy: { ...entry.policy, rules } }));
    const permittedAlgorithms = DEFAULT_SIGNING_ALGORITHMS;
    service.policy.replace(
      await compilePolicy(entries, { clock: Date.now, permittedAlgorithms, previous: current }),
    );
    expect((await sign(service)).status).to.equal(200);
    expect((await lines())[0]).to.include({ event: 'issued', entry: 'people', rule: 'staff' });
  });

  it('records of a refusal only what was verified by then', async () => {
    const audit = await open();
    service = await startTestService(() => ({ audit }));
    await sign(service, 'nonsense');
    await sign(service, await emailToken(service), clientKey('somebody else'));
    await service.close();
    service = undefined;
    const [malformed, unproven] = await lines();
    expect(malformed).to.include({ event: 'refused', reason: 'TOKEN_MALFORMED' });
    expect(malformed).to.not.have.any.keys('entry', 'issuer', 'principal');
    expect(unproven).to.include({ reason: 'PROOF_INVALID', entry: 'people', principal: 'alice@example.com' });
  });

  it('lets a flood of refusals fill neither itself nor the service log', async () => {
    // A clock that stands: no line becomes free while the flood lasts, however long that is.
    const now = Date.now();
    const audit = await open(false, () => now);
    service = await startTestService(() => ({ audit, clock: () => now }));
    const running = service;
    for (let i = 0; i < 8; i++) await Promise.all(Array.from({ length: 10 }, () => sign(running, 'x')));
    expect(service.lines.filter(({ event }) => event === 'refused')).to.have.length(60);
    const metrics = await (await fetch(service.metricsUrl)).text();
    expect(metrics).to.contain('mayfly_refusals_total{entry="none",reason="TOKEN_MALFORMED"} 80');
    expect(metrics).to.contain('mayfly_audit_lines_total{outcome="suppressed"} 20');
    await service.close();
    service = undefined;
    const written = await lines();
    expect(written).to.have.length(61);
    expect(written.at(-1)).to.include({ event: 'suppressed', reason: 'TOKEN_MALFORMED', count: 20 });
  });

  it('sends no certificate whose line could not be written, and says so', async () => {
    const audit = fakeAudit(() =>
      Promise.reject(
        new AuditError('AUDIT_UNAVAILABLE', 'the decision cannot be recorded', {
          cause: new Error('ENOSPC'),
        }),
      ),
    );
    service = await startTestService(() => ({ audit }));
    const response = await sign(service);
    expect(response.status).to.equal(503);
    expect(response.headers.get('retry-after')).to.equal('5');
    const text = JSON.stringify(await refusalOf(response));
    expect(text).to.contain('AUDIT_UNAVAILABLE').and.not.contain('CERTIFICATE').and.not.contain('ENOSPC');
    expect(audit.refusals).to.have.length(1);
    // The log has the entry, so that a comparison with the audit shows why there is no certificate.
    expect(audit.refusals[0]).to.include({
      reason: 'AUDIT_UNAVAILABLE',
      issuerBlock: 'people',
      leafIndex: 0,
    });
    expect(audit.refusals[0]?.serial).to.match(/^[0-9a-f]+$/);
    expect(service.lines.at(-1)).to.include({ level: 'error', reason: 'AUDIT_UNAVAILABLE' });
    expect(service.lines.at(-1)?.['cause']).to.contain('ENOSPC');
  });

  it('is not ready while it is fail-closed and a place takes no lines, and says so to Prometheus', async () => {
    service = await startTestService(() => ({ audit: fakeAudit(() => undefined) }));
    expect((await fetch(`${service.url}/readyz`)).status).to.equal(503);
    const detail = await (await fetch(`${service.metricsUrl}/readyz`)).text();
    expect(detail).to.contain('not written to file');
    const metrics = await (await fetch(service.metricsUrl)).text();
    expect(metrics).to.contain('mayfly_audit_failing{place="file"} 1');
    expect(metrics).to.contain('mayfly_audit_dropped_total{place="file"} 3');
    expect(metrics).to.contain('mayfly_audit_lines_total{outcome="issued"} 0');
  });

  it('asks the rules again after the wait, and takes the line back when they say no now', async () => {
    const written: unknown[] = [];
    const audit = fakeAudit((decision) => {
      written.push(decision);
      return Promise.resolve();
    });
    service = await startTestService(({ policy }) => ({
      audit,
      policy: {
        get current() {
          if (written.length === 0) return policy.current;
          const requireStillAllowed = (): never => {
            throw new PolicyError('RULE_DENIED', 'no more', { metadata: { rule: 'new' } });
          };
          return { ...policy.current, requireStillAllowed };
        },
        close: () => policy.close(),
      },
    }));
    expect((await sign(service)).status).to.equal(403);
    expect(written).to.have.length(1);
    expect(audit.refusals[0]).to.include({ reason: 'RULE_DENIED', rule: 'new', leafIndex: 0 });
  });

  it('has the line of whatever was answered when the service has ended', async () => {
    const audit = await open();
    service = await startTestService(() => ({ audit }));
    const [token, key] = [await emailToken(service), clientKey()];
    const { url } = service;
    const send = (i: number) =>
      post(`${url}/api/v2/signingCert`, bodyV2(token, key), { 'x-request-id': `r${i}` }).then(
        ({ status }) => [status === 200 ? 'issued' : 'refused', `r${i}`],
        () => undefined,
      );
    const answers = Array.from({ length: 40 }, (_, i) => send(i));
    await answers[0];
    await service.close();
    service = undefined;
    const answered = (await Promise.all(answers)).filter((answer) => answer !== undefined);
    expect(answered.length).to.be.greaterThan(0);
    const written = (await lines()).map((line) => [line['event'], line['requestId']]);
    expect(written).to.deep.include.members(answered);
  });
});
