/** `mayfly config`: what a configuration says, before it is used. */
import type { RegisterCommand } from '../program/command.ts';
import { registerCheck } from './config-check.ts';
import { registerPreset } from './config-preset.ts';
import { registerSchema } from './config-schema.ts';
import { registerTest } from './config-test.ts';

/** Each adds itself to the group. A new one is a file `config-NAME.ts` and a row here. */
const SUBCOMMANDS: readonly RegisterCommand[] = [registerCheck, registerTest, registerPreset, registerSchema];

/** Adds the group. */
export const register: RegisterCommand = (program) => {
  const group = program
    .command('config')
    .summary('check and try out a configuration')
    .description('Checks and tries out a configuration file, without a service.')
    .addHelpText('after', EXAMPLES);
  for (const add of SUBCOMMANDS) add(group);
};

const EXAMPLES = `
Examples:
  mayfly config check config.yaml                  everything that is wrong, and what should be known
  mayfly config check config.yaml --strict         warnings count too: for a CI job
  mayfly config check config.yaml --json
  mayfly config test cases.yaml                    whether everybody gets what they should
  mayfly config preset --list                      providers whose block can be printed
  mayfly config preset github --set owner-id=123456
  mayfly config schema > config.schema.json        for editors`;
