/** A trusted root, wherever it is: a file, a directory or a URL that a person names. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { isMissing, readWhole, UnfitFile } from '../../storage/read-whole.ts';
import { TRUSTED_ROOT_FILE } from '../../trust/export.ts';
import { parseClientTrustConfig } from '../../trust/format/signing-config.ts';
import {
  encodeTrustedRoot,
  parseTrustedRoot,
  TRUSTED_ROOT_MEDIA_TYPE,
  type TrustedRoot,
} from '../../trust/format/trusted-root.ts';
import { readTrust } from '../../trust/ledger.ts';
import { exchange } from '../certificate/http.ts';
import { CommandError } from '../program/command.ts';

/** More than the format allows. */
const LIMIT = 8 * 1024 * 1024;

/** Reads it: a `trusted_root.json` or `client_trust_config.json`; a directory with the first of these, or a data directory; the URL of
 * such a file, or of a service of Mayfly. Throws {@link CommandError}. */
export async function readTrustSource(where: string): Promise<TrustedRoot> {
  if (/^https?:\/\//i.test(where)) return parsed(where, await download(new URL(where)));
  const found = await stat(where).catch(() => undefined);
  if (found?.isDirectory() !== true) return parsed(where, await readFile(where));
  if (!(await isMissing(join(where, 'mayfly.json')))) {
    const { paths } = await openDataDirectory(where);
    // With times as they are written, so that an export of it is the same.
    return parseTrustedRoot(encodeTrustedRoot((await readTrust(paths)).root));
  }
  const file = join(where, TRUSTED_ROOT_FILE);
  return parsed(file, await readFile(file));
}

async function download(url: URL): Promise<string> {
  if (!url.pathname.endsWith('.json')) {
    const base = url.pathname.replace(/(?<!\/)\/+$/, '').replace(/\/trust$/, '');
    url.pathname = `${base}/trust/${TRUSTED_ROOT_FILE}`;
  }
  const { status, text } = await exchange(url, 'the server', { maxBytes: LIMIT });
  if (status === 200) return text;
  throw new CommandError('FAILED', `${printable(url.href)} answers with status ${status}`, {
    hint: `Name a URL of a ${TRUSTED_ROOT_FILE}, or the base URL of the service.`,
  });
}

async function readFile(path: string): Promise<string> {
  try {
    return (await readWhole(path, { size: LIMIT })).toString();
  } catch (cause) {
    const reason = cause instanceof UnfitFile ? cause.message : 'cannot be read';
    throw new CommandError('USAGE', `${path} ${reason}`, {
      hint: `Name a ${TRUSTED_ROOT_FILE}, a directory of mayfly trust export, a data directory, or a URL.`,
      cause,
    });
  }
}

/** Which of the two it is stands in the media type; the first error is then about the right one. */
function parsed(where: string, text: string): TrustedRoot {
  try {
    return text.includes(TRUSTED_ROOT_MEDIA_TYPE) && !text.includes('clienttrustconfig')
      ? parseTrustedRoot(text)
      : parseClientTrustConfig(text).trustedRoot;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('FAILED', `${printable(where)} is no trusted root: ${error.message}`, {
      cause: error,
    });
  }
}
