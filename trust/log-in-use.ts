/** Which of the logs of a data directory is in use: one rule for all that read it. */

/** Why it is not known. */
export interface UnknownLog {
  readonly fault: string;
  readonly hint: string;
}

/** The name of the log in use: the one that `current` names, what the file `currentLog` says; without it the only one. `names` are those of the logs in the
 * directory `logs`, which is named in sentences. */
export function logInUse(
  { logs, currentLog }: { readonly logs: string; readonly currentLog: string },
  names: readonly string[],
  current: string | undefined,
): string | UnknownLog {
  const [only, ...more] = names;
  if (only === undefined)
    return {
      fault: `${logs} holds no log`,
      hint: '`mayfly init` makes one. Restore it from a backup of its tiles, or make a new log for the same CA.',
    };
  if (current !== undefined)
    return names.includes(current)
      ? current
      : {
          fault: `${currentLog} says that the log "${current}" is in use, which is not there`,
          hint: `There are: ${names.join(', ')}. Put the log back, or write the name of the right one there.`,
        };
  if (more.length === 0) return only;
  return {
    fault: `${logs} holds several logs (${names.join(', ')}), and nothing says which is in use`,
    hint: `Write the name of the newest that issued certificates into ${currentLog}.`,
  };
}
