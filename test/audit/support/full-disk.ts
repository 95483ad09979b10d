/**
 * A program whose files cannot grow: started below `ulimit -f`, its writes are cut short and then fail, as on a full
 * disk. It writes lines one after another, prints what became of each, and when one is refused moves the file away, so
 * that there is room again. Argument: the file.
 */
import { renameSync } from 'node:fs';
import { openAudit } from '../../../audit/audit.ts';
import { issuedDecision, refusedDecision } from './decisions.ts';

const [, , path = ''] = process.argv;
const issued: string[] = [];
const refused: string[] = [];
const notes: string[] = [];
const audit = await openAudit(
  { stdout: false, file: { path, maxBytes: 1e9, keep: 1 }, failClosed: true, refusalsPerMinute: 60 },
  {
    clock: Date.now,
    limits: { retryMs: 1 },
    note: (level, event, facts) => notes.push(`${level}: ${event}: ${JSON.stringify(facts['sentence'])}`),
  },
);
for (let i = 0; i < 40; i++) {
  const requestId = `r${i}`;
  try {
    await audit.issued(issuedDecision(requestId));
    issued.push(requestId);
  } catch {
    refused.push(requestId);
    audit.refused(refusedDecision(undefined, requestId), 'AUDIT_UNAVAILABLE');
    renameSync(path, `${path}.full-${refused.length}`);
    while (audit.status().destinations[0]?.isFailing === true)
      await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
await audit.close();
console.log(JSON.stringify({ issued, refused, notes }));
