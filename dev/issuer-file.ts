/** `DIR/dev/issuer.json`: the URL under which the development issuer of a data directory was last started. Tokens
 * name it as `iss`, so `mayfly token` has to know it without asking a running process. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../core/errors.ts';
import { utf8 } from '../core/bytes.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { ensureDirectory } from '../storage/make-directory.ts';
import { DevError } from './dev-error.ts';

const issuerPath = (directory: string): string => join(directory, 'dev', 'issuer.json');

/** The remembered issuer URL; undefined when none was ever started here. Throws {@link DevError}. */
export async function readDevIssuer(directory: string): Promise<string | undefined> {
  const path = issuerPath(directory);
  try {
    const { issuer } = JSON.parse(await readFile(path, 'utf8')) as { issuer?: unknown };
    if (typeof issuer === 'string' && URL.canParse(issuer)) return issuer;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined;
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new DevError('DEV_NOT_SET_UP', `${path} does not say which issuer this is`, {
    hint: 'Delete that file and run `npm start` (or `mayfly dev`) again.',
  });
}

/** Remembers the issuer URL; replaces the file as a whole. */
export async function writeDevIssuer(directory: string, issuer: string): Promise<void> {
  await ensureDirectory(join(directory, 'dev'), 0o700);
  const path = issuerPath(directory);
  await writeDurably(path, utf8(`${JSON.stringify({ issuer })}\n`), 0o600);
}
