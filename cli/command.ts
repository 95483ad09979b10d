import type { Command } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import { MayflyError } from '../core/errors.ts';
import { printable, printableJson, printableLines } from '../core/printable.ts';

/** One subcommand: adds itself, with its help and examples, to the program. */
export type RegisterCommand = (program: Command) => void;

/** Codes of {@link CommandError}. */
export type CommandCode = 'USAGE' | 'REFUSED' | 'FAILED';

/** A command that cannot go on. `USAGE` exits with 2, everything else with 1. */
export class CommandError extends MayflyError<CommandCode> {}

/** How a command speaks: to a person, or as one JSON object on stdout. Progress and warnings go to stderr. What is not
 * printable is escaped on the way, but for the line feeds of a text: values in it are made `printable` before. */
export interface Speaker {
  readonly json: boolean;
  /** The answer: `text` for a person, `result` with `--json`. Called once. */
  answer(result: Readonly<Record<string, unknown>>, text: string): void;
  /** Progress or a warning; on stderr, silent with `--json`. */
  note(text: string): void;
}

/** The speaker of a command line. */
export function speaker(json: boolean): Speaker {
  return {
    json,
    answer: (result, text) =>
      process.stdout.write(`${json ? printableJson(JSON.stringify(result)) : printableLines(text)}\n`),
    note: (text) => {
      if (!json) tell(text);
    },
  };
}

/** Writes to stderr, whatever the options: what a person must see, such as the address of a login. */
export const tell = (text: string): void => {
  process.stderr.write(`${printableLines(text)}\n`);
};

/** Exit status of a failure: 2 when the command was used wrongly, else 1. */
export function exitCodeOf(error: unknown): number {
  return error instanceof CommandError && error.code === 'USAGE' ? 2 : 1;
}

/** What looks like a token, typed where something else belongs, is never repeated: terminals and CI jobs keep logs. */
const withoutTokens = (text: string): string => text.replace(/eyJ[\w-]{8,}(?:\.[\w-]*)*/g, '(a token)');

/** Tells a failure: one sentence and what to do about it; with `--json` an object with `error`, which has
 * `retryAfterSeconds` where the error's metadata says `retryAfter`. A fault that is not
 * one of our typed errors shows its stack when MAYFLY_DEBUG is set. */
export function tellFailure(error: unknown, json: boolean): void {
  const known: MayflyError | undefined = error instanceof MayflyError ? error : undefined;
  const message = withoutTokens(error instanceof Error ? error.message : String(error));
  const hint = known?.hint === undefined ? undefined : withoutTokens(known.hint);
  if (json) {
    const retryAfter = known?.metadata['retryAfter'];
    const body = {
      ...{ code: known?.code ?? 'INTERNAL', message, hint },
      retryAfterSeconds: retryAfter === undefined ? undefined : Number(retryAfter),
    };
    process.stdout.write(`${printableJson(JSON.stringify({ error: body }))}\n`);
    return;
  }
  // A sentence is one line, whatever it repeats; only what is wrong with a configuration is a list.
  const shown = error instanceof ConfigError ? printableLines(message) : printable(message);
  tell(`mayfly: ${shown}${hint === undefined ? '' : `\n  ${hint}`}`);
  if (process.env['MAYFLY_DEBUG'] !== undefined && error instanceof Error) tell(frames(error));
}

/** The stack without the message, which may hold line feeds of others. */
const frames = ({ stack = '' }: Error): string =>
  stack
    .split('\n')
    .filter((line) => /^ +at /.test(line))
    .join('\n');

/** Wraps a command's action: gives it a {@link Speaker}, turns its failure into a sentence and an exit code. The
 * action returns false when the answer is "no" (exit 1). Options are unknown to the compiler: each command says what
 * its own options are by the type of `run`'s first parameter, next to their declaration. */
export function action(
  run: (options: never, speak: Speaker, args: readonly string[]) => Promise<boolean | undefined>,
): (...received: unknown[]) => Promise<void> {
  return async (...received) => {
    const command = received.at(-1) as Command;
    const options = command.opts<{ json?: boolean }>();
    const json = options.json === true;
    try {
      const yes = await run(options as never, speaker(json), command.args);
      if (yes === false) process.exitCode = 1;
    } catch (error) {
      tellFailure(error, json);
      process.exitCode = exitCodeOf(error);
    }
  };
}
