/** The parser of the command line, which keeps what was typed out of its complaints. */
import { Command, type AddHelpTextPosition, type ErrorOptions, type Help } from 'commander';
import { CommandError } from './command.ts';
import { HelpLayout, layOut, USUAL_WIDTH } from './help-layout.ts';

/** A command whose complaints are {@link CommandError}s `USAGE`. What was typed may be a token or a passphrase in the
 * wrong place: nothing of it is repeated but a short plain word, where one looks for a slip of the finger. */
export class Program extends Command {
  override createCommand(name?: string): Program {
    return new Program(name);
  }

  override createHelp(): Help {
    return Object.assign(new HelpLayout(), this.configureHelp());
  }

  /** A text comes in the width of the terminal that it is written to. */
  override addHelpText(
    position: AddHelpTextPosition,
    text: string | ((context: { error: boolean; command: Command }) => string),
  ): this {
    if (typeof text !== 'string') return super.addHelpText(position, text);
    return super.addHelpText(position, ({ error, command }) => {
      const output = command.configureOutput();
      const width = error ? output.getErrHelpWidth?.() : output.getOutHelpWidth?.();
      return layOut(text, width ?? USUAL_WIDTH);
    });
  }

  override error(message: string, { code = '' }: ErrorOptions = {}): never {
    const sentence = SENTENCES.get(code)?.(this, message) ?? message.replace(/^error: /, '');
    const suggestion = /\n\((Did you mean [^\n]*\?)\)$/.exec(message)?.[1];
    // A stray word or an option that resembles none may be a secret that looked for its place.
    const isStray = STRAY.has(code) && suggestion === undefined;
    const hint = [suggestion, isStray ? secretAdvice(this) : '', `See: ${pathOf(this)} --help`]
      .filter(Boolean)
      .join(' ');
    throw new CommandError('USAGE', sentence, { hint });
  }
}

/** Own sentences for the complaints in which commander repeats what was typed; its others name only our own options. */
const SENTENCES: ReadonlyMap<string, (command: Command, message: string) => string> = new Map([
  ['commander.excessArguments', tooMany],
  ['commander.unknownCommand', (command: Command) => `unknown command${shown(command.args[0])}`],
  ['commander.unknownOption', (_: Command, message: string) => `unknown option${shown(optionIn(message))}`],
]);

const STRAY: ReadonlySet<string> = new Set(['commander.excessArguments', 'commander.unknownOption']);

function tooMany(command: Command): string {
  const expected = command.registeredArguments.length;
  const count = ['no arguments', 'one argument'][expected] ?? `${expected} arguments`;
  return `\`${pathOf(command)}\` takes ${count}`;
}

/** The name of the option alone: what follows "=" is its value. */
const optionIn = (message: string): string | undefined =>
  /^error: unknown option '(--[^'=]*)/.exec(message)?.[1];

const shown = (word = ''): string => (/^[a-z-]{1,32}$/.test(word) ? ` "${word}"` : '');

const SECRET_OPTIONS: ReadonlyMap<string, string> = new Map([
  ['--token-file', 'A token goes in by --token-file.'],
  ['--passphrase-file', 'A passphrase goes in by --passphrase-file.'],
]);

/** Only commands that ask for certificates look into the environment, as signing clients do. */
const ASK_FOR_CERTIFICATES: ReadonlySet<string> = new Set([
  'mayfly certificate',
  'mayfly sign',
  'mayfly attest',
]);

const TOKEN_OR_ENVIRONMENT = 'A token goes in by --token-file or SIGSTORE_ID_TOKEN.';

const secretAdvice = (command: Command): string =>
  ASK_FOR_CERTIFICATES.has(pathOf(command))
    ? TOKEN_OR_ENVIRONMENT
    : command.options.flatMap(({ long }) => SECRET_OPTIONS.get(long ?? '') ?? []).join(' ');

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
