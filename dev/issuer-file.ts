/** `DIR/dev/issuer.json`: the URLs under which the development issuer of a data directory and its service were last started. Tokens
 * name the first as `iss`, and what is exported names the other, so commands have to know them without asking a running process. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../core/errors.ts';
import { utf8 } from '../core/bytes.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { ensureDirectory } from '../storage/make-directory.ts';
import { DevError } from './dev-error.ts';

const issuerPath = (directory: string): string => join(directory, 'dev', 'issuer.json');

/** The remembered issuer URL; undefined when none was ever started here. Throws {@link DevError}. */
export const readDevIssuer = (directory: string): Promise<string | undefined> => read(directory, 'issuer');

/** The remembered URL of the service; undefined when none was started here, or by an older version. Throws {@link DevError}. */
export const readDevService = (directory: string): Promise<string | undefined> => read(directory, 'service');

async function read(directory: string, member: 'issuer' | 'service'): Promise<string | undefined> {
  const path = issuerPath(directory);
  try {
    const urls = JSON.parse(await readFile(path, 'utf8')) as { issuer?: unknown; service?: unknown };
    const url = urls[member];
    if (typeof url === 'string' && URL.canParse(url)) return url;
    if (url === undefined && member === 'service') return undefined;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined;
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new DevError('DEV_NOT_SET_UP', `${path} does not say which ${member} this is`, {
    hint: 'Delete that file and run `npm start` (or `mayfly dev`) again.',
  });
}

/** Remembers the issuer URL, and that of the service where it is known already; replaces the file as a whole. */
export async function writeDevIssuer(directory: string, issuer: string, service?: string): Promise<void> {
  await ensureDirectory(join(directory, 'dev'), 0o700);
  const path = issuerPath(directory);
  await writeDurably(path, utf8(`${JSON.stringify({ issuer, service })}\n`), 0o600);
}
