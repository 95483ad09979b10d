/** `mayfly config check`: everything that is wrong with a configuration, and what should be known of it. */
import { ConfigError } from '../../config/findings/config-error.ts';
import { inspectFile, inspectText, type Inspection } from '../../config/load/inspect.ts';
import {
  action,
  CommandError,
  exitCodeOfJudge,
  type RegisterCommand,
  type Speaker,
} from '../program/command.ts';
import { readInput } from '../program/input-file.ts';
import { countsOf, countsText, errorLines, plural, warningLines } from './inspection-text.ts';

interface CheckOptions {
  readonly strict?: true;
}

const EXAMPLES = `
Examples:
  mayfly config check config.yaml
  mayfly config check config.yaml --strict         for a CI job: warnings fail it too
  mayfly config check config.yaml --json | jq '.warnings[].code'
  mayfly config preset github --set owner-id=123456 | mayfly config check -

Exits with 0 when the file can be used, with 1 when it cannot (or, with --strict, when there is a warning), with 2 when
the command is used wrongly or the file cannot be read. No issuer is asked anything.`;

/** Adds `check`. */
export const registerCheck: RegisterCommand = (group) => {
  group
    .command('check')
    .argument('<FILE>', 'the configuration file ("-" reads stdin)')
    .summary('say everything that is wrong, and what should be known')
    .description(
      'Says everything that is wrong with a configuration at once, and what should be known of it.',
    )
    .option('--strict', 'warnings fail too')
    .option('--json', 'print {"ok":…,"errors":[…],"warnings":[…],"issuers":…,"metaIssuers":…,"rules":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(check, exitCodeOfJudge));
};

async function check(
  options: CheckOptions,
  speak: Speaker,
  [file = '']: readonly string[],
): Promise<boolean> {
  const { problems, findings, issuers } = await inspected(file);
  const isUsable = problems.length === 0;
  const ok = isUsable && (options.strict !== true || findings.length === 0);
  // Of a file with errors only a part is understood.
  const counts = isUsable ? countsOf(issuers) : undefined;
  const lines = [
    ...errorLines(file, problems),
    ...warningLines(file, findings),
    [
      file,
      ...(counts === undefined ? [] : [countsText(counts)]),
      verdict(problems.length, findings.length),
    ].join(': '),
  ];
  speak.answer({ ok, file, errors: problems, warnings: findings, ...counts }, lines.join('\n'));
  return ok;
}

type Inspected = Pick<Inspection, 'problems' | 'findings' | 'issuers'>;

/** A file that is no YAML has nothing but its errors. */
async function inspected(file: string): Promise<Inspected> {
  try {
    if (file !== '-') return await inspectFile(file);
    return inspectText(await readInput(file, 'the configuration'), file, '.');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Nothing can be said of what is in it.
    if (error.code === 'CONFIG_UNREADABLE')
      throw new CommandError('USAGE', error.message, { hint: error.hint });
    return { problems: error.problems, findings: [], issuers: [] };
  }
}

function verdict(errors: number, warnings: number): string {
  const warned = warnings === 0 ? [] : [plural(warnings, 'warning')];
  return errors === 0 ? ['ok', ...warned].join(', with ') : [plural(errors, 'error'), ...warned].join(', ');
}
