import { REASON_DOMAINS, type ReasonDomain } from '../reasons/problem.ts';
import { HTTP_STATUS, type ReasonRow } from '../reasons/reason-row.ts';

const HEAD = `# Errors

Every refusal carries a \`reason\`, in the answer (\`details[0].reason\`, see
[http-api.md](http-api.md#refusals)), in the service log, in the audit ([audit.md](audit.md)) and as a label of
\`mayfly_refusals_total\`. Each of them stands here, with what it means, how it usually comes about, and what to do.
The quoted words of an answer are Fulcio's; behind them stands the sentence of the single case.

This page is written from the table in the code by \`npm run docs\`.
`;

/** The text of `docs/errors.md`, made from the rows of all reasons. */
export function errorReference(): string {
  return [HEAD, ...REASON_DOMAINS.map(section)].join('\n');
}

function section({ title, rows }: ReasonDomain): string {
  const entries = Object.entries(rows).map(([reason, row]) => entry(reason, row));
  return `## ${title}\n\n${entries.join('\n')}`;
}

function entry(reason: string, row: ReasonRow): string {
  const lines = [
    `### ${reason}`,
    '',
    row.meaning,
    '',
    `- **Answer:** ${answer(row)}`,
    `- **Likely cause:** ${row.cause}`,
    `- **What to do:** ${row.remedy}`,
  ];
  return `${lines.join('\n')}\n`;
}

function answer({ grpc, fulcioMessage: message, retryAfter, neverAnswered }: ReasonRow): string {
  if (neverAnswered !== undefined) return `none to a signing request. ${neverAnswered}`;
  const words = message === undefined ? 'the sentence itself' : `“${message}”`;
  const again = retryAfter === undefined ? '' : ', with `Retry-After`';
  return `${HTTP_STATUS[grpc]}, code ${grpc}, ${words}${again}.`;
}
