/** The command line: a table of commands, and what is the same for all of them. */
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { CommanderError } from 'commander';
import { VERSION } from '../core/version.ts';
import { CommandError, exitCodeOf, speaker, reportFailure, type RegisterCommand } from './program/command.ts';
import { Program } from './program/program.ts';
import { standardStream, writeText } from './program/standard-streams.ts';

/**
 * Commands, each loaded only when it is called (or for the top-level help): `serve` must never load the development
 * provider, and a client command should not pay for the server.
 */
const COMMANDS: readonly (readonly [name: string, summary: string, load: () => Promise<RegisterCommand>])[] =
  [
    [
      'dev',
      'Run everything in one process, for development',
      async () => (await import('./instance/dev.ts')).register,
    ],
    ['sign', 'Sign files', async () => (await import('./sign/sign.ts')).register],
    ['attest', 'Sign a statement about a file', async () => (await import('./sign/attest.ts')).register],
    [
      'certificate',
      'Get a certificate for a fresh key',
      async () => (await import('./certificate/certificate.ts')).register,
    ],
    [
      'init',
      'Make a CA and its log for production',
      async () => (await import('./instance/init.ts')).register,
    ],
    [
      'config',
      'Write, check and test a configuration',
      async () => (await import('./config/config.ts')).register,
    ],
    [
      'explain',
      'Say what a token would get, and why',
      async () => (await import('./config/explain.ts')).register,
    ],
    ['serve', 'Run the service', async () => (await import('./instance/serve.ts')).register],
    ['verify', 'Check what was issued, offline', async () => (await import('./verify/verify.ts')).register],
    ['log', 'Read and check a transparency log', async () => (await import('./log/log.ts')).register],
    [
      'token',
      'Print a token of the development issuer',
      async () => (await import('./certificate/token.ts')).register,
    ],
    ['ca', 'Renew the issuing CA', async () => (await import('./ca/ca.ts')).register],
    ['tsa', 'Make and renew the key for timestamps', async () => (await import('./tsa/tsa.ts')).register],
    [
      'witness',
      'Cosign the heads of logs of others',
      async () => (await import('./witness/witness.ts')).register,
    ],
    [
      'rekor',
      'Make, show and end the logs of artifacts',
      async () => (await import('./rekor/rekor.ts')).register,
    ],
    [
      'audit',
      'Print and check an audit in a database',
      async () => (await import('./audit/audit.ts')).register,
    ],
    [
      'keys',
      'Check, show and make keys, change their passphrase',
      async () => (await import('./instance/keys.ts')).register,
    ],
    ['trust', 'Write what verifiers need', async () => (await import('./trust/trust.ts')).register],
    [
      'completion',
      'Print a script that completes commands in a shell',
      async () => (await import('./program/completion.ts')).register,
    ],
  ];

const EXAMPLES = `
Examples:
  mayfly dev                            everything in one process
  mayfly token --email you@example.com | mayfly sign app.tar.gz --token-file -
  mayfly token --email you@example.com | mayfly certificate --token-file -

For production:
  mayfly init --data DIR --root-key-out root.key.pem
  mayfly config preset github           an issuer block with its rules; --list has more
  mayfly config check DIR/config.yaml   what is wrong or too open
  mayfly config test cases.yaml         the policy against cases of yours, in CI
  mayfly explain --data DIR --claims -  what a token would get, by which rule
  mayfly serve --data DIR
  mayfly trust export --data DIR --out trust
  mayfly verify certificate cert.pem --trust trust --any-identity

Every command has more with --help, and answers one JSON object with --json.`;

/** Commands that do other things while they speak. */
const SERVING: ReadonlySet<string> = new Set(['serve', 'dev']);

/** Runs the command line; sets `process.exitCode`. `argv` is without node and script. */
export async function main(argv: readonly string[]): Promise<void> {
  const json = argv.includes('--json');
  // No reader may keep these from answering.
  if (SERVING.has(argv.find((word) => !word.startsWith('-')) ?? ''))
    for (const fd of [1, 2] as const) standardStream(fd);
  keepTlsChecks(json);
  if (asksForVersion(argv)) {
    const { buildLine, readBuild } = await import('./program/build.ts');
    const build = readBuild();
    speaker(json).answer({ ...build }, buildLine(build));
    return;
  }
  const words = helpAsOption(argv);
  try {
    await (await programFor(words, json)).parseAsync([...words], { from: 'user' });
  } catch (error) {
    // Commander has printed a help text: asked for, or for want of a command.
    if (error instanceof CommanderError && (error.exitCode === 0 || !json)) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    const failure = error instanceof CommanderError ? incomplete : error;
    reportFailure(failure, json);
    process.exitCode = exitCodeOf(failure);
  }
}

/** Node would check no server's certificate, and a token would go to anybody on the line. It looks at the variable for each connection, also in threads and processes that are started from here on. */
function keepTlsChecks(json: boolean): void {
  if (process.env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return;
  delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  speaker(json).note(
    'mayfly: warning: NODE_TLS_REJECT_UNAUTHORIZED=0 is not heeded: certificates of servers are checked all the same.\n' +
      '  For a CA of your own: NODE_EXTRA_CA_CERTS=ca.pem in the environment, with its certificate in that file.',
  );
}

/** Whether the option stands before any command; `mayfly verify --version` is a slip. */
function asksForVersion(argv: readonly string[]): boolean {
  const command = argv.findIndex((word) => !word.startsWith('-'));
  const ofProgram = command < 0 ? argv : argv.slice(0, command);
  return ['--version', '-V'].some((option) => ofProgram.includes(option));
}

const incomplete = new CommandError('USAGE', 'say which command', { hint: 'See: mayfly --help' });

/** The program with the command that `words` call, or with all of them for `completion`; of the others it knows name and
 * summary. With `json` it writes nothing to standard error. */
export async function programFor(words: readonly string[], json: boolean): Promise<Program> {
  const program = new Program('mayfly');
  program
    .description(
      'A certificate authority for code signing: OpenID token in, ten-minute logged certificate out.',
    )
    .version(VERSION, '-V, --version', 'print version, commit and runtime; with --json as an object')
    .addHelpText('after', EXAMPLES)
    .exitOverride();
  program.configureOutput({
    writeOut: (text) => {
      writeText(1, text);
    },
    writeErr: (text) => {
      if (!json) writeText(2, text);
    },
  });
  const wanted = words.find((word) => !word.startsWith('-'));
  for (const [name, summary, load] of COMMANDS) {
    // Completion is made from all of them.
    if (wanted === name || wanted === 'completion') (await load())(typed(program));
    else program.command(name).summary(summary).description(summary);
  }
  return program;
}

/** The same program to the compiler: with types for the options that are declared on it. */
const typed = (program: Program): CommandUnknownOpts => program as unknown as CommandUnknownOpts;

/** `help verify certificate` as `verify certificate --help`: commander's own `help` goes one word deep. */
function helpAsOption(argv: readonly string[]): readonly string[] {
  const [first, ...rest] = argv;
  const words = rest.filter((word) => !word.startsWith('-'));
  const isKnown = COMMANDS.some(([name]) => name === words[0]);
  return first === 'help' && isKnown ? [...words, '--help'] : argv;
}
