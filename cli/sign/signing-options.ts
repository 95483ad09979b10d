/** Options that `mayfly sign` and `mayfly attest` share. */
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import type { TokenSource } from '../certificate/identity-token.ts';
import type { LoginFlow } from '../certificate/login.ts';
import { notify } from '../program/command.ts';
import { parseChoice } from '../program/options.ts';
import { isTerminal } from '../program/standard-streams.ts';
import type { OutputOptions } from './bundle-files.ts';
import { USUAL_URL, type ServiceOptions } from './signing-services.ts';

/** What the options hold. */
export interface SigningOptions extends ServiceOptions, OutputOptions {
  readonly tokenFile?: string;
  readonly issuer?: string;
  readonly clientId?: string;
  readonly flow?: string;
  readonly json?: boolean;
}

const FLOWS: readonly LoginFlow[] = ['browser', 'device'];

/** Adds the options to a command. */
export const withSigningOptions = (command: CommandUnknownOpts): CommandUnknownOpts =>
  command
    .option('--url <url>', `the Mayfly to sign with (default: ${USUAL_URL})`)
    .option('--trust-config <file>', 'sign with the services of this client trust config, of any Sigstore')
    .option('--signing-config <file>', 'sign with the services of this signing config; with --trusted-root')
    .option('--trusted-root <path>', 'verify the bundle by this trusted root before it is handed over')
    .option('--trust <path>', 'the same as --trusted-root, as other commands call it')
    .option('--bundle <file>', 'where the bundle goes ("-" is stdout; default: FILE.sigstore.json)')
    .option('--output <dir>', 'the directory that the bundles go to, each as NAME.sigstore.json')
    .option('--force', 'replace bundles that are there already')
    .option('--token-file <file>', 'file with the identity token ("-" reads stdin)')
    .option('--issuer <url>', 'log in here')
    .option('--client-id <id>', "log in as this client; in a GitHub Actions job, the token's audience")
    .option('--flow <kind>', `how to log in: ${FLOWS.join(' or ')}`)
    .option('--json', 'print one JSON object');

/** Where the token comes from. */
export const tokenSource = ({
  tokenFile,
  issuer,
  clientId,
  flow,
}: SigningOptions): Omit<TokenSource, 'usualIssuer'> => ({
  tokenFile,
  issuer,
  clientId,
  flow: flow === undefined ? undefined : parseChoice(flow, '--flow', FLOWS),
  env: process.env,
  interactive: isTerminal(2) && process.env['CI'] === undefined,
  // On stderr even with --json: without the address nobody can log in.
  notify,
});
