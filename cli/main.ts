/** The command line: a table of commands, and what is the same for all of them. */
import { Command, CommanderError } from 'commander';
import { tellFailure, type RegisterCommand } from './command.ts';

/**
 * Commands, each loaded only when it is called (or for the top-level help): `serve` must never load the development
 * provider, and a client command should not pay for the server.
 */
const COMMANDS: readonly (readonly [name: string, summary: string, load: () => Promise<RegisterCommand>])[] =
  [
    ['dev', 'Run everything in one process, for trying', async () => (await import('./dev.ts')).register],
    [
      'certificate',
      'Get a certificate for a fresh key',
      async () => (await import('./certificate.ts')).register,
    ],
    ['init', 'Make a CA and its log for production', async () => (await import('./init.ts')).register],
    ['serve', 'Run the service', async () => (await import('./serve.ts')).register],
    ['verify', 'Check what was issued, offline', async () => (await import('./verify.ts')).register],
    ['log', 'Read and check a transparency log', async () => (await import('./log.ts')).register],
    ['token', 'Print a token of the development issuer', async () => (await import('./token.ts')).register],
    ['trust', 'Write what verifiers need', async () => (await import('./trust.ts')).register],
  ];

const VERSION = '0.1.0';

/** Runs the command line; sets `process.exitCode`. `argv` is without node and script. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('mayfly')
    .description(
      'A certificate authority for code signing: OpenID token in, ten-minute logged certificate out.',
    )
    .version(VERSION)
    .showHelpAfterError('(add --help for usage)')
    .exitOverride();
  const wanted = argv.find((word) => !word.startsWith('-'));
  try {
    for (const [name, summary, load] of COMMANDS) {
      if (wanted === name) (await load())(program);
      else program.command(name).summary(summary).description(summary);
    }
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has already printed; help and version are successes, everything else is wrong usage.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    tellFailure(error, argv.includes('--json'));
    process.exitCode = 1;
  }
}
