/** `mayfly sign`: a standard bundle for each file, under one certificate. */
import { action, type RegisterCommand, type Speaker } from '../program/command.ts';
import { trustPath } from '../verify/chosen-trust.ts';
import { bytesOf, requireOneStdin } from './artifact.ts';
import { signArtifacts, type SignedBytes } from './sign-artifacts.ts';
import { report, requireOneAnswer } from './sign-report.ts';
import type { SigningKey } from './signing-key.ts';
import { tokenSource, withSigningOptions, type SigningOptions } from './signing-options.ts';

const EXAMPLES = `
The bundle is Sigstore's (v0.3), with a timestamp: cosign, sigstore-js, sigstore-python and others verify it. It goes to
FILE.sigstore.json; a bundle of stdin goes to stdout. Nothing that is there is replaced without --force.

The token comes from --token-file, else from SIGSTORE_ID_TOKEN, else from the GitHub Actions job this runs in, else from
a login. All files are signed with one key and one certificate. The key is in no file and is gone at the end.

Where to sign is the Mayfly at --url, which also says whom to trust; or what the files of --trust-config, or of
--signing-config and --trusted-root say, of whatever Sigstore. Each bundle is verified before it is written: chain, proof
of logging, timestamp. When anything fails, no bundle is written.

Examples:
  mayfly sign app.tar.gz                                   writes app.tar.gz.sigstore.json
  mayfly sign --trust-config client_trust_config.json dist/*.tgz
  mayfly sign --url https://ca.example.com --trusted-root trust/trusted_root.json app.tar.gz
  tar c src | mayfly sign - > src.sigstore.json
  SIGSTORE_ID_TOKEN=$(mayfly token --email you@example.com) mayfly sign app.tar.gz
`;

/** Adds the command. */
export const register: RegisterCommand = (program) => {
  const command = program
    .command('sign')
    .summary('sign files')
    .description('Sign files: a Sigstore bundle for each, with a timestamp, verified before it is written.')
    .argument('<FILE...>', 'what to sign ("-" reads stdin)');
  withSigningOptions(command).addHelpText('after', EXAMPLES).action(action(signFiles));
};

async function signFiles(
  options: SigningOptions,
  speak: Speaker,
  files: readonly string[],
): Promise<undefined> {
  requireOneStdin([...files.map((file) => ['FILE', file] as const), ['--token-file', options.tokenFile]]);
  requireOneAnswer(options.bundle, files, speak.json);
  const outcome = await signArtifacts({
    artifacts: files,
    sign: signFile,
    output: options,
    services: options,
    token: tokenSource(options),
    clock: Date.now,
    speak,
  });
  report(outcome, speak, trustPath(options) ?? options.trustConfig);
}

async function signFile(file: string, key: SigningKey): Promise<SignedBytes> {
  const { signature, ...read } = await key.sign(bytesOf(file));
  const digest = { algorithm: 'SHA2_256', digest: read.digest } as const;
  return { content: { type: 'message', digest, signature }, read };
}
