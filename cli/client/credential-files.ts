/**
 * The files that `mayfly certificate` writes: `key.pem` (0600), `cert.pem`, `chain.pem`.
 *
 * A certificate lives ten minutes, so a run replaces what the run before it wrote. It replaces nothing else: `key.pem`
 * is a common name, and a stranger's key would be gone for good. What an earlier run wrote is told by the
 * certificate: one with an identity issuer in it, for the very key beside it.
 */
import { createPrivateKey, createPublicKey, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../../core/bytes.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { decodePem } from '../../core/pem.ts';
import { ensureDirectory } from '../../storage/make-directory.ts';
import { readWhole, UnfitFile } from '../../storage/read-whole.ts';
import { CommandError } from '../command.ts';

/** Paths of the three files. */
export interface CredentialPaths {
  readonly key: string;
  readonly certificate: string;
  readonly chain: string;
}

/** Their content in PEM. */
export type Credentials = Readonly<Record<keyof CredentialPaths, string>>;

const MODES: Readonly<Record<keyof CredentialPaths, number>> = {
  key: 0o600,
  certificate: 0o644,
  chain: 0o644,
};

/** Key first: a crash in between leaves a key that nothing certifies, and the next run says what to do. */
const ORDER = ['key', 'certificate', 'chain'] as const;

/** The files in `directory`. */
export const credentialPaths = (directory: string): CredentialPaths => ({
  key: join(directory, 'key.pem'),
  certificate: join(directory, 'cert.pem'),
  chain: join(directory, 'chain.pem'),
});

/** Throws {@link CommandError} `REFUSED` when one of the files is there and was not written by an earlier run. */
export async function requireReplaceable(paths: CredentialPaths): Promise<void> {
  const texts = await Promise.all(ORDER.map((part) => textOf(paths[part])));
  const found = ORDER.filter((_part, i) => texts[i] !== undefined);
  const [key, certificate] = texts;
  if (found.length === 0) return;
  if (key !== undefined && certificate !== undefined && isEarlierRun(key, certificate)) return;
  const names = found.map((part) => paths[part]).join(', ');
  throw new CommandError(
    'REFUSED',
    `${names}: not written by an earlier run of this command, so not replaced`,
    {
      hint: 'Name another directory with --out, or say --force to overwrite.',
    },
  );
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

function isEarlierRun(key: string, certificate: string): boolean {
  try {
    const [block] = decodePem(certificate);
    if (block?.label !== 'CERTIFICATE') return false;
    const parsed = parseCertificate(block.bytes);
    const spki = createPublicKey(createPrivateKey(key)).export({ format: 'der', type: 'spki' });
    const named = ISSUER_OIDS.some((oid) => findExtension(parsed, oid) !== undefined);
    return named && equalBytes(spki, parsed.spki);
  } catch {
    return false;
  }
}

/** Writes all three, each whole or not at all. Throws {@link CommandError} `FAILED`. */
export async function writeCredentials(paths: CredentialPaths, credentials: Credentials): Promise<void> {
  const temporary = ORDER.map((part) => `${paths[part]}.${randomUUID()}.tmp`);
  try {
    for (const [i, part] of ORDER.entries())
      await writeSynced(temporary[i] ?? '', credentials[part], MODES[part]);
    for (const [i, part] of ORDER.entries()) await rename(temporary[i] ?? '', paths[part]);
  } catch (error) {
    await Promise.all(temporary.map((path) => rm(path, { force: true })));
    throw systemFault(paths.key, error);
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

async function writeSynced(path: string, text: string, mode: number): Promise<void> {
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
  return new CommandError('FAILED', sentence, { hint: 'Name another directory with --out.', cause });
}
