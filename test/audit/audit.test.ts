import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { auditLines } from './support/audit-schema.ts';
import { issuedDecision, refusedDecision } from './support/decisions.ts';
import { openFileAudit } from './support/file-audit.ts';
import { failureOf } from '../support/failure.ts';

describe('audit', () => {
  it('bounds the lines of refusals, never those of certificates, and says how many it left out', async () => {
    const file = await openFileAudit({ definition: { refusalsPerMinute: 3 } });
    for (let i = 0; i < 100; i++) {
      file.audit.refused(refusedDecision(), 'TOKEN_MISSING');
      void file.audit.issued(issuedDecision(`r${i}`));
    }
    file.audit.refused(refusedDecision('ci'), 'RULE_DENIED');
    expect(file.audit.status().lines).to.deep.equal({ issued: 100, logged: 0, refused: 4, suppressed: 97 });
    await file.audit.close();
    const lines = auditLines(await readFile(file.path, 'latin1'));
    const count = (event: string): number => lines.filter((line) => line['event'] === event).length;
    expect([count('issued'), count('refused'), count('suppressed')]).to.deep.equal([100, 4, 1]);
    expect(lines.at(-1)).to.include({ event: 'suppressed', reason: 'TOKEN_MISSING', count: 97 });
    await file.remove();
  });

  it('sums up by itself, without waiting for the end', async () => {
    const file = await openFileAudit({
      definition: { refusalsPerMinute: 1 },
      parts: { summaryMs: 5 },
    });
    for (let i = 0; i < 5; i++) file.audit.refused(refusedDecision('people'), 'TOKEN_MISSING');
    while (!(await readFile(file.path, 'latin1')).includes('suppressed'))
      await new Promise((resolve) => setTimeout(resolve, 5));
    const lines = auditLines(await readFile(file.path, 'latin1'));
    expect(lines.at(-1)).to.include({ event: 'suppressed', entry: 'people', count: 4 });
    await file.audit.close();
    await file.remove();
  });

  it('notes decisions that come after its end', async () => {
    const file = await openFileAudit();
    await file.audit.close();
    expect(file.audit.issued(issuedDecision())).to.equal(undefined);
    expect(file.notes.events).to.deep.equal(['error: audit lines lost']);
    const strict = await openFileAudit({ definition: { failClosed: true } });
    await strict.audit.close();
    const refusal = await failureOf(strict.audit.issued(issuedDecision()));
    expect(refusal).to.include({ code: 'AUDIT_UNAVAILABLE' });
    await file.remove();
    await strict.remove();
  });
});
