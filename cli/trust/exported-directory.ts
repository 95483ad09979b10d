/** What a directory of `mayfly trust export` has, to compare with what is to be written there. */
import { join } from 'node:path';
import { equalBytes, toHex } from '../../core/bytes.ts';
import { FormatError, systemCode } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import { readWhole, UnfitFile } from '../../storage/read-whole.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { CHECKSUMS_FILE, isPassingFile, TRUSTED_ROOT_FILE } from '../../trust/export.ts';
import { EMPTY_TRUSTED_ROOT, parseTrustedRoot, type TrustedRoot } from '../../trust/format/trusted-root.ts';
import { missingFrom, reopenedBy } from '../../trust/union.ts';
import { CommandError } from '../program/command.ts';

/** Beyond every file of an export. */
const LIMIT = 8 * 1024 * 1024;

/** What would be lost, a name each. */
export interface Losses {
  /** Trusted there, and not by what is to be written. */
  readonly missing: readonly string[];
  /** Ended there, each with the time; by what is to be written it counts for longer. */
  readonly reopened: readonly string[];
}

/** What the files in `directory` have and `trustedRoot` has not; nothing where there is no such directory. A directory of
 * an older version has PEM files alone, and who changed one has changed what is trusted. Rejects with {@link CommandError}
 * `REFUSED` for files that cannot be understood. */
export async function lossesIn(directory: string, trustedRoot: TrustedRoot): Promise<Losses> {
  const text = await read(join(directory, TRUSTED_ROOT_FILE));
  const there = text === undefined ? EMPTY_TRUSTED_ROOT : understood(directory, () => parseTrustedRoot(text));
  const missing = [
    ...missingFrom(trustedRoot, there),
    ...(await foreignBlocks(
      directory,
      'root.pem',
      trustedRoot.certificateAuthorities.map(({ chain }) => chain.at(-1)),
    )),
    ...(await foreignBlocks(
      directory,
      'log.pub.pem',
      trustedRoot.certificateLogs.map(({ publicKey }) => publicKey),
    )),
  ];
  return { missing, reopened: reopenedBy(trustedRoot, there) };
}

/** The files of an earlier export or fetch that one with the files `names` does not write again, such as the key of a log that has ended: those that its checksums name
 * and that are as it wrote them. Without checksums that can be read there are none. */
export async function staleFilesIn(directory: string, names: readonly string[]): Promise<readonly string[]> {
  const checksums = await readWhole(join(directory, CHECKSUMS_FILE), { size: LIMIT }).catch(() => undefined);
  const stale: string[] = [];
  for (const line of checksums?.toString().split('\n') ?? []) {
    const [, sum, name = ''] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? [];
    if (!isPassingFile(name) || names.includes(name) || stale.includes(name)) continue;
    const bytes = await readWhole(join(directory, name), { size: LIMIT }).catch(() => undefined);
    if (bytes !== undefined && toHex(sha256(bytes)) === sum) stale.push(name);
  }
  return stale;
}

/** The blocks of a PEM file that are not `known`. */
async function foreignBlocks(
  directory: string,
  file: string,
  known: readonly (Uint8Array | undefined)[],
): Promise<readonly string[]> {
  const text = await read(join(directory, file));
  // Empty it is written where nothing is left to trust.
  if (text === undefined || text === '') return [];
  const blocks = understood(join(directory, file), () => decodePem(text, 1024));
  if (blocks.length === 0) throw foreign(join(directory, file), 'it holds no PEM block');
  return blocks
    .filter(({ bytes }) => !known.some((one) => one !== undefined && equalBytes(one, bytes)))
    .map(({ bytes }) => `what is in ${file} (SHA-256 ${toHex(sha256(bytes)).slice(0, 16)}…)`);
}

function understood<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw foreign(path, error.message);
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return (await readWhole(path, { size: LIMIT })).toString();
  } catch (error) {
    // What else is in the way is reported when it is written.
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    if (error instanceof UnfitFile) throw foreign(path, error.message);
    throw systemFault(path, 'read', error);
  }
}

const foreign = (path: string, why: string): CommandError =>
  new CommandError('REFUSED', `${path} is there already, and nobody can say what it trusts: ${why}`, {
    hint: 'Name another directory with --out, or replace what is there with --force.',
  });
