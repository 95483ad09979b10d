/** `mayfly attest`: says something of a file, in an in-toto statement that is signed as a DSSE envelope. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { IN_TOTO_PAYLOAD_TYPE, preAuthenticationEncoding } from '../../bundle/format/envelope.ts';
import { action, CommandError, type RegisterCommand, type Speaker } from '../program/command.ts';
import { readFileOrStdin } from '../program/input-file.ts';
import { trustPath } from '../verify/chosen-trust.ts';
import { bytesOf, requireOneStdin, STDIN } from './artifact.ts';
import { signArtifacts, type SignedBytes } from './sign-artifacts.ts';
import { report, requireOneAnswer } from './sign-report.ts';
import type { SigningKey } from './signing-key.ts';
import { tokenSource, withSigningOptions, type SigningOptions } from './signing-options.ts';
import { PREDICATE_LIMIT, PREDICATE_NAMES, predicateType, statementOf } from './statement.ts';

interface AttestOptions extends SigningOptions {
  readonly predicate?: string;
  readonly type?: string;
}

const EXAMPLES = `
What is signed is an in-toto statement: that what the predicate says holds for the file with that name and SHA-256. Login,
services and where the bundle goes are as for \`mayfly sign\`; a file that has both wants a --bundle of its own for one.

Types by name: ${PREDICATE_NAMES.join(', ')}.

Examples:
  mayfly attest app.tar.gz --predicate sbom.spdx.json --type spdxjson --bundle app.tar.gz.spdx.sigstore.json
  mayfly attest app.tar.gz --predicate provenance.json --type https://slsa.dev/provenance/v1
  make-sbom app.tar.gz | mayfly attest app.tar.gz --predicate - --type cyclonedx --bundle -
`;

/** Adds the command. */
export const register: RegisterCommand = (program) => {
  const command = program
    .command('attest')
    .summary('sign a statement about a file')
    .description('Sign a statement about a file (in-toto, DSSE): a Sigstore bundle with a timestamp.')
    .argument('<FILE>', 'what the statement is about')
    .option('--predicate <file>', 'JSON file with what is said of it ("-" reads stdin)')
    .option('--type <type>', 'what kind of predicate that is: a URI, or a name from the list');
  withSigningOptions(command).addHelpText('after', EXAMPLES).action(action(attestFile));
};

async function attestFile(
  options: AttestOptions,
  speak: Speaker,
  [file = '']: readonly string[],
): Promise<undefined> {
  const { predicate: predicateFile, type: named } = options;
  if (predicateFile === undefined || named === undefined)
    throw usage(
      `${predicateFile === undefined ? '--predicate' : '--type'} is missing`,
      'Say what holds for the file, and of which type that is.',
    );
  if (file === STDIN)
    throw usage(
      'a statement names the file that it is about, and stdin has no name',
      'Write it to a file first.',
    );
  requireOneStdin([
    ['--predicate', predicateFile],
    ['--token-file', options.tokenFile],
  ]);
  requireOneAnswer(options.bundle, [file], speak.json);
  const type = predicateType(named);
  const bytes = await readFileOrStdin(predicateFile, '--predicate', undefined, PREDICATE_LIMIT);
  const predicate = textOf(bytes);
  const outcome = await signArtifacts({
    artifacts: [file],
    sign: (artifact, key) => signStatement(artifact, key, { type, predicate }),
    output: options,
    services: options,
    token: tokenSource(options),
    clock: Date.now,
    speak,
  });
  report(outcome, speak, trustPath(options) ?? options.trustConfig);
}

async function signStatement(
  file: string,
  key: SigningKey,
  claim: { readonly type: string; readonly predicate: string },
): Promise<SignedBytes> {
  const hash = createHash('sha256');
  for await (const chunk of bytesOf(file)) hash.update(chunk);
  const digest = hash.digest();
  const payload = Buffer.from(statementOf({ ...claim, name: basename(file), digest }));
  const encoded = preAuthenticationEncoding({ payload, payloadType: IN_TOTO_PAYLOAD_TYPE });
  const { signature } = await key.sign([encoded]);
  const envelope = { payload, payloadType: IN_TOTO_PAYLOAD_TYPE, signature, keyId: '' };
  return { content: { type: 'envelope', envelope }, read: { digest, bytes: undefined } };
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw usage('--predicate is not UTF-8', 'A predicate is JSON.');
  }
}

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
