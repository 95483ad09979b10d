/** Keeps a development directory and the address of its issuer in step. */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import type { DataPaths } from '../../instance/data-paths.ts';
import { loadConfig } from '../../config/load/load.ts';
import { writeNew } from '../../storage/durable-file.ts';
import { readDevIssuer, writeDevIssuer } from '../../dev/issuer-file.ts';
import type { StagedConfiguration } from '../development-settings.ts';
import { MayflyError } from '../../core/errors.ts';

/** A configuration that does not trust the development issuer any more. */
class IssuerGoneError extends MayflyError<'FAILED'> {}

/** A configuration that trusts the new address. */
interface IssuerChange extends StagedConfiguration {
  /** Forgets it. */
  discard(): Promise<void>;
}

/**
 * Prepares that `config.yaml` trusts `issuer`, the address under which the provider listens now, in place of the one
 * it had before; everything else in the file stays as it is. `note` gets a sentence when the change is made. A crash
 * between its two steps is fixed by the next start: the file that remembers the address is written last.
 *
 * Throws ConfigError when the file is wrong, and {@link IssuerGoneError} when it knows neither address, because somebody
 * has taken the issuer out.
 */
export async function stageIssuer(
  paths: DataPaths,
  issuer: string,
  note: (text: string) => void,
): Promise<IssuerChange> {
  const { issuers } = await loadConfig(paths.config);
  const known = issuers.map(({ definition }) => definition.url);
  const remember = (): Promise<void> => writeDevIssuer(paths.root, issuer);
  if (known.includes(issuer)) {
    return { file: paths.config, commit: remember, discard: () => Promise.resolve() };
  }
  const before = (await readDevIssuer(paths.root)) ?? known[0] ?? '';
  if (!known.includes(before)) throw issuerGone(paths.config, issuer);
  const file = `${paths.config}.${randomUUID()}.tmp`;
  await writeNew(file, await textWith(paths.config, before, issuer), 0o600);
  return {
    file,
    commit: async () => {
      await rename(file, paths.config);
      await remember();
      // Port 0 stands only in a directory that was made a moment ago.
      if (!before.endsWith(':0'))
        note(`The issuer is ${issuer} now; ${paths.config} said ${before} and was changed.`);
    },
    discard: () => rm(file, { force: true }),
  };
}

async function textWith(path: string, before: string, now: string): Promise<string> {
  // Not where the old address is only the beginning of another one. (RegExp.escape is younger than our oldest Node.)
  const whole = new RegExp(`${before.replace(/[^\w]/g, '\\$&')}(?![\\w/.-])`, 'g');
  return (await readFile(path, 'utf8')).replaceAll(whole, now);
}

const issuerGone = (path: string, issuer: string): IssuerGoneError =>
  new IssuerGoneError('FAILED', `${path} does not trust the development issuer ${issuer}`, {
    hint: 'Put it back under oidc-issuers (client-id: sigstore, type: email), or use another --data directory.',
  });
