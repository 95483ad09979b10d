/** `mayfly certificate`: the signing client. Key, token, proof, request, and then nothing is written unchecked. */
import { resolve } from 'node:path';
import { certificateFacts, certificateText, type CertificateOutcome } from './certificate-report.ts';
import { checkAnswer } from './check-answer.ts';
import {
  credentialPaths,
  keyLeftBehind,
  makeOutputDirectory,
  requireReplaceable,
  writeCredentials,
} from './credential-files.ts';
import { parseUrl } from './http.ts';
import { identityToken } from './identity-token.ts';
import { KEY_TYPES, makeClientKey, readClientKey, type ClientKey } from './key-pair.ts';
import type { LoginFlow } from './login.ts';
import { ServiceClient } from './service.ts';
import { requestCertificate } from './request-certificate.ts';
import { readTokenClaims } from './token-claims.ts';
import { loadTrust } from './trust.ts';
import { action, CommandError, notify, type RegisterCommand, type Speaker } from '../program/command.ts';
import { readFileOrStdin, readAccessToken } from '../program/input-file.ts';
import { parseChoice } from '../program/options.ts';
import { isTerminal } from '../program/standard-streams.ts';
import { trustPath, type TrustOptions } from '../verify/chosen-trust.ts';

interface CertificateOptions extends TrustOptions {
  readonly url: string;
  readonly tokenFile?: string;
  readonly accessTokenFile?: string;
  readonly out: string;
  readonly issuer?: string;
  readonly clientId?: string;
  readonly flow?: string;
  readonly key?: string;
  readonly keyOut?: string;
  readonly keyType?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
The token comes from --token-file, else from SIGSTORE_ID_TOKEN, else from the GitHub Actions job this runs in, else from
a login at the service's issuer. It is sent over TLS or to this machine, never over plain HTTP to another one.

Written are cert.pem and chain.pem (the CA's certificates), after the answer was checked: the chain, the proof of logging, that
the key is ours and the name is the token's. Files of an earlier run are replaced, others are not (--force). Without --trust
the service is checked against its own word only.

The private key is forgotten, unless --key-out says where it goes: anyone who has it signs in the name of the certificate, also
when that has ended, and no verifier sees the difference unless a timestamp shows when. Delete it when all is signed; on
stdout (--key-out -) it need not lie on a disk at all. --key certifies a key that you have already, and copies it nowhere.

With --json a refusal is {"error":{"code":…,"message":…,"hint":…}}; where the service says when to try again (a rate
limit, a service that is busy), "retryAfterSeconds" is that in whole seconds.

Examples:
  SIGSTORE_ID_TOKEN=$(mayfly token --email you@example.com) mayfly certificate
  mayfly certificate --url https://ca.example.com --trust trust --key release.key.pem
  openssl dgst -sha256 -sign <(mayfly certificate --key-out -) -out app.sig app      in bash: the key is in no file
  mayfly token --claims job.json | mayfly certificate --token-file -
  mayfly certificate --flow device             log in on another device
`;

const FLOWS: readonly LoginFlow[] = ['browser', 'device'];

/** Adds the command. */
export const register: RegisterCommand = (program) => {
  program
    .command('certificate')
    .summary('get a certificate for a fresh key')
    .description('Get a ten-minute certificate, for a fresh key or your own, checked before it is written.')
    .option('--url <url>', 'where the service is', 'http://127.0.0.1:5555')
    .option('--token-file <file>', 'file with the identity token ("-" reads stdin)')
    .option(
      '--trust <path>',
      'check against this (from `mayfly trust export`), not against the service itself',
    )
    .option('--trusted-root <path>', 'the same, as it is called where a bundle is made or verified')
    .option('--access-token-file <file>', 'file with the access token of the log, read only without --trust')
    .option('--out <dir>', 'where to write cert.pem and chain.pem', '.')
    .option('--key-out <file>', 'keep the fresh private key there, mode 0600 ("-" writes it to stdout)')
    .option('--key <file>', 'certify this private key, PEM, instead of a fresh one ("-" reads stdin)')
    .option('--issuer <url>', 'log in here')
    .option(
      '--client-id <id>',
      "log in as this client; in a GitHub Actions job, the token's audience (default: the service's for that issuer, which a job takes only where it is the service's host or URL; else sigstore)",
    )
    .option('--flow <kind>', `how to log in: ${FLOWS.join(' or ')}`)
    .option('--key-type <type>', `of a fresh key: ${KEY_TYPES.join(', ')} (default: p256)`)
    .option('--force', 'overwrite files that no earlier run wrote')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(getCertificate));
};

async function getCertificate(options: CertificateOptions, speak: Speaker): Promise<undefined> {
  checkCombination(options);
  const key = await keyOf(options);
  const flow = options.flow === undefined ? undefined : parseChoice(options.flow, '--flow', FLOWS);
  const logToken = await readAccessToken(options.accessTokenFile, 'access token');
  const service = new ServiceClient(parseUrl(options.url, '--url'), logToken);
  // Before the login, so that nobody logs in for nothing.
  const trust = await loadTrust(trustPath(options), service);
  const paths = credentialPaths(options.out, options.keyOut === '-' ? undefined : options.keyOut);
  if (options.force !== true) await requireReplaceable(paths);
  const leftBehind = await keyLeftBehind(options.out, paths);
  const token = await identityToken(tokenSource(options, flow), service);
  const claims = readTokenClaims(token);
  const chain = await requestCertificate(service, { token, claims, key });
  const answer = await checkAnswer({ chain, key, claims, trust, clock: Date.now });
  await makeOutputDirectory(options.out);
  const { certificatePem: certificate, chainPem } = answer;
  await writeCredentials(paths, { key: key.privatePem, certificate, chain: chainPem });
  const notes = [
    ...(trust.trustedBy === 'service' ? [OWN_WORD] : []),
    ...answer.notes,
    ...(leftBehind === undefined ? [] : [leftBehindNote(leftBehind)]),
  ];
  const outcome = {
    answer: { ...answer, notes },
    paths,
    hasKey: options.key !== undefined || options.keyOut !== undefined,
  };
  report(outcome, options, key, speak);
  return undefined;
}

/** Options that exclude each other; what they were given is not repeated. */
function checkCombination({ key, keyOut, keyType, tokenFile, out, json }: CertificateOptions): void {
  const wrong: readonly (readonly [boolean, string])[] = [
    [key !== undefined && keyOut !== undefined, '--key-out is for a fresh key, and --key names your own'],
    [key !== undefined && keyType !== undefined, '--key-type is for a fresh key, and --key names your own'],
    [key === '-' && tokenFile === '-', 'stdin can be only one of --key and --token-file'],
    [keyOut === '-' && json === true, '--key-out - writes the key to stdout, where --json would write too'],
    [keyOut === '-' && isTerminal(1), '--key-out - would show the private key on the terminal'],
    [isOutputOf(out, keyOut), '--key-out names a file that the certificates go to'],
  ];
  const [, sentence] = wrong.find(([isWrong]) => isWrong) ?? [];
  if (sentence !== undefined)
    throw new CommandError('USAGE', sentence, { hint: 'See: mayfly certificate --help' });
}

function isOutputOf(out: string, file: string | undefined): boolean {
  if (file === undefined) return false;
  const { certificate, chain } = credentialPaths(out, undefined);
  return [certificate, chain].some((path) => resolve(path) === resolve(file));
}

async function keyOf({ key, keyType }: CertificateOptions): Promise<ClientKey> {
  if (key !== undefined) return await readClientKey(await readFileOrStdin(key, '--key'));
  return makeClientKey(parseChoice(keyType ?? 'p256', '--key-type', KEY_TYPES));
}

const OWN_WORD = "checked against the service's own word only; --trust DIR checks against what you trust";

const leftBehindNote = (path: string): string =>
  `${path} is the key of the certificate that was replaced: delete it, unless you still need it`;

const tokenSource = (options: CertificateOptions, flow: LoginFlow | undefined) => ({
  tokenFile: options.tokenFile,
  issuer: options.issuer,
  clientId: options.clientId,
  flow,
  env: process.env,
  interactive: isTerminal(2) && process.env['CI'] === undefined,
  // On stderr even with --json: without the address nobody can log in.
  notify,
});

/** On stdout the key is alone. */
function report(
  outcome: CertificateOutcome,
  { keyOut, ...options }: CertificateOptions,
  { privatePem = '' }: ClientKey,
  speak: Speaker,
): void {
  const text = certificateText(outcome, trustPath(options));
  if (keyOut === '-') notify(text);
  speak.answer(certificateFacts(outcome), keyOut === '-' ? privatePem.replace(/\n$/, '') : text);
}
