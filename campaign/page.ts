/** The page that says what a campaign tried and found. */
import type { ChapterResult, Scale, Store } from './chapter.ts';

/** A chapter that was run. */
export interface ChapterReport extends ChapterResult {
  readonly name: string;
  readonly what: string;
  readonly store: Store;
  readonly seconds: number;
}

/** A saboteur that was run. */
export interface CaughtSaboteur {
  readonly name: string;
  /** The chapter that has to catch it. */
  readonly by: string;
  /** The first promise that it was found to break; undefined where none was. */
  readonly finding: string | undefined;
}

/** A whole campaign. */
export interface CampaignReport {
  readonly reports: readonly ChapterReport[];
  readonly caught: readonly CaughtSaboteur[];
  readonly seed: number;
  readonly minutes: number;
  readonly scale: Scale;
  readonly where: {
    readonly version: string;
    readonly node: string;
    readonly kernel: string;
    readonly cores: number;
    /** As `df` calls it. */
    readonly fileSystem: string;
    /** As the server says; undefined where there is none. */
    readonly postgres: string | undefined;
  };
}

const number = (count: number): string => count.toLocaleString('en-US');

/** The page as Markdown. It says nothing that was not run. */
export function campaignPage({ reports, caught, seed, minutes, scale, where }: CampaignReport): string {
  const sum = (pick: (report: ChapterReport) => number): string =>
    number(reports.reduce((all, report) => all + pick(report), 0));
  const broken = reports.flatMap(({ name, found }) => found.map((fault) => `- ${name}: ${fault}`));
  return `# Campaign

What \`npm run campaign\` did to running services, and what it found. This page is written by that command at its end; nothing
here was not run. [log-durability.md](log-durability.md) says what is promised.

Mayfly ${where.version}, Node ${where.node}, Linux ${where.kernel}, ${where.cores} cores, file system ${where.fileSystem}: ${minutes.toFixed(0)} minutes,
seed ${seed}${scale.stepStride === 1 ? '' : `, of all failing steps, each in each way in which it can fail, one in ${scale.stepStride} (drawn by the seed)`}. Stores: SQLite and files with one process, and ${where.postgres === undefined ? 'no PostgreSQL, which was not there' : `PostgreSQL ${where.postgres} with three processes (replicas)`}; with each a certificate log and a log of artifacts (second API) at the
same time.

## What is held to what

A ledger, in a process of its own, writes down every answer that a client got and every signed head that it saw, and syncs that
before it counts. After each fault and each restart it reads the logs over HTTP and holds them to it:

- Each entry that was acknowledged is at its index with its leaf hash, and was acknowledged at one index only.
- Each SCT verifies, and so does each inclusion proof of an artifact.
- For each size there is one signed root, and it is that of the log. So all heads are consistent; for the newest of them, two by two, the certificate log is asked for its own proofs, too.
- Times of heads rise, and no head is older than an entry that it covers.
- No full tile has other bytes than before, and no entry is another one than before.
- What is refused is refused with 503 and \`Retry-After\`, or the connection breaks off.
- The service takes requests again by itself when a fault is over.
- Replicas come to the same heads, each with all that any of them acknowledged, and one that fails holds up no other.

At the end of each chapter \`mayfly log check\` and \`mayfly rekor check\` read every byte of its logs.

## What was done

| | store | acknowledged | heads | refused with 503 | without an answer | broken promises |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
${reports
  .map(
    ({ name, store, counts, found }) =>
      `| ${name} | ${store} | ${number(counts.acknowledged)} | ${number(counts.heads)} | ${number(counts.refused)} | ${number(counts.silent)} | ${found.length} |`,
  )
  .join('\n')}
| together | | ${sum(({ counts }) => counts.acknowledged)} | ${sum(({ counts }) => counts.heads)} | ${sum(({ counts }) => counts.refused)} | ${sum(({ counts }) => counts.silent)} | ${broken.length} |

${reports.map(chapterText).join('\n')}
## Found

${broken.length === 0 ? 'No promise was broken.' : broken.join('\n')}

## It can fail

Builds that break a promise on purpose: a copy of the built program in which one rule is left out. The campaign fails when one of
them is not caught.

| a build that … | is caught by | as |
| --- | --- | --- |
${caught.map(({ name, by, finding }) => `| ${name} | ${by} | ${finding === undefined ? '**not caught**' : cell(finding)} |`).join('\n')}
`;
}

const chapterText = ({ name, what, done }: ChapterReport): string => `### ${name}

${what}

${[...done].map(([thing, count]) => `- ${number(count)} ${thing}`).join('\n')}
`;

/** One line, without what a table takes for itself. */
const cell = (text: string): string => `\`${text.replaceAll(/[`|\n]/g, ' ').slice(0, 160)}\``;
