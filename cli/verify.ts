/** `mayfly verify certificate`: the offline verifier. */
import type { Command } from 'commander';
import { parseRfc3339 } from '../core/clock.ts';
import { compileRegularExpression, PatternFault } from '../policy/regular-expression.ts';
import {
  anything,
  exactly,
  matching,
  type IdentityPolicy,
  type TextPolicy,
} from '../verify/identity-policy.ts';
import type { StepName } from '../verify/step.ts';
import { VerifyError } from '../verify/verify-error.ts';
import { verifyCertificate } from '../verify/verify-certificate.ts';
import { readCertificateFile } from './certificate-file.ts';
import { action, CommandError, exitCodeOfJudge, type RegisterCommand, type Speaker } from './command.ts';
import { readFileOrStdin } from './input-file.ts';
import { platformCrypto } from './platform-crypto.ts';
import { readTrustDirectory } from './trust-directory.ts';
import { verificationFacts, verificationReport, verificationText } from './verification-report.ts';

interface VerifyOptions {
  readonly trust?: string;
  readonly identity?: string;
  readonly issuer?: string;
  readonly identityRegexp?: string;
  readonly issuerRegexp?: string;
  readonly anyIdentity?: true;
  readonly at?: string;
  readonly proof?: string;
  readonly requireInclusion?: true;
}

const EXAMPLES = `
Nothing is asked of any network: the certificate, the trust directory (mayfly trust export) and, for inclusion, a
proof (mayfly log proof) are all that is read. Exit status: 0 every step passed, 1 one failed, 2 wrong
use or a file that cannot be used, 3 it could not be judged.

Examples:
  mayfly verify certificate cert.pem --trust trust --identity you@example.com --issuer https://accounts.example.com
  mayfly verify certificate cert.pem --trust trust --issuer https://token.actions.githubusercontent.com \\
    --identity-regexp 'https://github\\.com/our-org/.*'
  mayfly verify certificate cert.pem --trust trust --any-identity --proof cert.tlog-proof --require-inclusion
  mayfly verify certificate cert.pem --trust trust --any-identity --at 2026-11-22T10:00:00Z --json
`;

/** Adds the command. */
export const register: RegisterCommand = (program) => {
  const group = program
    .command('verify')
    .summary('check what was issued, offline')
    .description('Check what was issued, from files alone.')
    .addHelpText('after', EXAMPLES);
  group
    .command('certificate')
    .summary('check a certificate step by step')
    .description(
      'Check a certificate: its use, its SCT, its chain at that time, whom it is for, and that the log has it.',
    )
    .argument('<CERT>', 'the certificate, PEM or DER; of a chain the first one; - for stdin')
    .option('--trust <dir>', 'directory with root.pem, intermediate.pem, log.pub.pem and log.vkey')
    .option('--identity <text>', 'the identity that the certificate must be for, exactly')
    .option('--issuer <url>', 'the OpenID issuer that must have vouched for it, exactly')
    .option(
      '--identity-regexp <expression>',
      'the same as an expression (RE2) that must cover the whole identity',
    )
    .option(
      '--issuer-regexp <expression>',
      'the same as an expression (RE2) that must cover the whole issuer',
    )
    .option('--any-identity', 'do not check whom the certificate is for')
    .option(
      '--at <time>',
      'RFC 3339 time at which the chain must have been valid; default is the time of the SCT',
    )
    .option('--proof <file>', 'inclusion proof (.tlog-proof) to check; - for stdin')
    .option('--require-inclusion', 'fail without an inclusion proof')
    .option(
      '--json',
      'print {"ok":…,"at":…,"identity":…,"issuer":…,"steps":[…],"failed":[…],"skipped":[…],"notChecked":[…]}',
    )
    .addHelpText('after', EXAMPLES)
    .action(action(verify, exitCodeOfJudge));
  suggestFor(group);
};

/** Called last: what is allowed here would otherwise be allowed to the subcommands too. */
function suggestFor(group: Command): void {
  group
    .usage('[options] [command]')
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      suggest(group);
    });
}

/** Answers `mayfly verify` with anything but a subcommand behind it, most often the certificate itself. Nothing of it
 * is repeated: it may be a secret in the wrong place. */
function suggest(group: Command): never {
  if (group.args.length === 0) group.help({ error: true });
  throw new CommandError('USAGE', 'the word after `verify` must say what to check', {
    hint: 'Give it: mayfly verify certificate CERT --trust DIR …  See: mayfly verify certificate --help',
  });
}

