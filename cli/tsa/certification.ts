/** The two ways to a certificate for timestamps: from a root key that is at hand, or by a request to where it is. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { basename } from 'node:path';
import { certifyTimestamps, timestampRequest } from '../../ca/timestamp-certificate.ts';
import { readTimestampChain } from '../../ca/timestamp-chain.ts';
import { equalBytes } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { FormatError } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import type { CheckedChain } from '../../instance/stage-successor.ts';
import { readNamedKey } from '../../signers/key-file.ts';
import { quoted } from '../../storage/quoted-path.ts';
import { writeOutput } from '../ca/ca-output.ts';
import { CommandError } from '../program/command.ts';
import { readLimited, readSecret } from '../program/input-file.ts';
import type { TimestampDirectory } from './timestamp-directory.ts';

/** Where a certificate comes from: one of the three is given. */
export interface CertificationOptions {
  readonly rootKey?: string;
  readonly rootPassphraseFile?: string;
  readonly root?: string;
  readonly csr?: string;
  readonly install?: string;
  readonly keyType?: string;
  readonly commonName?: string;
}

/** Throws {@link CommandError} `USAGE`, which says `otherwise`, unless exactly one way is chosen and no option that belongs to another one. */
export function checkWays(options: CertificationOptions, otherwise: string): void {
  const { rootKey, csr, install } = options;
  if ([rootKey, csr, install].filter((way) => way !== undefined).length !== 1)
    throw usage(otherwise, 'With --root-key at once; with the others the root key stays where it is.');
  if (rootKey === undefined && (options.root ?? options.rootPassphraseFile) !== undefined)
    throw usage('--root and --root-passphrase-file belong to --root-key', 'Leave them out.');
  if (install !== undefined && (options.keyType ?? options.commonName) !== undefined)
    throw usage('--key-type and --common-name belong to --root-key and --csr', 'Leave them out.');
}

/** Signs for the key with the root's. The chain was checked. Rejects with the typed error of what does not fit. */
export async function certifyHere(
  key: KeyObject,
  commonName: string,
  options: CertificationOptions,
  directory: TimestampDirectory,
): Promise<CheckedChain> {
  // A root key that lies on the server may have the server's passphrase.
  const passphrase =
    (await readSecret(options.rootPassphraseFile, 'root passphrase')) ?? directory.passphrase;
  const file = options.rootKey ?? '';
  const rootKey = await readNamedKey(file, await readLimited(file, '--root-key'), passphrase);
  const chain = await certifyTimestamps(createPublicKey(key), commonName, {
    root: await rootPem(options.root, directory),
    rootKey,
    clock: Date.now,
  });
  return checkedChain(chain, key, directory.root);
}

/** All of the chain in force by default, so that a key of the wrong CA in it is recognised. */
const rootPem = async (file: string | undefined, { paths }: TimestampDirectory): Promise<string> =>
  Buffer.from(await readLimited(file ?? paths.chain, file === undefined ? '--data' : '--root')).toString(
    'latin1',
  );

/** Reads the chain that was made of a request for the key. Rejects with AuthorityError or {@link CommandError}. */
export async function chainFromFile(
  file: string,
  key: KeyObject,
  directory: TimestampDirectory,
): Promise<CheckedChain> {
  const text = Buffer.from(await readLimited(file, 'the chain')).toString('latin1');
  checkKind(text, file);
  return checkedChain(text, key, directory.root);
}

/** What is often handed in instead. Throws {@link CommandError}. */
function checkKind(text: string, file: string): void {
  if (/-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----/.test(text))
    throw usage(
      `${file} is the certificate signing request`,
      'Where the root key is, `mayfly ca sign --timestamps` makes the chain of it: give that.',
    );
  if (beginsWithRoot(text))
    throw usage(
      `${file} begins with the root`,
      'Put the certificate for timestamps first, and the root last.',
    );
}

/** False also for what is no chain, of which the full check says more. */
function beginsWithRoot(text: string): boolean {
  try {
    const [first, second] = decodePem(text);
    if (first === undefined || second === undefined) return false;
    const { subject, issuer } = parseCertificate(first.bytes);
    return equalBytes(subject, issuer);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** The chain as it is to be kept, if it is one for the key, valid now, and below `root` (DER) where one is given. Throws AuthorityError. */
export function checkedChain(text: string, key: KeyObject, root?: Uint8Array): CheckedChain {
  const spki = new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  const { chainPem, certificates } = readTimestampChain(text, { now: Date.now(), spki, root });
  return { chainPem, chain: certificates.map(({ der }) => der) };
}

/** Writes a request for the key, and returns what to do with it. */
export async function requestElsewhere(
  csr: string,
  pem: string,
  install: string,
): Promise<readonly string[]> {
  await writeOutput(csr, pem, '--csr');
  return [
    `Request: ${csr}`,
    'Next, where the root key is (any X.509 tool does):',
    `  mayfly ca sign ${quoted(basename(csr))} --timestamps --root root.pem --root-key root.key.pem --out tsa-chain.pem`,
    'and here again:',
    `  ${install}`,
  ];
}

/** The request itself, PEM: made before anything is written. */
export const requestFor = (
  key: KeyObject,
  commonName: string,
  { root }: TimestampDirectory,
): Promise<string> => timestampRequest(key, root, commonName);

/** An error of usage. */
export const usage = (sentence: string, hint: string): CommandError =>
  new CommandError('USAGE', sentence, { hint });
