/** What `--trust` names: a directory, or one file of Sigstore's. */
import { statSync } from 'node:fs';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { MessageReader } from '../../trust/format/message-reader.ts';
import { readClientTrustConfig } from '../../trust/format/signing-config.ts';
import { readTrustedRoot, type TrustedRoot } from '../../trust/format/trusted-root.ts';
import type { Trust } from '../../verify/trust.ts';
import { CommandError } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { readTrustDirectory } from './trust-directory.ts';

/** Reads the trust directory, `trusted_root.json` or client trust config at `path`. Throws {@link CommandError} `USAGE` with what is wrong
 * with it. */
export async function readTrust(path: string): Promise<Trust> {
  if (!isFile(path)) return readTrustDirectory(path);
  return { roots: [], intermediates: [], logs: [], trustedRoot: await readTrustedRootFile(path, '--trust') };
}

/** False, too, where nothing is: then it is a directory that lacks its files. */
function isFile(path: string): boolean {
  try {
    return !statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** The trusted root in a file: itself, or in a client trust config. Throws {@link CommandError} `USAGE`, which names `option`. */
export async function readTrustedRootFile(path: string, option: string): Promise<TrustedRoot> {
  const text = Buffer.from(await readLimited(path, option, HINT)).toString('utf8');
  try {
    const value = parseStrictJson(text, LIMITS);
    return isClientTrustConfig(value)
      ? readClientTrustConfig(MessageReader.ofValue(value, 'client trust config')).trustedRoot
      : readTrustedRoot(MessageReader.ofValue(value, 'trusted root'));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('USAGE', `${option}: ${path} cannot be used: ${error.message}`, { hint: HINT });
  }
}

const HINT = 'It is a trusted_root.json or a client trust config, as Sigstore writes them.';

/** Above the nesting of either. */
const LIMITS = { length: 8 * 1024 * 1024, depth: 32 };

const isClientTrustConfig = (value: JsonValue): boolean =>
  typeof value === 'object' && value !== null && ('trustedRoot' in value || 'trusted_root' in value);
