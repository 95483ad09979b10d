/** `mayfly log freeze`: ends a log. */
import { certificateLog } from '../../instance/certificate-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { endCtLog } from '../../ct-log/end-log.ts';
import { collectTrust } from '../../trust/collect.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';
import { withNamedKeys } from '../program/named-keys.ts';

/** Options of the command. */
export interface FreezeOptions {
  readonly data: string;
  readonly confirm: string;
  readonly log?: string;
  readonly passphraseFile?: string;
}

/** Ends the log, which must be the one that is confirmed. */
export async function freeze(options: FreezeOptions, speak: Speaker): Promise<undefined> {
  const clock = Date.now;
  const directory = await openDataDirectory(options.data, { write: true });
  const paths = certificateLog(directory, options.log);
  const { chain, log } = await collectTrust({
    chainFile: directory.paths.chain,
    formerChains: directory.paths.formerChains,
    logDirectory: paths.directory,
  });
  const { origin } = log;
  requireConfirmed(options.confirm, origin);
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  const { head, frozenAt } = await withNamedKeys(directory.paths, passphrase, async (keys) =>
    endCtLog({
      directory: paths.directory,
      signers: await keys.log(paths),
      chain,
      clock,
      anchor: 'noted',
    }),
  );
  const { size, root } = head;
  speak.answer(
    { origin, size, root: toBase64(root), frozenAt: rfc3339(frozenAt) },
    [
      `${origin} ended at ${rfc3339(frozenAt)} with ${size} entries, for good.`,
      'A service on this directory now answers reads and issues nothing, until another log follows it: mayfly log rotate.',
      'Files for any web server: mayfly log export',
    ].join('\n'),
  );
  return undefined;
}

/** It cannot be taken back: the operator must know which log it is. */
function requireConfirmed(confirm: string, origin: string): void {
  if (confirm === origin) return;
  throw new CommandError('USAGE', `--confirm does not name the log in this directory, which is ${origin}`, {
    hint: `A log that has ended takes no entries any more, for good. If that is what you want: --confirm ${origin}`,
  });
}
