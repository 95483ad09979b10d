/** `mayfly explain`: what a configuration would do with a token, check by check. */
import { parseRfc3339 } from '../../core/clock.ts';
import { KEY_TYPES } from '../../explain/trial-key.ts';
import type { Evidence } from '../../explain/explain-claims.ts';
import {
  action,
  CommandError,
  exitCodeOfJudge,
  type RegisterCommand,
  type Speaker,
} from '../program/command.ts';
import { explanationFacts, explanationText } from './explanation-text.ts';
import { readInput } from '../program/input-file.ts';
import { openExplainer, type ExplainerSource } from './open-explainer.ts';
import { parseChoice } from '../program/options.ts';

interface ExplainOptions extends ExplainerSource {
  readonly tokenFile?: string;
  readonly claims?: string;
  readonly keyType: string;
  readonly at?: string;
}

const EXAMPLES = `
Nothing is issued, logged or counted, and the token is never shown. A token's issuer is asked for its keys.

Examples:
  mayfly explain --config config.yaml --token-file token.jwt      a token that was refused
  mayfly explain --config config.yaml --claims job.json           claims, as a token would hold them: iss, aud, sub ...
  mayfly explain --data DIR --claims - --at 2026-11-22T10:00:00Z  at another time, with the CA's own end in view

Exits with 0 when a certificate would be issued, with 1 when not, with 2 when the question cannot be asked.
docs/explain.md says what each line means. For cases in a file, see: mayfly config test`;

/** Adds the command. */
export const register: RegisterCommand = (program) => {
  program
    .command('explain')
    .summary('say what a token would get, and why')
    .description('Says what a configuration would do with a token, check by check, and why.')
    .option('--config <file>', 'the configuration')
    .option('--data <dir>', 'the data directory, for its configuration and its CA')
    .option('--token-file <file>', 'file with the token ("-" reads stdin)')
    .option('--claims <file>', 'JSON file with claims instead, which nobody signed ("-" reads stdin)')
    .option('--key-type <type>', `what the certificate would be for: ${KEY_TYPES.join(', ')}`, 'P-256')
    .option('--at <time>', 'as of this time, RFC 3339; default now')
    .option(
      '--json',
      'print {"issued":…,"refusal":…,"checks":[…],"entries":[…],"rules":[…],"rule":…,"certificate":…}',
    )
    .addHelpText('after', EXAMPLES)
    .action(action(explain, exitCodeOfJudge));
};

async function explain(options: ExplainOptions, speak: Speaker): Promise<boolean> {
  const keyType = parseChoice(options.keyType, '--key-type', KEY_TYPES);
  const at = options.at === undefined ? Date.now() : timeOf(options.at);
  const evidence = await evidenceOf(options);
  const explainer = await openExplainer(options);
  try {
    const explanation = await explainer.explain({ evidence, keyType, at });
    speak.answer(explanationFacts(explanation), explanationText(explanation));
    return explanation.issued;
  } finally {
    await explainer.close();
  }
}

function timeOf(text: string): number {
  const at = parseRfc3339(text);
  if (at !== undefined) return at;
  throw new CommandError('USAGE', '--at is no RFC 3339 time', {
    hint: 'For example: --at 2026-11-22T10:00:00Z',
  });
}

async function evidenceOf({ tokenFile, claims }: ExplainOptions): Promise<Evidence> {
  if (tokenFile !== undefined && claims === undefined)
    return { kind: 'token', compact: (await readInput(tokenFile, '--token-file')).trim() };
  if (claims !== undefined && tokenFile === undefined)
    return { kind: 'claims', json: requireObject(await readInput(claims, '--claims')) };
  throw new CommandError('USAGE', 'give either --token-file or --claims', {
    hint: 'A token is checked whole; claims are taken as if an issuer had signed them.',
  });
}

/** JSON of an object, as it was. A token in the wrong place must not come back in an error. */
function requireObject(text: string): string {
  const hint = 'It holds what a token would: {"iss": …, "aud": …, "sub": …}';
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text;
  } catch {
    throw new CommandError('USAGE', 'the file of --claims is not JSON', { hint });
  }
  throw new CommandError('USAGE', 'the file of --claims is not a JSON object', { hint });
}
