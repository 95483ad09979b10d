import { equalBytes, toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { artifactLogPaths } from '../../instance/artifact-logs.ts';
import { changing } from '../../instance/change-lock.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { openKey } from '../../instance/open-key.ts';
import { endArtifactLog, type EndedArtifactLog } from '../../rekor/end-artifact-log.ts';
import { readArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { recordTrust } from '../../trust/ledger.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';
import { invocation } from '../program/invocation.ts';
import { apisOf, type ApiOptions } from './artifact-log-facts.ts';

interface FreezeOptions extends ApiOptions {
  readonly data: string;
  readonly confirm: string;
  readonly passphraseFile?: string;
}

/** Ends the log, and then the time for which verifiers believe that it takes entries. After a crash in between the same command finishes. */
export async function freeze(options: FreezeOptions, speak: Speaker): Promise<undefined> {
  const [api, second] = apisOf(options);
  if (api === undefined || second !== undefined)
    throw new CommandError('USAGE', 'say which log is to end: --v1 or --v2', {
      hint: 'A log that has ended takes no entries any more, for good.',
    });
  await changing(options.data, async ({ paths }) => {
    const { directory, key } = artifactLogPaths(paths, api);
    const { origin } = await readArtifactLogIdentity(directory);
    requireConfirmed(options.confirm, origin);
    const passphrase = await readSecret(options.passphraseFile, 'passphrase');
    const ended = await endArtifactLog(directory, await openKey(key, passphrase), Date.now);
    await endTrust(paths, ended);
    report(options, ended, speak);
  });
  return undefined;
}

/** It cannot be taken back: the operator must know which log it is. */
function requireConfirmed(confirm: string, origin: string): void {
  if (confirm === origin) return;
  throw new CommandError('USAGE', `--confirm does not name the log, which is ${origin}`, {
    hint: `A log that has ended takes no entries any more, for good. If that is what you want: --confirm "${origin}"`,
  });
}

/** Whole seconds, as trusted roots have them: what was logged in the last one was logged before the end. */
async function endTrust(paths: DataPaths, { identity, frozenAt }: EndedArtifactLog): Promise<void> {
  const end = Math.ceil(frozenAt / 1000) * 1000;
  await recordTrust(paths, (root) => ({
    ...root,
    artifactLogs: root.artifactLogs.map((log) =>
      equalBytes(log.logId, identity.logId) && log.window.end === undefined
        ? { ...log, window: { ...log.window, end } }
        : log,
    ),
  }));
}

function report(
  { data }: FreezeOptions,
  { identity: { api, origin }, head, frozenAt }: EndedArtifactLog,
  speak: Speaker,
): void {
  const facts = { size: head.size, root: toBase64(head.root), frozenAt: rfc3339(frozenAt) };
  speak.answer(
    { api: `v${api}`, origin, ...facts },
    [
      `${origin} ended at ${facts.frozenAt} with ${head.size} entries, for good.`,
      'A service on this directory now answers its reads, and refuses what is to be logged there. Publish its end (TUF: `mayfly trust tuf stage`):',
      `  ${invocation()} trust export --data ${quotedPath(data)} --out ./trust`,
    ].join('\n'),
  );
}
