import { ACCEPTED_DIFFERENCES } from './accepted-differences.ts';

/** {@link ACCEPTED_DIFFERENCES} as the table of docs/compatibility.md, before it is aligned. */
export const differenceTable = (): string =>
  [
    '| subject | Fulcio 1.8.8 | Mayfly | reason |',
    '| --- | --- | --- | --- |',
    ...Object.values(ACCEPTED_DIFFERENCES).map(
      ({ subject, fulcio, mayfly, reason }) => `| ${[subject, fulcio, mayfly, reason].join(' | ')} |`,
    ),
  ].join('\n');
