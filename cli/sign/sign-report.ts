/** What `mayfly sign` and `mayfly attest` say of the bundles that they made. */
import { toHex } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { printable } from '../../core/printable.ts';
import { quoted, quotedPath } from '../../storage/quoted-path.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { artifactName, STDIN } from './artifact.ts';
import type { MadeBundle, SigningOutcome } from './sign-artifacts.ts';

/** Throws {@link CommandError} `USAGE` where the bundle and the report would both go to standard output. */
export function requireOneAnswer(
  bundle: string | undefined,
  artifacts: readonly string[],
  json: boolean,
): void {
  const isOnStdout = bundle === '-' || (bundle === undefined && artifacts.includes('-'));
  if (json && isOnStdout)
    throw new CommandError('USAGE', 'the bundle goes to stdout, where --json would write too', {
      hint: 'Name a file with --bundle; or leave --json out: the bundle is JSON.',
    });
}

/** On stdout the bundle is alone. `trust` is the file that was trusted, if one was. */
export function report(outcome: SigningOutcome, speak: Speaker, trust: string | undefined): void {
  const onStdout = outcome.bundles.filter(({ bundle }) => bundle === undefined);
  const text = reportText(outcome, trust);
  if (onStdout.length > 0) speak.step(text);
  speak.answer(
    facts(outcome),
    onStdout.length === 0 ? text : onStdout.map((one) => one.text.trimEnd()).join('\n'),
  );
}

function facts({ answer, bundles, ...rest }: SigningOutcome): Record<string, unknown> {
  return {
    identity: answer.identity,
    issuer: answer.issuer,
    serial: answer.serial,
    notBefore: rfc3339(answer.notBefore),
    notAfter: rfc3339(answer.notAfter),
    loggedAt: answer.loggedAt === undefined ? null : rfc3339(answer.loggedAt),
    trust: rest.trustedBy,
    notes: notesOf({ answer, bundles, ...rest }),
    bundles: bundles.map(({ artifact, bundle, digest, times }) => ({
      artifact,
      sha256: toHex(digest),
      bundle,
      times: times.map(({ source, name, time }) => ({ source, name, time: rfc3339(time) })),
    })),
  };
}

function reportText(outcome: SigningOutcome, trust: string | undefined): string {
  const { answer, bundles } = outcome;
  return [
    `Signed as ${printable(answer.identity)} (issuer ${printable(answer.issuer)})`,
    ...bundles.map(lineOf),
    `Verified: ${['signature', 'chain', 'proof of logging', ...sourcesOf(bundles), 'own key', 'own name'].join(', ')}.`,
    ...notesOf(outcome).map((note) => `Note: ${note}`),
    ...bundles.slice(0, 1).map((one) => `Next: ${verifyingLine(one, answer, trust)}`),
    ...(trust === undefined ? ['  (DIR: what `mayfly trust export` wrote where the service runs)'] : []),
  ].join('\n');
}

function verifyingLine(
  { artifact, bundle, times }: MadeBundle,
  { identity, issuer }: SigningOutcome['answer'],
  trust: string | undefined,
): string {
  const file = (path: string | undefined): string =>
    path === undefined || path === STDIN ? 'FILE' : quotedPath(path);
  return [
    `${invocation()} verify bundle ${file(bundle)} --artifact ${file(artifact)}`,
    `--trusted-root ${trust === undefined ? 'DIR' : quotedPath(trust)}`,
    `--identity ${quoted(printable(identity))} --issuer ${quoted(printable(issuer))}`,
    ...(times.length === 0 ? ['--at now'] : []),
  ].join(' ');
}

const lineOf = ({ artifact, bundle }: MadeBundle): string =>
  `  ${printable(artifactName(artifact))}  →  ${printable(bundle ?? 'stdout')}`;

function notesOf({ answer, trustedBy, bundles }: SigningOutcome): readonly string[] {
  return [
    ...(trustedBy === 'service' ? [OWN_WORD] : []),
    ...answer.notes,
    ...(bundles.every(({ times }) => times.length > 0)
      ? []
      : [
          `nothing says when it was signed: only until ${rfc3339(answer.notAfter)} can anybody verify it, by the present time`,
        ]),
  ];
}

const sourcesOf = (bundles: readonly MadeBundle[]): readonly string[] =>
  SOURCES.filter(([source]) =>
    bundles.every(({ times }) => times.some((time) => time.source === source)),
  ).map(([, words]) => words);

const SOURCES = [
  ['timestamp', 'timestamp'],
  ['entry', 'log of signatures'],
] as const;

const OWN_WORD = "verified by the service's own word only; --trusted-root FILE verifies by what you trust";
