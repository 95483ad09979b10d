/** `mayfly completion`: scripts that make a shell complete commands and options. */
import { action, type RegisterCommand } from './command.ts';
import { commandTree } from './completion/command-tree.ts';
import { bashScript, fishScript, zshScript } from './completion/scripts.ts';
import { parseChoice } from './options.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;
type Shell = keyof typeof SCRIPTS;

const EXAMPLES = `
Examples:
  mayfly completion bash > ~/.local/share/bash-completion/completions/mayfly
  mayfly completion zsh > ~/.zfunc/_mayfly
  mayfly completion fish > ~/.config/fish/completions/mayfly.fish

bash needs the package bash-completion, or: source <(mayfly completion bash). zsh needs "fpath+=~/.zfunc" before
compinit in ~/.zshrc. Make the directory first where it is not there, and write the script again after an upgrade.`;

/** Adds `completion`. The commands must all be in `program` when it runs: the scripts are made from them. */
export const register: RegisterCommand = (program) => {
  program
    .command('completion')
    .summary('print a script that completes commands in a shell')
    .description('Prints a script that makes a shell complete commands, options, files and directories.')
    .argument('<SHELL>', 'bash, zsh or fish')
    .option('--json', 'print {"shell":…,"script":…}')
    .addHelpText('after', EXAMPLES)
    .action(
      action((_options, speak, [given = '']) => {
        const shell = parseChoice(given, 'the shell', Object.keys(SCRIPTS) as Shell[]);
        const script = SCRIPTS[shell](commandTree(program));
        speak.answer({ shell, script }, script);
        return Promise.resolve(undefined);
      }),
    );
};
