/** Keeps a development directory and the address of its issuer in step. */
import { randomUUID } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import type { DataPaths } from '../../config/data-paths.ts';
import { loadConfig } from '../../config/load.ts';
import { writeNew } from '../../config/write-file.ts';
import { readDevIssuer, writeDevIssuer } from '../../dev/issuer-file.ts';
import { CommandError } from '../command.ts';

/**
 * Makes `config.yaml` trust `issuer`, the address under which the provider listens now, in place of the one it had
 * before; everything else in the file stays as it is. A crash in between is mended by the next start: the file that
 * remembers the address is written last.
 *
 * Throws {@link CommandError} when the file knows neither address, because somebody has taken the issuer out.
 */
export async function rememberIssuer(
  paths: DataPaths,
  issuer: string,
  note: (text: string) => void,
): Promise<void> {
  const config = await loadConfig(paths.config);
  const known = config.issuers.map(({ url }) => url);
  if (!known.includes(issuer)) {
    const before = (await readDevIssuer(paths.root)) ?? known[0] ?? '';
    if (!known.includes(before)) throw issuerGone(paths.config, issuer);
    await replaceInFile(paths.config, before, issuer);
    note(`The issuer is ${issuer} now; ${paths.config} said ${before} and was changed.`);
  }
  await writeDevIssuer(paths.root, issuer);
}

async function replaceInFile(path: string, before: string, now: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  // Not where the old address is only the beginning of another one. (RegExp.escape is younger than our oldest Node.)
  const whole = new RegExp(`${before.replace(/[^\w]/g, '\\$&')}(?![\\w/.-])`, 'g');
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeNew(temporary, text.replaceAll(whole, now), 0o600);
  await rename(temporary, path);
}

const issuerGone = (path: string, issuer: string): CommandError =>
  new CommandError('FAILED', `${path} does not trust the development issuer ${issuer}`, {
    hint: 'Put it back under oidc-issuers (client-id: sigstore, type: email), or use another --data directory.',
  });
