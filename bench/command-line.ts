/** Command lines of the programs that developers run: the benchmark and the attacks. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

/** A command line that cannot be understood. */
export class UsageError extends Error {}

/** The values of `options` in `argv`; throws {@link UsageError}. */
export function parseWords<Options extends NonNullable<ParseArgsConfig['options']>>(
  argv: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...argv], allowNegative: true, options }).values;
  } catch (error) {
    // The runtime's own complaint; what stands behind its first sentence is advice for programmers.
    const [sentence = ''] = (error as Error).message.split(/[.\n]\s*/);
    throw new UsageError(sentence);
  }
}

/** A number above 0; throws {@link UsageError}. */
export function positive(name: string, text: string): number {
  const value = Number(text);
  if (/^\d{1,6}(\.\d+)?$/.test(text) && value > 0) return value;
  throw new UsageError(`--${name}: "${text}" is not a number above 0`);
}

/** What `parse` returns. A usage error of one line ends the process with 2. */
export function orUsage<Options>(program: string, parse: () => Options): Options {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${program}: ${error.message} (--help lists the options)\n`);
    process.exit(2);
  }
}

/** Prints the help and ends the process. */
export function printHelp(help: string): never {
  process.stdout.write(help);
  process.exit(0);
}
