/**
 * The files that `mayfly certificate` writes: `cert.pem` and `chain.pem`, and the key (0600) where it is asked for.
 *
 * A certificate lives ten minutes, so a run replaces what the run before it wrote. It replaces nothing else: the names are
 * common ones, and somebody's key would be gone for good. The certificate says what an earlier run wrote: it names an
 * identity issuer, and a key is its own only if the certificate is for it.
 */
import { createPrivateKey, createPublicKey, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { equalBytes } from '../../core/bytes.ts';
import { findExtension, parseCertificate, type Certificate } from '../../core/certificate.ts';
import { decodePem } from '../../core/pem.ts';
import { ensureDirectory } from '../../storage/make-directory.ts';
import { readWhole, UnfitFile } from '../../storage/read-whole.ts';
import { CommandError } from '../program/command.ts';

/** Paths of the files. */
export interface CredentialPaths {
  readonly certificate: string;
  readonly chain: string;
  /** Where the private key is kept; undefined when it is not. */
  readonly key: string | undefined;
}

/** Their content in PEM; `key` is written only where its path is named. */
interface Credentials {
  readonly certificate: string;
  readonly chain: string;
  readonly key: string | undefined;
}

/** The files in `directory`, and the key's where it is to be kept. */
export const credentialPaths = (directory: string, key: string | undefined): CredentialPaths => ({
  certificate: join(directory, 'cert.pem'),
  chain: join(directory, 'chain.pem'),
  key,
});

/** Throws {@link CommandError} `REFUSED` when one of the files is there and was not written by an earlier run. */
export async function requireReplaceable(paths: CredentialPaths): Promise<void> {
  const certificate = certificateOfRun(await textOf(paths.certificate));
  const foreign: string[] = [];
  for (const path of [paths.certificate, paths.chain])
    if (certificate === undefined && (await textOf(path)) !== undefined) foreign.push(path);
  const key = paths.key === undefined ? undefined : await textOf(paths.key);
  if (paths.key !== undefined && key !== undefined && !isKeyOf(certificate, key)) foreign.push(paths.key);
  if (foreign.length === 0) return;
  throw new CommandError(
    'REFUSED',
    `${foreign.join(', ')}: not written by an earlier run of this command, so not replaced`,
    { hint: 'Name other places with --out and --key-out, or say --force to overwrite.' },
  );
}

/** The key that an earlier version kept beside its certificate without being asked, if it is still there: the next
 * certificate is not for it. Look before the certificate is replaced. */
export async function keyLeftBehind(directory: string, paths: CredentialPaths): Promise<string | undefined> {
  const path = join(directory, 'key.pem');
  if (paths.key !== undefined && resolve(path) === resolve(paths.key)) return undefined;
  const key = await textOf(path);
  const certificate = certificateOfRun(await textOf(paths.certificate));
  return key !== undefined && isKeyOf(certificate, key) ? path : undefined;
}

/** Beyond what a run writes. */
const LIMIT = 1024 * 1024;

/** Undefined when nothing is there; what is no file of ours is no text of ours. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readWhole(path, { size: LIMIT })).toString('latin1');
  } catch (error) {
    if (error instanceof UnfitFile) return '';
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw systemFault(path, error);
  }
}

/** Fulcio's issuer extension, old and new. */
const ISSUER_OIDS = ['1.3.6.1.4.1.57264.1.1', '1.3.6.1.4.1.57264.1.8'];

/** The certificate, if an earlier run wrote it. */
function certificateOfRun(text = ''): Certificate | undefined {
  try {
    const [block] = decodePem(text);
    if (block?.label !== 'CERTIFICATE') return undefined;
    const certificate = parseCertificate(block.bytes);
    const isNamed = ISSUER_OIDS.some((oid) => findExtension(certificate, oid) !== undefined);
    return isNamed ? certificate : undefined;
  } catch {
    return undefined;
  }
}

function isKeyOf(certificate: Certificate | undefined, key: string): boolean {
  try {
    const spki = createPublicKey(createPrivateKey(key)).export({ format: 'der', type: 'spki' });
    return certificate !== undefined && equalBytes(spki, certificate.spki);
  } catch {
    return false;
  }
}

interface Output {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** Writes all of them, each whole or not at all; the key first, so that a crash in between leaves a key that nothing
 * certifies, and the next run says what to do. Throws {@link CommandError} `FAILED`. */
export async function writeCredentials(paths: CredentialPaths, credentials: Credentials): Promise<void> {
  const outputs: Output[] = [
    { path: paths.certificate, text: credentials.certificate, mode: 0o644 },
    { path: paths.chain, text: credentials.chain, mode: 0o644 },
  ];
  if (paths.key !== undefined && credentials.key !== undefined)
    outputs.unshift({ path: paths.key, text: credentials.key, mode: 0o600 });
  const temporary = outputs.map(({ path }) => `${path}.${randomUUID()}.tmp`);
  try {
    for (const [i, output] of outputs.entries()) await writeSynced(temporary[i] ?? '', output);
    for (const [i, { path }] of outputs.entries()) await rename(temporary[i] ?? '', path);
  } catch (error) {
    await Promise.all(temporary.map((path) => rm(path, { force: true })));
    throw systemFault(outputs[0]?.path ?? '', error);
  }
}

/** Makes the directory if it is not there. Throws {@link CommandError} `FAILED`. */
export async function makeOutputDirectory(directory: string): Promise<void> {
  try {
    await ensureDirectory(directory);
  } catch (error) {
    throw systemFault(directory, error);
  }
}

async function writeSynced(path: string, { text, mode }: Output): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a part of the path is a file',
  ENOENT: 'no directory can be made there',
};

function systemFault(path: string, cause: unknown): CommandError {
  const code = String((cause as NodeJS.ErrnoException).code);
  const sentence = `${path} cannot be written: ${REASONS[code] ?? code}`;
  return new CommandError('FAILED', sentence, { hint: 'Name another place with --out or --key-out.', cause });
}
