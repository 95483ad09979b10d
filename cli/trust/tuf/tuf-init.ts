import { resolve } from 'node:path';
import { createTuf } from '../../../instance/create-tuf.ts';
import { certificateLog } from '../../../instance/certificate-logs.ts';
import { readStorePlaces } from '../../../tlog/store/store-places.ts';
import { quotedPath } from '../../../storage/quoted-path.ts';
import { CommandError, type Speaker } from '../../program/command.ts';
import { isInside } from '../../program/output-directory.ts';
import { readSecret } from '../../program/input-file.ts';
import { parseInteger } from '../../program/options.ts';
import { beginLines, openTufDirectory, type TufDirectoryOptions } from './tuf-directory.ts';

/** Options of `mayfly trust tuf init`. */
interface TufInitOptions extends TufDirectoryOptions {
  readonly tufRootKeyOut?: string;
  readonly keepRootKey?: boolean;
  readonly rootVersion?: string;
  readonly passphraseFile?: string;
  readonly rootPassphraseFile?: string;
}

/** Makes a TUF repository in a data directory. Rejects with the typed error of what is wrong; nothing is there then that was not. */
export async function initTuf(options: TufInitOptions, speak: Speaker): Promise<undefined> {
  const rootKey = rootKeyPlace(options);
  const rootVersion =
    options.rootVersion === undefined
      ? undefined
      : parseInteger(options.rootVersion, '--root-version', 1, MAX_ROOT_VERSION);
  const opened = await openTufDirectory(options, speak);
  const { directory, urls } = opened;
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  const rootPassphrase = await readSecret(options.rootPassphraseFile, 'root passphrase');
  const keys = { passphrase, rootPassphrase, clock: Date.now };
  const { commits: shared } = await readStorePlaces(certificateLog(directory).directory);
  const made = { rootKey, urls, rootVersion, shared };
  const { rootKeyFile, root } = await createTuf(directory.paths, made, keys);
  const lines = [
    `Made ${directory.paths.tuf}: what clients have to trust, signed. A running service finds it within seconds.`,
    `  TUF root key  ${rootKeyFile}`,
    '                Take it offline: it is needed once a year, and to change what clients trust.',
    `  Online key    ${directory.paths.tufOnlineKey}`,
    `  Root          ${root.version}.root.json, SHA-256 ${root.sha256}`,
    ...(shared === undefined ? [] : [`Copy ${directory.paths.tuf} and that key to the other machines.`]),
    'Make a backup of the directory now.',
    ...beginLines(urls.publicUrl, root),
  ];
  speak.answer(
    { tuf: directory.paths.tuf, rootKey: rootKeyFile, root, mirror: `${urls.publicUrl}/tuf` },
    lines.join('\n'),
  );
  return undefined;
}

/** Versions rise by one from there for as long as there is a repository. */
const MAX_ROOT_VERSION = 1_000_000;

function rootKeyPlace({ data, tufRootKeyOut, keepRootKey }: TufInitOptions): { file: string } | 'keep' {
  if ((tufRootKeyOut === undefined) === (keepRootKey !== true))
    throw new CommandError(
      'USAGE',
      'say where the TUF root key goes: --tuf-root-key-out FILE or --keep-root-key',
      {
        hint: 'The service does not need it: write it to a medium that is kept offline.',
      },
    );
  if (tufRootKeyOut === undefined) return 'keep';
  if (isInside(resolve(data), resolve(tufRootKeyOut)))
    throw new CommandError('USAGE', '--tuf-root-key-out lies inside the data directory', {
      hint: `Name a file outside of ${quotedPath(data)}, or use --keep-root-key.`,
    });
  return { file: tufRootKeyOut };
}
