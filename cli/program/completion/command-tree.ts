/** Commands and options of the program as shells complete them. */
import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';

/** What a shell offers for a value. */
export type ValueKind = 'file' | 'directory' | 'other';

/** One option; `--json` takes no value. */
export interface CompletedOption {
  /** With its hyphens: `--data`, and `-h` where there is a short one. */
  readonly names: readonly string[];
  readonly summary: string;
  readonly value: ValueKind | undefined;
}

/** One command with what may follow it. */
export interface CompletedCommand {
  /** Words behind `mayfly`, such as `log check`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly CompletedOption[];
  /** Whether a word that is no option is a file. */
  readonly takesFile: boolean;
}

/** The program and all of its commands, deep ones too. */
export function commandTree(command: CommandUnknownOpts, path = ''): CompletedCommand[] {
  const help = command.createHelp();
  const own: CompletedCommand = {
    path,
    commands: help.visibleCommands(command).map((sub) => ({
      name: sub.name(),
      summary: help.subcommandDescription(sub),
    })),
    options: help.visibleOptions(command).map(optionOf),
    takesFile: command.registeredArguments.some((argument) => /^(file|cert)/i.test(argument.name())),
  };
  return [own, ...command.commands.flatMap((sub) => commandTree(sub, `${path} ${sub.name()}`.trimStart()))];
}

function optionOf({ short, long, description, flags, required, optional }: Option): CompletedOption {
  const names = [long, short].filter((name) => name !== undefined);
  return { names, summary: description, value: required || optional ? kindOf(flags) : undefined };
}

/** By the word that stands for the value: `--data <dir>`. */
function kindOf(flags: string): ValueKind {
  const [, placeholder] = /[<[](\w+)/.exec(flags) ?? [];
  if (placeholder === 'dir') return 'directory';
  return placeholder === 'file' || placeholder === 'path' ? 'file' : 'other';
}
