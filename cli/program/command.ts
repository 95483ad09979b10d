import { once } from 'node:events';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { ConfigError } from '../../config/findings/config-error.ts';
import { hintOf, MayflyError, messageOf } from '../../core/errors.ts';
import { printable, printableJson, printableLines } from '../../core/printable.ts';
import { adviceUnderNpm } from './invocation.ts';
import { withoutSentSecrets } from './sent-secrets.ts';
import { isTerminal, standardStream, writeText } from './standard-streams.ts';

/** One subcommand: adds itself, with its help and examples, to the program. */
export type RegisterCommand = (program: CommandUnknownOpts) => void;

/** Codes of {@link CommandError}; `UNREACHABLE`: the other side did not answer. */
type CommandCode = 'USAGE' | 'REFUSED' | 'FAILED' | 'UNREACHABLE';

/** A command that cannot go on. See {@link exitCodeOf}. */
export class CommandError extends MayflyError<CommandCode> {}

/** How a command speaks: to a person, or as one JSON object on stdout. Progress and warnings go to stderr. What is not
 * printable is escaped on the way, but for the line feeds of a text: values in it are made `printable` before. */
export interface Speaker {
  readonly json: boolean;
  /** The answer: `text` for a person, `result` with `--json`. Called once. */
  answer(result: Readonly<Record<string, unknown>>, text: string): void;
  /** The next of an answer that is a sequence: a line each, of JSON with `--json`. Resolves when there is room for another,
   * with false when standard output takes no more, as with `head -1`. */
  record(result: Readonly<Record<string, unknown>>, text: string): Promise<boolean>;
  /** A warning, or something that was done on the way; on stderr, silent with `--json`. */
  note(text: string): void;
  /** What is done now, a line each; on stderr when that is a terminal, else silent, and silent with `--json`. */
  step(text: string): void;
  /** How far long work has come; on stderr when that is a terminal, else silent, and silent with `--json`. Called as
   * often as the work likes: a line comes every two seconds at most. */
  progress(text: () => string): void;
}

/** Between two lines of progress. */
const PROGRESS_MS = 2000;

/** The speaker of a command line. */
export function speaker(json: boolean): Speaker {
  let watched: boolean | undefined;
  const isWatched = (): boolean => (watched ??= !json && isTerminal(2));
  let toldAt = Date.now();
  let isRead: boolean | undefined;
  return {
    json,
    answer: (result, text) => {
      writeText(
        1,
        `${json ? printableJson(withoutSentSecrets(JSON.stringify(result))) : printableLines(withoutSentSecrets(text))}\n`,
      );
    },
    record: async (result, text) => {
      const output = standardStream(1);
      if (isRead === undefined) {
        isRead = true;
        output.once('error', () => (isRead = false));
      }
      const line = withoutSentSecrets(json ? JSON.stringify(result) : text);
      const shown = json ? printableJson(line) : printable(line);
      // A fault of standard output is reported by who watches it.
      if (!output.write(`${shown}\n`)) await once(output, 'drain').catch(() => undefined);
      return isRead;
    },
    note: (text) => {
      if (!json) notify(text);
    },
    step: (text) => {
      if (isWatched()) notify(text);
    },
    progress: (text) => {
      if (Date.now() - toldAt < PROGRESS_MS || !isWatched()) return;
      toldAt = Date.now();
      notify(text());
    },
  };
}

/** Writes to stderr, whatever the options: what a person must see, such as the address of a login. */
export const notify = (text: string): void => {
  writeText(2, `${printableLines(withoutSentSecrets(text))}\n`);
};

/** Exit statuses; docs/process.md has the table. 1 is also what a failure exits with that is nothing else. */
const NO = 1;
const WRONG_USE = 2;
const NOT_JUDGED = 3;

/** Exit status of a failure: 2 when the command was used wrongly; 3 when the other side did not answer, is busy or has a
 * fault of its own (metadata `retryAfter` or `unavailable`), so that another try may end otherwise; else 1. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError && error.code === 'USAGE') return WRONG_USE;
  if (error instanceof CommandError && error.code === 'UNREACHABLE') return NOT_JUDGED;
  if (!(error instanceof MayflyError)) return NO;
  const { retryAfter, unavailable } = error.metadata;
  return retryAfter === undefined && unavailable === undefined ? NO : NOT_JUDGED;
}

/** Exit status of a command that judges something: its failure is no verdict. `isVerdict` names the errors that are one. */
export function exitCodeOfJudge(
  error: unknown,
  isVerdict: (error: unknown) => boolean = () => false,
): number {
  if (error instanceof CommandError && error.code === 'USAGE') return WRONG_USE;
  return isVerdict(error) ? NO : NOT_JUDGED;
}

/** What looks like a token, typed where something else belongs, is never repeated, and what was sent as one neither: terminals and CI jobs keep logs. */
const withoutTokens = (text: string): string =>
  withoutSentSecrets(text).replace(/eyJ[\w-]{8,}(?:\.[\w-]*)*/g, '(a token)');

/** Prints a failure: one sentence and what to do about it; with `--json` an object with `error`, which has
 * `retryAfterSeconds` where the error's metadata says `retryAfter`. A fault that is not
 * one of our typed errors shows its stack when MAYFLY_DEBUG is set. */
export function reportFailure(error: unknown, json: boolean): void {
  const known: MayflyError | undefined = error instanceof MayflyError ? error : undefined;
  const message = withoutTokens(messageOf(error));
  const advice = hintOf(error);
  const hint = advice === undefined ? undefined : adviceUnderNpm(withoutTokens(advice));
  if (json) {
    const retryAfter = known?.metadata['retryAfter'];
    const body = {
      code: known?.code ?? 'INTERNAL',
      message,
      hint,
      retryAfterSeconds: retryAfter === undefined ? undefined : Number(retryAfter),
    };
    writeText(1, `${printableJson(JSON.stringify({ error: body }))}\n`);
    return;
  }
  // A sentence is one line, whatever it repeats; only what is wrong with a configuration is a list.
  const shown = error instanceof ConfigError ? printableLines(message) : printable(message);
  notify(`mayfly: ${shown}${hint === undefined ? '' : `\n  ${hint}`}`);
  if (process.env['MAYFLY_DEBUG'] !== undefined && error instanceof Error) notify(frames(error));
}

/** The stack without the message, which may hold line feeds of others. */
const frames = ({ stack = '' }: Error): string =>
  stack
    .split('\n')
    .filter((line) => /^ +at /.test(line))
    .join('\n');

/** Wraps a command's action: passes it the command's options and a {@link Speaker}, turns its failure into a sentence and
 * an exit code. The action returns false when the answer is "no" (exit 1). `exitOf` says what its failures exit with. */
export function action<Options>(
  run: (options: Options, speak: Speaker, args: readonly string[]) => Promise<boolean | undefined>,
  exitOf: (error: unknown) => number = exitCodeOf,
): (...received: [...args: unknown[], options: Options, command: unknown]) => Promise<void> {
  return async (...received) => {
    const [options, command] = received.slice(-2) as [Options & { json?: boolean }, CommandUnknownOpts];
    const json = options.json === true;
    try {
      const yes = await run(options, speaker(json), command.args);
      if (yes === false) process.exitCode = NO;
    } catch (error) {
      reportFailure(error, json);
      process.exitCode = exitOf(error);
    }
  };
}
