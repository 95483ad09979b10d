/** A tree of commands as scripts of bash, zsh and fish. Each walks along the words that stand before the cursor to the
 * command that they name, and offers what may follow. */
import type { CompletedCommand, CompletedOption, ValueKind } from './command-tree.ts';

type Tree = readonly CompletedCommand[];

/** For bash 3.2 and newer. */
export function bashScript(tree: Tree): string {
  return `# bash completion for mayfly
_mayfly() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} at='' i reply
  # "--data=DIR" comes as three words.
  if [ "$current" = = ]; then current=''
  elif [ "$before" = = ]; then before=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
${walk(tree, '${COMP_WORDS[i]}', '    ')}
  done
  COMPREPLY=()
  case "$before" in
${valueCases(tree, { file: 'reply=$(compgen -f -- "$current")', directory: 'reply=$(compgen -d -- "$current")', other: 'return' }, '    ')}
    *) case "$at:$current" in
${tree.map((command) => `      ${single(`${command.path}:-`)}*) reply=$(compgen -W ${single(optionNames(command))} -- "$current") ;;`).join('\n')}
${tree.map(bashWords).join('\n')}
    esac ;;
  esac
  compopt -o filenames 2>/dev/null
  while IFS= read -r i; do [ -n "$i" ] && COMPREPLY+=("$i"); done <<<"$reply"
}
complete -F _mayfly mayfly`;
}

function bashWords({ path, commands, takesFile }: CompletedCommand): string {
  const words = single(commands.map(({ name }) => name).join(' '));
  const files = takesFile ? '; compgen -f -- "$current"' : '';
  return `      ${single(`${path}:`)}*) reply=$(compgen -W ${words} -- "$current"${files}) ;;`;
}

/** For the folder of functions, and to be sourced. */
export function zshScript(tree: Tree): string {
  return `#compdef mayfly
_mayfly() {
  local at='' i
  local -a commands options
  for ((i = 2; i < CURRENT; i++)); do
${walk(tree, '${words[i]}', '    ')}
  done
  case "\${words[CURRENT-1]}" in
${valueCases(tree, { file: '_files; return', directory: '_files -/; return', other: '_message value; return' }, '    ')}
  esac
  case "$at" in
${tree.map(zshWords).join('\n')}
  esac
}
if [ "$funcstack[1]" = _mayfly ]; then _mayfly "$@"; else compdef _mayfly mayfly; fi`;
}

function zshWords({ path, commands, options, takesFile }: CompletedCommand): string {
  const described = (name: string, summary: string): string => single(`${name}:${summary}`);
  return `    ${single(path)})
      commands=(${commands.map(({ name, summary }) => described(name, summary)).join(' ')})
      options=(${options.flatMap(({ names, summary }) => names.map((name) => described(name, summary))).join(' ')})
      if [[ "$PREFIX" = -* ]]; then _describe -o option options
      else _describe command commands${takesFile ? '; _files' : ''}; fi ;;`;
}

/** For the folder of completions. */
export function fishScript(tree: Tree): string {
  const values = [...valuesOf(tree)].flatMap(([name]) => name);
  return `# fish completion for mayfly
function __mayfly_at
  set -l at ''
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    switch "$at $word"
      case ${tree
        .filter(({ path }) => path !== '')
        .map(({ path }) => single(walked(path)))
        .join(' ')}
        set at (string trim "$at $word")
    end
    contains -- $word ${values.join(' ')}; and set skip 1
  end
  test "$at" = "$argv[1]"
end
complete -c mayfly -f
${tree.flatMap(fishLines).join('\n')}`;
}

function fishLines({ path, commands, options, takesFile }: CompletedCommand): string[] {
  const start = `complete -c mayfly -n ${single(`__mayfly_at "${path}"`)}`;
  return [
    ...commands.map(({ name, summary }) => `${start} -a ${name} -d ${fishQuoted(summary)}`),
    ...options.map((option) => `${start} ${fishOption(option)}`),
    ...(takesFile ? [`${start} -F`] : []),
  ];
}

const FISH_VALUES: Readonly<Record<ValueKind, string>> = {
  file: ' -r -F',
  directory: " -x -a '(__fish_complete_directories)'",
  other: ' -x',
};

function fishOption({ names, summary, value }: CompletedOption): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  return `${flags.join(' ')}${value === undefined ? '' : FISH_VALUES[value]} -d ${fishQuoted(summary)}`;
}

const fishQuoted = (text: string): string => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;

/** Lines of a loop over the words that stand before the cursor: to the command that they name, past values of options. */
function walk(tree: Tree, word: string, indent: string): string {
  const commands = tree.filter(({ path }) => path !== '').map(({ path }) => single(walked(path)));
  return [
    `case "${word}" in ${[...valuesOf(tree).keys()].join('|')}) i=$((i + 1)); continue ;; esac`,
    `case "$at ${word}" in`,
    `  ${commands.join('|')}) at="\${at:+$at }${word}" ;;`,
    'esac',
  ]
    .map((line) => `${indent}${line}`)
    .join('\n');
}

/** What "$at $word" is for a command: a single word comes with the space behind an empty path. */
const walked = (path: string): string => (path.includes(' ') ? path : ` ${path}`);

function valueCases(tree: Tree, acts: Readonly<Record<ValueKind, string>>, indent: string): string {
  const values = [...valuesOf(tree)];
  const kinds = Object.keys(acts) as ValueKind[];
  return kinds
    .map((kind) => [kind, values.filter(([, found]) => found === kind).map(([name]) => name)] as const)
    .filter(([, names]) => names.length > 0)
    .map(([kind, names]) => `${indent}${names.join('|')}) ${acts[kind]} ;;`)
    .join('\n');
}

/** Options that take a value, and of which kind: a name means one thing in every command, and where it does not, files
 * are offered. */
function valuesOf(tree: Tree): ReadonlyMap<string, ValueKind> {
  const kinds = new Map<string, ValueKind>();
  for (const { names, value } of tree.flatMap(({ options }) => options)) {
    if (value === undefined) continue;
    for (const name of names) kinds.set(name, (kinds.get(name) ?? value) === value ? value : 'file');
  }
  return kinds;
}

const optionNames = ({ options }: CompletedCommand): string =>
  options.flatMap(({ names }) => names).join(' ');

/** In single quotes, for bash and zsh. */
const single = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
