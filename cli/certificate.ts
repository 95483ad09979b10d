/** `mayfly certificate`: the signing client. Key, token, proof, request, and then nothing is written unchecked. */
import { rfc3339 } from '../core/clock.ts';
import { challengeOf } from './client/challenge.ts';
import { checkAnswer, type CheckedAnswer } from './client/check-answer.ts';
import {
  credentialPaths,
  makeOutputDirectory,
  requireReplaceable,
  writeCredentials,
  type CredentialPaths,
} from './client/credential-files.ts';
import { parseUrl } from './client/http.ts';
import { identityToken } from './client/identity-token.ts';
import { KEY_TYPES, makeClientKey, type ClientKey } from './client/key-pair.ts';
import type { LoginFlow } from './client/login.ts';
import { printable } from '../core/printable.ts';
import { ServiceClient } from './client/service.ts';
import { readTokenClaims, type TokenClaims } from './client/token-claims.ts';
import { loadTrust } from './client/trust.ts';
import { action, tell, type RegisterCommand, type Speaker } from './command.ts';
import { invocation, quoted } from './invocation.ts';
import { parseChoice } from './options.ts';
import { readSecretFile } from './secret-file.ts';

interface CertificateOptions {
  readonly url: string;
  readonly tokenFile?: string;
  readonly trust?: string;
  readonly accessTokenFile?: string;
  readonly out: string;
  readonly issuer?: string;
  readonly clientId?: string;
  readonly flow?: string;
  readonly keyType: string;
  readonly force?: boolean;
}

const EXAMPLES = `
The token comes from --token-file, else from SIGSTORE_ID_TOKEN, else from the GitHub Actions job this runs in, else from
a login at the service's issuer. It is sent over TLS or to this machine, never over plain HTTP to another one.

Written are key.pem (mode 0600), cert.pem and chain.pem (the CA's certificates), after the answer was checked: the chain,
the proof of logging, that the key is ours and the name is the token's. Files of an earlier run are replaced, others
are not (--force). Without --trust the service is checked against its own word only.

With --json a refusal is {"error":{"code":…,"message":…,"hint":…}}; where the service says when to try again (a rate
limit, a service that is busy), "retryAfterSeconds" is that in whole seconds.

Examples:
  SIGSTORE_ID_TOKEN=$(mayfly token --email you@example.com) mayfly certificate
  mayfly certificate --url https://ca.example.com --trust trust --out keys
  mayfly token --claims job.json | mayfly certificate --token-file -
  mayfly certificate --flow device             log in on another device
`;

const FLOWS: readonly LoginFlow[] = ['browser', 'device'];

/** Adds the command. */
export const register: RegisterCommand = (program) => {
  program
    .command('certificate')
    .summary('get a certificate for a fresh key')
    .description('Get a ten-minute certificate for a fresh key, checked before it is written.')
    .option('--url <url>', 'where the service is', 'http://127.0.0.1:5555')
    .option('--token-file <file>', 'file with the identity token ("-" reads stdin)')
    .option(
      '--trust <dir>',
      'check against this (from `mayfly trust export`), not against the service itself',
    )
    .option('--access-token-file <file>', 'file with the access token of the log, read only without --trust')
    .option('--out <dir>', 'where to write key.pem, cert.pem and chain.pem', '.')
    .option('--issuer <url>', 'log in here')
    .option(
      '--client-id <id>',
      "log in as this client; in a GitHub Actions job, the token's audience (default: the service's for that issuer, else sigstore)",
    )
    .option('--flow <kind>', `how to log in: ${FLOWS.join(' or ')}`)
    .option('--key-type <type>', KEY_TYPES.join(', '), 'p256')
    .option('--force', 'overwrite files that no earlier run wrote')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action(getCertificate));
};

async function getCertificate(options: CertificateOptions, speak: Speaker): Promise<undefined> {
  const keyType = parseChoice(options.keyType, '--key-type', KEY_TYPES);
  const flow = options.flow === undefined ? undefined : parseChoice(options.flow, '--flow', FLOWS);
  const logToken = await readSecretFile(options.accessTokenFile, 'access token');
  const service = new ServiceClient(parseUrl(options.url, '--url'), logToken);
  // Before the login, so that nobody logs in for nothing.
  const trust = await loadTrust(options.trust, service);
  const paths = credentialPaths(options.out);
  if (options.force !== true) await requireReplaceable(paths);
  const token = await identityToken(tokenSource(options, flow), service);
  const claims = readTokenClaims(token);
  const key = makeClientKey(keyType);
  const chain = await request(service, token, claims, key);
  const answer = await checkAnswer({ chain, key, claims, trust, clock: Date.now });
  await makeOutputDirectory(options.out);
  await writeCredentials(paths, {
    key: key.privatePem,
    certificate: answer.certificatePem,
    chain: answer.chainPem,
  });
  speak.answer(jsonOf(answer, paths), textOf(answer, paths, options));
  return undefined;
}

const tokenSource = (options: CertificateOptions, flow: LoginFlow | undefined) => ({
  tokenFile: options.tokenFile,
  issuer: options.issuer,
  clientId: options.clientId,
  flow,
  env: process.env,
  interactive: process.stderr.isTTY && process.env['CI'] === undefined,
  // On stderr even with --json: without the address nobody can log in.
  tell,
});

async function request(
  service: ServiceClient,
  token: string,
  claims: TokenClaims,
  key: ClientKey,
): Promise<readonly string[]> {
  const needsAdvice = claims.email !== undefined && !claims.emailVerified;
  const offered = needsAdvice
    ? (await service.issuers()).find(({ url }) => url === claims.issuer)
    : undefined;
  const proof = key.prove(challengeOf(claims, offered));
  return await service.requestCertificate({ token, publicKey: key.publicPem, proof });
}

const jsonOf = (answer: CheckedAnswer, paths: CredentialPaths): Record<string, unknown> => ({
  key: paths.key,
  certificate: paths.certificate,
  chain: paths.chain,
  identity: answer.identity,
  issuer: answer.issuer,
  serial: answer.serial,
  notBefore: rfc3339(answer.notBefore),
  notAfter: rfc3339(answer.notAfter),
  loggedAt: answer.loggedAt === undefined ? null : rfc3339(answer.loggedAt),
  trust: answer.trustedBy,
  notes: answer.notes,
});

function textOf(answer: CheckedAnswer, paths: CredentialPaths, options: CertificateOptions): string {
  const identity = printable(answer.identity);
  const issuer = printable(answer.issuer);
  const next = [
    `${invocation()} verify certificate ${quoted(paths.certificate)} --trust ${quoted(options.trust ?? 'DIR')}`,
    `--identity ${quoted(identity)} --issuer ${quoted(issuer)}`,
  ];
  return [
    `Certificate for ${identity} (issuer ${issuer}), valid until ${rfc3339(answer.notAfter)}`,
    `  key          ${paths.key}`,
    `  certificate  ${paths.certificate}`,
    `  chain        ${paths.chain}`,
    `Checked: chain, ${answer.loggedAt === undefined ? '' : 'proof of logging, '}own key, own name.`,
    ...answer.notes.map((note) => `Note: ${note}`),
    `Next: ${next.join(' ')}`,
    ...(options.trust === undefined
      ? ['  (DIR: what `mayfly trust export` wrote where the service runs)']
      : []),
  ].join('\n');
}
