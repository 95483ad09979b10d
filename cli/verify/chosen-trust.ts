/** What `--trust` names: a directory, or one file of Sigstore's. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { MessageReader } from '../../trust/format/message-reader.ts';
import { readClientTrustConfig } from '../../trust/format/signing-config.ts';
import { readTrustedRoot, type TrustedRoot } from '../../trust/format/trusted-root.ts';
import type { Trust } from '../../verify/trust.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { CommandError } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { readTrustDirectory } from './trust-directory.ts';

/** The option that says whom to believe, by either of its names. */
export interface TrustOptions {
  readonly trust?: string;
  readonly trustedRoot?: string;
}

/** What the option names; undefined where it is not given. Throws {@link CommandError} `USAGE` where it is given by both names. */
export function trustPath({ trust, trustedRoot }: TrustOptions): string | undefined {
  if (trust !== undefined && trustedRoot !== undefined)
    throw new CommandError('USAGE', 'give --trusted-root or --trust, not both', {
      hint: 'They take the same files.',
    });
  return trust ?? trustedRoot;
}

/** The file that an option names: `path` itself, or the one of that name in the directory of `mayfly trust export` that it is. */
export const fileOfExport = (path: string, name: string): string =>
  kindOf(path) === 'directory' ? join(path, name) : path;

/** Reads the trust directory, `trusted_root.json` or client trust config at `path`. Throws {@link CommandError} `USAGE` with what is wrong
 * with it. */
export async function readTrust(path: string): Promise<Trust> {
  if (/^https?:\/\//i.test(path))
    throw new CommandError(
      'USAGE',
      `--trust: ${path} is an address, and nothing is asked of any network here`,
      {
        hint: 'Get the files first: mayfly trust fetch URL --fingerprint SHA256 --out DIR',
      },
    );
  if (kindOf(path) === 'directory' && existsSync(join(path, 'mayfly.json')))
    throw new CommandError(
      'USAGE',
      `--trust: ${path} is a data directory, and holds no files for verifiers`,
      {
        hint: `Write them with: mayfly trust export --data ${quotedPath(path)} --out DIR`,
      },
    );
  // Where nothing is, it is a directory that lacks its files.
  if (kindOf(path) !== 'file') return readTrustDirectory(path);
  return { roots: [], intermediates: [], logs: [], trustedRoot: await readTrustedRootFile(path, '--trust') };
}

/** Undefined where nothing is, or nothing that this user may look at. */
function kindOf(path: string): 'directory' | 'file' | undefined {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file';
  } catch {
    return undefined;
  }
}

/** The trusted root in a file: itself, in a client trust config, or in the directory of an export. Throws {@link CommandError} `USAGE`, which names `option`. */
export async function readTrustedRootFile(path: string, option: string): Promise<TrustedRoot> {
  const file = fileOfExport(path, 'trusted_root.json');
  const text = Buffer.from(await readLimited(file, option, HINT)).toString('utf8');
  try {
    const value = parseStrictJson(text, LIMITS);
    return isClientTrustConfig(value)
      ? readClientTrustConfig(MessageReader.ofValue(value, 'client trust config')).trustedRoot
      : readTrustedRoot(MessageReader.ofValue(value, 'trusted root'));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('USAGE', `${option}: ${file} cannot be used: ${error.message}`, { hint: HINT });
  }
}

const HINT =
  'It is a trusted_root.json or a client trust config, as Sigstore writes them, or a directory of `mayfly trust export`.';

/** Above the nesting of either. */
const LIMITS = { length: 8 * 1024 * 1024, depth: 32 };

const isClientTrustConfig = (value: JsonValue): boolean =>
  typeof value === 'object' && value !== null && ('trustedRoot' in value || 'trusted_root' in value);