async function verify(options: VerifyOptions, speak: Speaker, args: readonly string[]): Promise<boolean> {
  const policy = policyOf(options);
  const at = timeOf(options.at);
  const trust = await readTrustDirectory(trustOf(options.trust));
  const [file = ''] = args;
  if (file === '-' && options.proof === '-')
    throw new CommandError('USAGE', 'stdin can be only one of CERT and --proof', {
      hint: 'Write the other one into a file.',
    });
  const certificate = await readCertificateFile(file);
  const proof =
    options.proof === undefined ? undefined : await readFileOrStdin(options.proof, '--proof', PROOF_HINT);
  const { requireInclusion } = options;
  const request = { certificate, trust, policy, at, proof, requireInclusion, crypto: platformCrypto };
  const verification = await usable(() => verifyCertificate(request), 'the trust directory');
  const report = verificationReport(verification, notCheckedOf(options));
  speak.answer(verificationFacts(report), verificationText(report));
  if (options.anyIdentity === true) speak.note('Not checked: whom the certificate is for (--any-identity).');
  if (proof === undefined && requireInclusion !== true) {
    speak.note('Not checked: that the log still has it. The SCT is its promise; --proof FILE checks that.');
  }
  return verification.ok;
}

const PROOF_HINT = 'Make one with: mayfly log proof CERT --url URL';

function trustOf(directory: string | undefined): string {
  if (directory !== undefined) return directory;
  throw new CommandError(
    'USAGE',
    'give --trust: without roots and log keys of your own nothing can be judged',
    {
      hint: 'The operator of the CA makes the directory with: mayfly trust export --data DIR --out DIR',
    },
  );
}

function timeOf(text: string | undefined): number | undefined {
  const at = text === undefined ? undefined : parseRfc3339(text);
  if (text === undefined || at !== undefined) return at;
  throw new CommandError('USAGE', `--at: "${text}" is no RFC 3339 time`, {
    hint: 'Write it with date, time and zone, e.g. 2026-11-22T10:00:00Z or 2026-11-22T11:00:00+01:00.',
  });
}

function policyOf(options: VerifyOptions): IdentityPolicy {
  const { identity, identityRegexp, issuer, issuerRegexp } = options;
  const named = [identity, identityRegexp, issuer, issuerRegexp].some((value) => value !== undefined);
  if (options.anyIdentity === true) {
    if (!named) return { identity: anything, issuer: anything };
    throw new CommandError('USAGE', '--any-identity contradicts the identity or issuer beside it', {
      hint: 'Leave one of them out.',
    });
  }
  if (!named) {
    throw new CommandError('USAGE', 'say whom the certificate must be for: --identity and --issuer', {
      hint: 'A certificate that is merely genuine says little: anyone can get one. To see whose it is: --any-identity.',
    });
  }
  return {
    identity: textPolicy('identity', identity, identityRegexp),
    issuer: textPolicy('issuer', issuer, issuerRegexp),
  };
}

function textPolicy(
  what: 'identity' | 'issuer',
  exact: string | undefined,
  expression: string | undefined,
): TextPolicy {
  if (exact !== undefined && expression !== undefined) {
    throw new CommandError('USAGE', `give --${what} or --${what}-regexp, not both`);
  }
  if (exact !== undefined) return exactly(exact);
  if (expression !== undefined) return readExpression(what, expression);
  throw new CommandError('USAGE', `--${what} or --${what}-regexp is missing`, {
    hint: 'An identity counts only together with the issuer that vouched for it.',
  });
}

function readExpression(what: string, expression: string): TextPolicy {
  try {
    const compiled = compileRegularExpression(expression);
    return matching(expression, (text) => compiled.isAllOf(text));
  } catch (error) {
    if (!(error instanceof PatternFault)) throw error;
    throw new CommandError('USAGE', `--${what}-regexp: the regular expression ${error.message}`, {
      hint: 'Write it as RE2 and Go do, without look-around and back-references, e.g. "\\." for a dot.',
    });
  }
}

async function usable<T>(run: () => Promise<T>, what: string): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    throw new CommandError('USAGE', `${what}: ${error.message}`, { hint: error.hint });
  }
}

/** What the options leave unchecked. */
function notCheckedOf({ anyIdentity, proof, requireInclusion }: VerifyOptions): StepName[] {
  return [
    ...(anyIdentity === true ? (['identity', 'issuer'] as const) : []),
    ...(proof === undefined && requireInclusion !== true ? (['inclusion'] as const) : []),
  ];
}
