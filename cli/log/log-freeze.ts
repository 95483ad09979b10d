/** `mayfly log freeze`: ends a log. */
import { certificateLog } from '../../instance/certificate-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { openKey } from '../../instance/open-key.ts';
import { toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { freezeLog } from '../../tlog/freeze.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { LogStatus } from '../../tlog/log-status.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { openCtLog } from '../../ct-log/ct-log.ts';
import { collectTrust } from '../../trust/collect.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';

/** Options of the command. */
export interface FreezeOptions {
  readonly data: string;
  readonly confirm: string;
  readonly log?: string;
  readonly passphraseFile?: string;
}

/** Opens the log as `serve` does, so that everything that is committed is recovered and its last head is signed; then
 * ends it. The lock keeps a service from writing meanwhile. */
export async function freeze(options: FreezeOptions, speak: Speaker): Promise<undefined> {
  const clock = Date.now;
  const directory = await openDataDirectory(options.data, { write: true });
  const { directory: logDirectory, ecdsaKey, ed25519Key } = certificateLog(directory, options.log);
  const { chain, log: identity } = await collectTrust({
    chainFile: directory.paths.chain,
    formerChains: directory.paths.formerChains,
    logDirectory,
  });
  const { origin } = identity;
  requireConfirmed(options.confirm, origin);
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  const signers = {
    treeHead: await openKey(ecdsaKey, passphrase),
    checkpoint: await openKey(ed25519Key, passphrase),
  };
  const log = await openCtLog({ directory: logDirectory, signers, chain, clock });
  await log.close();
  requireCheckpoint(log.status());
  const { head, frozenAt } = await freezeLog(logDirectory, identity, logKeys(identity), clock);
  const { size, root } = head;
  speak.answer(
    { origin, size, root: toBase64(root), frozenAt: rfc3339(frozenAt) },
    [
      `${origin} ended at ${rfc3339(frozenAt)} with ${size} entries, for good.`,
      'A service on this directory now answers reads and issues nothing. Files for any web server: mayfly log export',
    ].join('\n'),
  );
  return undefined;
}

/** The end is that of a head whose checkpoint is on the disk. Throws `LOG_STORAGE`. */
function requireCheckpoint({ checkpointFailure }: LogStatus): void {
  if (checkpointFailure === undefined) return;
  throw new LogError('LOG_STORAGE', `the checkpoint of the last head is not written: ${checkpointFailure}`, {
    hint: 'The log has not ended. Free space, or find what is in the way, and end it again.',
  });
}

/** It cannot be taken back: the operator must know which log it is. */
function requireConfirmed(confirm: string, origin: string): void {
  if (confirm === origin) return;
  throw new CommandError('USAGE', `--confirm does not name the log in this directory, which is ${origin}`, {
    hint: `A log that has ended takes no entries any more, for good. If that is what you want: --confirm ${origin}`,
  });
}
