import { rfc3339 } from '../../core/clock.ts';
import { toHex } from '../../core/bytes.ts';
import { artifactLogsIn, type ArtifactLogPaths } from '../../instance/artifact-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { readRedactions } from '../../rekor/redactions.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { chooseStores } from '../../tlog/store/choose-stores.ts';
import type { Window } from '../../trust/format/trusted-root.ts';
import { readTrust } from '../../trust/ledger.ts';
import type { Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { identityFacts } from './artifact-log-facts.ts';

interface ShownLog {
  readonly paths: ArtifactLogPaths;
  readonly identity: ArtifactLogIdentity;
  readonly size: number;
  /** Entries that are redacted. */
  readonly redacted: number;
  /** Milliseconds since the epoch. */
  readonly frozenAt: number | undefined;
  readonly window: Window | undefined;
}

/** Shows the logs of artifacts of a directory. Opens no key. */
export async function show({ data }: { readonly data: string }, speak: Speaker): Promise<undefined> {
  const { paths } = await openDataDirectory(data);
  const { root } = await readTrust(paths);
  const windows = new Map(root.artifactLogs.map(({ logId, window }) => [toHex(logId), window]));
  const shown: ShownLog[] = [];
  for (const log of await artifactLogsIn(paths)) {
    const identity = await readArtifactLogIdentity(log.directory);
    const { head, frozenAt } = await chooseStores(log.directory).commits.read();
    const window = windows.get(toHex(identity.logId));
    const redacted = (await readRedactions(log.directory)).entries.size;
    shown.push({ paths: log, identity, size: head.size, redacted, frozenAt, window });
  }
  const none = [
    'There is no log of artifacts.',
    `Next: ${invocation()} rekor init --data ${quotedPath(data)}`,
  ];
  const lines = shown.length === 0 ? none : shown.flatMap((log) => linesOf(log));
  speak.answer({ logs: shown.map(factsOf) }, lines.join('\n'));
  return undefined;
}

const factsOf = ({
  paths,
  identity,
  size,
  redacted,
  frozenAt,
  window,
}: ShownLog): Readonly<Record<string, unknown>> => ({
  ...identityFacts(identity),
  size,
  redacted,
  keyFile: paths.key,
  ...(frozenAt === undefined ? {} : { frozenAt: rfc3339(frozenAt) }),
  ...(window === undefined ? {} : { trustedFrom: rfc3339(window.start) }),
  ...(window?.end === undefined ? {} : { trustedUntil: rfc3339(window.end) }),
});

function linesOf({ paths, identity, size, redacted, frozenAt, window }: ShownLog): string[] {
  const row = (title: string, text: string): string => `${title.padEnd(12)}${text}`;
  const without = redacted === 0 ? '' : `, ${redacted} of them redacted`;
  const until = window?.end === undefined ? 'without an end' : `until ${rfc3339(window.end)}`;
  return [
    row(`Rekor v${identity.api}`, identity.origin),
    row('', `${size} entries${without}${frozenAt === undefined ? '' : `, ended at ${rfc3339(frozenAt)}`}`),
    row('', `log id ${toHex(identity.logId)}`),
    ...(window === undefined ? [] : [row('', `trusted from ${rfc3339(window.start)} ${until}`)]),
    row('', paths.key),
  ];
}
