/** `mayfly config schema`: what editors check a configuration with. */
import { configJsonSchema, policyCasesJsonSchema } from '../../config/reference/json-schema.ts';
import { action, type RegisterCommand, type Speaker } from '../program/command.ts';

const EXAMPLES = `
Examples:
  mayfly config schema > config.schema.json        then, as the first line of config.yaml:
                                                   # yaml-language-server: $schema=config.schema.json

Editors that speak to yaml-language-server then complete and check as one types. What only makes sense together, such as
conditions and templates, \`mayfly config check\` checks.`;

/** Adds `schema`. */
export const registerSchema: RegisterCommand = (group) => {
  group
    .command('schema')
    .summary('print the JSON Schema of the file, for editors')
    .description('Prints the JSON Schema of the configuration file, for editors.')
    .option('--cases', 'of the file of `mayfly config test` instead')
    .option('--json', 'print it on one line')
    .addHelpText('after', EXAMPLES)
    .action(action(schema));
};

function schema({ cases }: { readonly cases?: true }, speak: Speaker): Promise<undefined> {
  const answer = cases === true ? policyCasesJsonSchema() : configJsonSchema();
  speak.answer(answer, JSON.stringify(answer, undefined, 2));
  return Promise.resolve(undefined);
}
