import { toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { artifactSuccession } from '../../instance/artifact-logs.ts';
import { changing } from '../../instance/change-lock.ts';
import { endArtifactTrust } from '../../instance/switch-artifact-log.ts';
import { endArtifactLog, type EndedArtifactLog } from '../../rekor/end-artifact-log.ts';
import { readArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';
import { invocation } from '../program/invocation.ts';
import { withNamedKeys } from '../program/named-keys.ts';
import { apisOf, type ArtifactApiOptions } from './artifact-log-facts.ts';

interface FreezeOptions extends ArtifactApiOptions {
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
    const logs = await artifactSuccession(paths, api);
    if (logs === undefined)
      throw new CommandError('REFUSED', `${paths.root} has no log of artifacts for Rekor v${api}`);
    const { directory } = logs.current;
    const { origin } = await readArtifactLogIdentity(directory);
    requireConfirmed(options.confirm, origin);
    const passphrase = await readSecret(options.passphraseFile, 'passphrase');
    const ended = await withNamedKeys(paths, passphrase, async (keys) =>
      endArtifactLog(directory, await keys.artifactLog(logs.current), Date.now),
    );
    await endArtifactTrust(paths, ended);
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
      'Where entries are to go on being logged, put another log in its place: `mayfly rekor rotate`.',
    ].join('\n'),
  );
}
