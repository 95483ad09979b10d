/** What `npm run interop` found, for a terminal and as a page. */

import { NOT_TRIED } from './rows.ts';

/** A test that ran. */
export interface InteropResult {
  /** Whole. */
  readonly title: string;
  readonly outcome: 'pass' | 'fail' | 'skipped';
  /** Of one that did not pass. */
  readonly why: string;
  readonly ms: number;
}

/** A row of the table. */
export interface RowResult extends Omit<InteropResult, 'title'> {
  readonly client: string;
  readonly operation: string;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

const said = ({ outcome, why }: Pick<InteropResult, 'outcome' | 'why'>): string =>
  why === '' ? outcome : `${outcome}: ${why}`;

/** Prints the tables. */
export function printRows(
  rows: readonly RowResult[],
  cross: readonly InteropResult[],
  refusals: readonly InteropResult[],
): void {
  console.table(
    rows.map((row) => ({
      client: row.client,
      operation: row.operation,
      outcome: said(row),
      s: seconds(row.ms),
    })),
  );
  const { signers, verifiers, outcomeOf } = matrixOf(cross);
  if (signers.length > 0)
    console.table(
      Object.fromEntries(
        signers.map((signer) => [
          signer,
          Object.fromEntries(verifiers.map((one) => [one, outcomeOf(signer, one)])),
        ]),
      ),
    );
  for (const refusal of refusals)
    if (refusal.outcome !== 'pass') console.log(`${refusal.title}: ${said(refusal)}`);
  const count = (outcome: string): number =>
    [...rows, ...cross, ...refusals].filter((one) => one.outcome === outcome).length;
  console.log(`${count('pass')} passed, ${count('fail')} failed, ${count('skipped')} skipped`);
}

interface Matrix {
  readonly signers: readonly string[];
  readonly verifiers: readonly string[];
  readonly outcomeOf: (signer: string, verifier: string) => string;
}

function matrixOf(cross: readonly InteropResult[]): Matrix {
  const cells = cross.flatMap((result) => {
    const [, signer, verifier] = /: cross-verification (\S+), verified by (\S+)$/.exec(result.title) ?? [];
    return signer === undefined || verifier === undefined ? [] : [{ signer, verifier, result }];
  });
  return {
    signers: [...new Set(cells.map(({ signer }) => signer))],
    verifiers: [...new Set(cells.map(({ verifier }) => verifier))],
    outcomeOf: (signer, verifier) =>
      cells.find((cell) => cell.signer === signer && cell.verifier === verifier)?.result.outcome ?? '–',
  };
}

const line = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

const markdown = (head: readonly string[], body: readonly (readonly string[])[]): string =>
  [
    '<!-- prettier-ignore-start -->',
    '',
    line(head),
    line(head.map(() => '---')),
    ...body.map(line),
    '',
    '<!-- prettier-ignore-end -->',
  ].join('\n');

/** The page. */
export function interopPage(
  rows: readonly RowResult[],
  cross: readonly InteropResult[],
  refusals: readonly InteropResult[],
  versions: { readonly mayfly: string; readonly node: string },
): string {
  const { signers, verifiers, outcomeOf } = matrixOf(cross);
  const refused = refusals.flatMap(({ title, ...rest }) => {
    const [, what] = / refuse (.*)$/.exec(title) ?? [];
    return what === undefined ? [] : [[what, said(rest)]];
  });
  return `# Clients, tried

This page is written by \`npm run interop\`, which runs other people's clients against a Mayfly ${versions.mayfly} on loopback (Node ${versions.node}). Each is used by its public flags alone, with the files
of \`mayfly trust export\` or the TUF repository and nothing else. What cannot be had on a machine is skipped, with the reason; \`CLIENTS=all\` builds what takes minutes.
[compatibility.md](compatibility.md#clients) says what each client needs.

## What each does

${markdown(
  ['client', 'what', 'outcome', 'seconds'],
  rows.map((row) => [row.client, row.operation, said(row), seconds(row.ms)]),
)}

## What is not tried

${markdown(['client', 'what', 'why'], NOT_TRIED)}

## Who verifies whose signatures

A row for each client that signs, a column for each that verifies. All demand a timestamp, and none a log of signatures.

${markdown(
  ['signed by', ...verifiers],
  signers.map((signer) => [signer, ...verifiers.map((verifier) => outcomeOf(signer, verifier))]),
)}

## What they refuse

Each is refused by every verifier of the table before, \`mayfly verify bundle\` among them, for its own reason. sigstore-python is the exception for the windows of CAs and logs, which it does not look at.

${markdown(['what is wrong', 'refused'], refused)}
`;
}
