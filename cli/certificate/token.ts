/** `mayfly token`: a token of the development issuer, made with its key file and without a login. */
import { DataDirectoryError } from '../../instance/data-directory-error.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { readDevIssuer } from '../../dev/issuer-file.ts';
import { readIssuerKey } from '../../dev/issuer-key.ts';
import { isEmail } from '../../dev/email.ts';
import { emailClaims, mintToken, type MintedClaims } from '../../dev/mint-token.ts';
import { action, CommandError, type RegisterCommand, type Speaker } from '../program/command.ts';
import { parseInteger } from '../program/options.ts';
import { readInput } from '../program/input-file.ts';
import { writeText } from '../program/standard-streams.ts';

interface TokenOptions {
  readonly email?: string;
  readonly claims?: string;
  readonly data: string;
  readonly issuer?: string;
  readonly audience: string;
  readonly ttl: string;
}

const MAX_TTL = 10 * 365 * 24 * 3600;

const EXAMPLES = `
The token is all that stands on stdout, without a newline. It is good for the service that \`mayfly dev\` runs on the
same directory, and for no other: nothing asks who you are.

Examples:
  mayfly token --email you@example.com
  SIGSTORE_ID_TOKEN=$(mayfly token --email you@example.com) mayfly certificate
  mayfly token --claims job.json                        any claims; iss, aud, iat and exp are filled in when absent
  mayfly token --email you@example.com --ttl -60        one that expired a minute ago, to see the refusal
  mayfly token --email you@example.com --audience other one for somebody else
`;

/** Adds the command. */
export const register: RegisterCommand = (program) => {
  program
    .command('token')
    .summary('print a token of the development issuer')
    .description(
      'Print an identity token of the development issuer (`mayfly dev`), for development and for tests.',
    )
    .option('--email <address>', 'who to be')
    .option('--claims <file>', 'JSON file with the claims to make instead ("-" reads stdin)')
    .option('--data <dir>', 'the directory of `mayfly dev`', './.mayfly')
    .option('--issuer <url>', 'iss; default is the issuer that the directory was last started with')
    .option('--audience <name>', 'aud', 'sigstore')
    .option('--ttl <seconds>', 'life time; negative makes an expired token', '600')
    .option('--json', 'print {"token":…,"claims":…}')
    .addHelpText('after', EXAMPLES)
    .action(action(printToken));
};

async function printToken(options: TokenOptions, speak: Speaker): Promise<undefined> {
  const claims = await claimsOf(options);
  const ttlSeconds = parseInteger(options.ttl, '--ttl', -MAX_TTL, MAX_TTL);
  await requireDevDirectory(options.data);
  const key = await readIssuerKey(options.data);
  const issuer = options.issuer ?? (await readDevIssuer(options.data));
  if (issuer === undefined && claims['iss'] === undefined) throw notStarted(options.data);
  const defaults = { issuer: issuer ?? '', audience: options.audience, ttlSeconds };
  const token = await mintToken(key, claims, defaults, Date.now);
  if (speak.json) {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    speak.answer({ token, claims: JSON.parse(payload) as unknown }, '');
  } else {
    // No newline: what reads the token from a file or a variable often keeps it, and then the token is refused.

    writeText(1, token);
  }
  return undefined;
}

async function claimsOf(options: TokenOptions): Promise<MintedClaims> {
  if ((options.email === undefined) === (options.claims === undefined)) {
    throw new CommandError('USAGE', 'give either --email or --claims', {
      hint: 'For example: mayfly token --email you@example.com',
    });
  }
  if (options.claims !== undefined) return await readClaims(options.claims);
  const email = options.email ?? '';
  if (!isEmail(email)) throw new CommandError('USAGE', '--email: that is not an e-mail address');
  return emailClaims(email);
}

async function readClaims(file: string): Promise<MintedClaims> {
  const text = await readInput(file, '--claims');
  let claims: unknown;
  try {
    claims = JSON.parse(text);
  } catch {
    claims = undefined;
  }
  if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) return claims as MintedClaims;
  throw new CommandError('FAILED', `--claims: ${file} does not hold a JSON object`, {
    hint: 'For example {"sub":"repo:o/r:ref:refs/heads/main","repository":"o/r"}',
  });
}

async function requireDevDirectory(directory: string): Promise<void> {
  try {
    await openDataDirectory(directory, { mode: 'dev' });
  } catch (error) {
    if (error instanceof DataDirectoryError && error.code === 'DIRECTORY_MISSING')
      throw notStarted(directory);
    if (error instanceof DataDirectoryError && error.code === 'DIRECTORY_MODE') {
      throw new CommandError(
        'REFUSED',
        `${directory} is a production directory: nobody makes tokens for it here`,
        {
          hint: 'Tokens come from the issuers of its config.yaml. For development, use the directory of `mayfly dev`.',
        },
      );
    }
    throw error;
  }
}

const notStarted = (directory: string): CommandError =>
  new CommandError('FAILED', `there is no development issuer in ${directory} yet`, {
    hint: 'Run `npm start` (or `mayfly dev`) first; another directory goes in by --data.',
  });
