import { rfc3339 } from '../../core/clock.ts';
import { toBase64, toHex } from '../../core/bytes.ts';
import { artifactLogsIn, type ArtifactLogPaths } from '../../instance/artifact-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { readArtifactHistory, type ArtifactHistory } from '../../instance/staged-artifact-log.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { readRedactions } from '../../rekor/redactions.ts';
import type { StagedArtifactLog } from '../../rekor/staged-log.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { chooseStores } from '../../tlog/store/choose-stores.ts';
import type { Window } from '../../trust/format/trusted-root.ts';
import { readTrust } from '../../trust/ledger.ts';
import type { Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { identityFacts } from './artifact-log-facts.ts';

interface ShownLog {
  readonly paths: ArtifactLogPaths;
  readonly state: 'in use' | 'former';
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
  const logs = await artifactLogsIn(paths);
  for (const log of logs) {
    const identity = await readArtifactLogIdentity(log.directory);
    const { head, frozenAt } = await (await chooseStores(log.directory)).commits.read();
    const window = windows.get(toHex(identity.logId));
    const redacted = (await readRedactions(log.directory)).entries.size;
    const isLast = !logs.some(({ api, shard }) => api === log.api && shard > log.shard);
    const state = isLast ? 'in use' : 'former';
    shown.push({ paths: log, state, identity, size: head.size, redacted, frozenAt, window });
  }
  const none = [
    'There is no log of artifacts.',
    `Next: ${invocation()} rekor init --data ${quotedPath(data)}`,
  ];
  const staged = await stagedIn(paths);
  const lines =
    shown.length === 0 ? none : [...shown.flatMap((log) => linesOf(log)), ...staged.flatMap(stagedLines)];
  speak.answer({ logs: shown.map(factsOf), staged: staged.map(stagedFacts) }, lines.join('\n'));
  return undefined;
}

type StagedHistory = ArtifactHistory & { readonly staged: StagedArtifactLog };

async function stagedIn(paths: DataPaths): Promise<readonly StagedHistory[]> {
  const found: StagedHistory[] = [];
  for (const api of new Set((await artifactLogsIn(paths)).map((log) => log.api))) {
    const history = await readArtifactHistory(paths, api);
    if (history.staged !== undefined) found.push({ ...history, staged: history.staged });
  }
  return found;
}

const stagedFacts = ({ next, staged }: StagedHistory): Readonly<Record<string, unknown>> => ({
  name: next.name,
  api: `v${staged.api}`,
  host: staged.host,
  logId: toBase64(staged.logId),
  keyFile: next.key,
});

const stagedLines = ({ next, current, staged }: StagedHistory): string[] => [
  `Staged to follow ${current.name}: ${next.name}, to be named ${staged.host}`,
  row('', `log id ${toHex(staged.logId)}`),
  row('', next.key),
];

const factsOf = ({
  paths,
  state,
  identity,
  size,
  redacted,
  frozenAt,
  window,
}: ShownLog): Readonly<Record<string, unknown>> => ({
  name: paths.name,
  state,
  ...identityFacts(identity),
  size,
  redacted,
  keyFile: paths.key,
  ...(frozenAt === undefined ? {} : { frozenAt: rfc3339(frozenAt) }),
  ...(window === undefined ? {} : { trustedFrom: rfc3339(window.start) }),
  ...(window?.end === undefined ? {} : { trustedUntil: rfc3339(window.end) }),
});

const row = (title: string, text: string): string => `${title.padEnd(12)}${text}`;

function linesOf({ paths, state, identity, size, redacted, frozenAt, window }: ShownLog): string[] {
  const without = redacted === 0 ? '' : `, ${redacted} of them redacted`;
  const ended = frozenAt === undefined ? '' : `, ended at ${rfc3339(frozenAt)}`;
  const until = window?.end === undefined ? 'without an end' : `until ${rfc3339(window.end)}`;
  return [
    row(`Rekor v${identity.api}`, identity.origin),
    row('', `${paths.name}, ${state}: ${size} entries${without}${ended}`),
    row('', `log id ${toHex(identity.logId)}`),
    ...(window === undefined ? [] : [row('', `trusted from ${rfc3339(window.start)} ${until}`)]),
    row('', paths.key),
  ];
}
