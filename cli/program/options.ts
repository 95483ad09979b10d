/** Options that several commands read in the same way. */
import type { Option as TypedOption } from '@commander-js/extra-typings';
import { Option as CommanderOption } from 'commander';
import { CommandError } from './command.ts';

/** An option of a command, with what it adds to the types of the command's options; those are a package of development. */
export const Option: typeof TypedOption = CommanderOption;

/** A whole number; throws {@link CommandError} `USAGE` outside `min…max`. */
export function parseInteger(text: string, option: string, min: number, max: number): number {
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new CommandError('USAGE', `${option} must be a whole number from ${min} to ${max}, not "${text}"`);
}

/** One of `choices`, in whatever case and with or without hyphens: keys are `p256` to some and `P-256` to others. Throws
 * {@link CommandError} `USAGE`. */
export function parseChoice<T extends string>(text: string, option: string, choices: readonly T[]): T {
  const found = choices.find((choice) => plain(choice) === plain(text));
  if (found !== undefined) return found;
  throw new CommandError('USAGE', `${option} must be one of ${choices.join(', ')}, not "${text}"`);
}

const plain = (text: string): string => text.toLowerCase().replaceAll('-', '');
