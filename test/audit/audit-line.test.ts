import { expect } from 'chai';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { issuedLine, refusedLine, suppressedLine } from '../../audit/audit-line.ts';
import { auditLine } from './support/audit-schema.ts';
import { refusedDecision as recordOf } from '../../ca/decision.ts';
import { PolicyError } from '../../policy/core/policy-error.ts';
import { issuedDecision } from './support/decisions.ts';

const NOW = Date.UTC(2026, 10, 22, 14, 51, 50, 123);

describe('audit: lines', () => {
  it('says of a certificate who got which, when and why', () => {
    expect(auditLine(issuedLine(issuedDecision(), NOW))).to.deep.equal({
      version: 1,
      time: '2026-11-22T14:51:50.123Z',
      event: 'issued',
      requestId: 'r1',
      client: '192.0.2.1',
      entry: 'people',
      issuer: 'https://login.example.com',
      principal: 'alice@example.com',
      rule: 'staff',
      serial: '0a1b',
      log: 'ca.example.org/log/2026',
      leafIndex: 7,
      certificateSha256: createHash('sha256').update('certificate').digest('hex'),
      notAfter: '2026-01-01T00:00:00.000Z',
    });
  });

  it('says of a job its repository, commit and run, where the certificate does', () => {
    const sources: [Record<number, string>, Record<string, string>][] = [
      [
        {
          12: 'https://github.com/a/b',
          13: 'c0ffee',
          21: 'https://github.com/a/b/actions/runs/1/attempts/1',
        },
        {
          repository: 'https://github.com/a/b',
          commit: 'c0ffee',
          run: 'https://github.com/a/b/actions/runs/1/attempts/1',
        },
      ],
      [
        { 3: 'c0ffee', 5: 'a/b', 12: '' },
        { repository: 'a/b', commit: 'c0ffee' },
      ],
      [{ 1: 'https://i.example', 8: 'https://i.example' }, {}],
    ];
    for (const [values, source] of sources) {
      const extensions = new Map(Object.entries(values).map(([number, value]) => [Number(number), value]));
      const { repository, commit, run, ...rest } = auditLine(
        issuedLine({ ...issuedDecision(), extensions }, NOW),
      );
      expect(JSON.parse(JSON.stringify({ repository, commit, run }))).to.deep.equal(source);
      expect(rest).to.include({ event: 'issued', serial: '0a1b' });
    }
  });

  it('says of a refusal what was known by then, and leaves the rest out', () => {
    const unknown = recordOf({ requestId: 'r2', address: '', ms: 1 }, new Error('malformed'), {});
    expect(auditLine(refusedLine(unknown, 'TOKEN_MALFORMED', NOW))).to.deep.equal({
      version: 1,
      time: '2026-11-22T14:51:50.123Z',
      event: 'refused',
      requestId: 'r2',
      client: '',
      reason: 'TOKEN_MALFORMED',
    });
    const denied = new PolicyError('RULE_DENIED', 'no forks', { metadata: { rule: 'no-forks' } });
    const log = 'ca.example.org/log/2026';
    const logged = { issuer: 'https://i.example', principal: 'a', serial: '01', log, leafIndex: 0 };
    const late = recordOf({ requestId: 'r3', address: '::1', ms: 1 }, denied, {
      issuerBlock: 'ci',
      ...logged,
    });
    expect(auditLine(refusedLine(late, 'RULE_DENIED', NOW))).to.deep.equal({
      version: 1,
      time: '2026-11-22T14:51:50.123Z',
      event: 'refused',
      requestId: 'r3',
      client: '::1',
      entry: 'ci',
      rule: 'no-forks',
      reason: 'RULE_DENIED',
      ...logged,
    });
  });

  it('sums up refusals without a line', () => {
    const line = suppressedLine(
      { entry: undefined, reason: 'TOKEN_MISSING', count: 9, from: NOW, to: NOW },
      NOW,
    );
    expect(auditLine(line)).to.include({ event: 'suppressed', reason: 'TOKEN_MISSING', count: 9 });
  });

  it('stays one line of ASCII and the same text, whatever a name holds', () => {
    const text = fc.oneof(
      fc.string({ minLength: 1, unit: 'binary' }),
      fc.constantFrom('\n', '\u2028', '\u202e', '\ud800', '"'),
    );
    fc.assert(
      fc.property(text, text, text, (issuerBlock, issuer, principal) => {
        const line = auditLine(issuedLine({ ...issuedDecision(), issuerBlock, issuer, principal }, NOW));
        expect(line).to.include({ entry: issuerBlock, issuer, principal });
      }),
    );
  });
});
