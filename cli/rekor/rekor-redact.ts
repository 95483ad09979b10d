/** `mayfly rekor redact`: bodies of entries that are to be seen by nobody any more. */
import { concat, equalBytes, fromHex, toHex, utf8 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { artifactLogsIn } from '../../instance/artifact-logs.ts';
import { changing } from '../../instance/change-lock.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import type { LoggedEntry } from '../../rekor/artifact-log.ts';
import { openArtifactReads } from '../../rekor/artifact-reads.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { finishRedactions, redactEntries } from '../../rekor/redact-entries.ts';
import { areRedactionsShared, MAX_REASON } from '../../rekor/redactions.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { parseInteger } from '../program/options.ts';
import { apisOf, identityFacts, type ArtifactApiOptions } from './artifact-log-facts.ts';
import { factsOf, lineOf } from './rekor-search.ts';

interface RedactOptions extends ArtifactApiOptions {
  readonly data: string;
  readonly index: readonly string[];
  readonly reason: string;
  readonly confirm?: string;
  readonly log?: string;
}

/** Entries of one command: each is shown. */
const MOST_ENTRIES = 100;

/** Shows the entries, or redacts them. What an interrupted command left is finished first. */
export async function redact(options: RedactOptions, speak: Speaker): Promise<undefined> {
  const [api, second] = apisOf(options);
  if (api === undefined || second !== undefined)
    throw new CommandError('USAGE', 'say which log the entries are of: --v1 or --v2');
  const indexes = indexesOf(options.index);
  requireReason(options.reason);
  await changing(options.data, async ({ paths }) => {
    const { directory, identity } = await logOf(paths, api, indexes, options.log);
    await finishRedactions(directory, identity);
    const entries = await entriesOf(directory, identity, indexes);
    const elsewhere = await elsewhereOf(paths, identity, entries);
    const confirm = codeOf(identity, entries);
    if (options.confirm === undefined) {
      preview(
        identity,
        entries,
        { confirm, elsewhere, isShared: await areRedactionsShared(directory) },
        speak,
      );
      return;
    }
    if (options.confirm !== confirm) throw notConfirmed();
    const record = { redactedAt: Date.now(), reason: options.reason, isAudited: false };
    const { isFinished } = await redactEntries(
      directory,
      identity,
      entries.map(({ index, leafHash }) => ({ index, leafHash, ...record })),
    );
    report(identity, entries, { confirm, elsewhere, isFinished }, speak);
  });
  return undefined;
}

function indexesOf(texts: readonly string[]): readonly number[] {
  const indexes = [...new Set(texts.map((text) => parseInteger(text, '--index', 0, 2 ** 40)))];
  if (indexes.length <= MOST_ENTRIES) return indexes.sort((a, b) => a - b);
  throw new CommandError('USAGE', `one command redacts ${MOST_ENTRIES} entries at most`);
}

function requireReason(reason: string): void {
  if (reason.trim() !== '' && reason.length <= MAX_REASON) return;
  throw new CommandError('USAGE', `--reason is to have 1 to ${MAX_REASON} characters`, {
    hint: 'It stays in the record of the redaction: name no secret and no person in it.',
  });
}

interface FoundLog {
  readonly directory: string;
  readonly identity: ArtifactLogIdentity;
}

/** The one that is named; else of the first API the one that has the first index, as they count on, and of the second the one in use. */
async function logOf(
  paths: DataPaths,
  api: 1 | 2,
  [first = 0]: readonly number[],
  name: string | undefined,
): Promise<FoundLog> {
  const logs = (await artifactLogsIn(paths)).filter((log) => log.api === api);
  const found: FoundLog[] = [];
  for (const log of logs.filter((one) => name === undefined || one.name === name)) {
    const identity = await readArtifactLogIdentity(log.directory);
    if (name !== undefined || identity.firstLogIndex <= first) found.push({ ...log, identity });
  }
  const last = found.at(-1);
  if (last !== undefined) return last;
  throw new CommandError('REFUSED', `${paths.root} has no such log of artifacts`, {
    hint: `There is ${logs.map((log) => log.name).join(', ') || 'none of that API'}.`,
  });
}

/** With every other entry of the log that has the same body: that is withheld only when all of them are. Each is proven under the signed head: what goes for good must be what the tree has. */
async function entriesOf(
  directory: string,
  { firstLogIndex }: ArtifactLogIdentity,
  indexes: readonly number[],
): Promise<readonly LoggedEntry[]> {
  const log = await openArtifactReads(directory);
  try {
    const entries = new Map<number, LoggedEntry>();
    const add = async (logIndex: number): Promise<LoggedEntry> => {
      const proven = await log.provenAt(logIndex - firstLogIndex);
      if (proven === undefined)
        throw new CommandError('REFUSED', `the log has no entry with index ${logIndex}`, {
          hint: 'Count as clients do: the logIndex of a bundle, or of `mayfly rekor search`.',
        });
      entries.set(logIndex, proven.entry);
      return proven.entry;
    };
    for (const logIndex of indexes) {
      if (entries.has(logIndex)) continue;
      const { leafHash } = await add(logIndex);
      for (const twin of await log.indexesOf(leafHash))
        if (!entries.has(twin + firstLogIndex)) await add(twin + firstLogIndex);
      if (entries.size > MOST_ENTRIES)
        throw new CommandError(
          'USAGE',
          `one command redacts ${MOST_ENTRIES} entries at most, and the same bodies were logged more than once`,
        );
    }
    return [...entries.values()].sort((a, b) => a.logIndex - b.logIndex);
  } finally {
    await log.close();
  }
}

/** The same body in another log of the data directory, which stays there. */
interface SameBody {
  readonly log: string;
  readonly logIndex: number;
}

async function elsewhereOf(
  paths: DataPaths,
  { api, logId }: ArtifactLogIdentity,
  entries: readonly LoggedEntry[],
): Promise<readonly SameBody[]> {
  const found: SameBody[] = [];
  for (const { directory, name, api: other } of await artifactLogsIn(paths)) {
    const identity = await readArtifactLogIdentity(directory);
    if (other !== api || equalBytes(identity.logId, logId)) continue;
    const log = await openArtifactReads(directory);
    try {
      for (const hash of new Set(entries.map(({ leafHash }) => toHex(leafHash))))
        for (const index of await log.indexesOf(fromHex(hash)))
          if ((await log.provenAt(index))?.entry.redaction === undefined)
            found.push({ log: name, logIndex: index + identity.firstLogIndex });
    } finally {
      await log.close();
    }
  }
  return found;
}

const elsewhereLines = (elsewhere: readonly SameBody[]): readonly string[] =>
  elsewhere.map(
    ({ log, logIndex }) =>
      `The same body is in the log ${log}, and stays there: give the command for it, too, with --log ${log} --index ${logIndex}`,
  );

const CODE_DIGITS = 16;

/** Of these entries of this log, and of no others. */
const codeOf = ({ origin }: ArtifactLogIdentity, entries: readonly LoggedEntry[]): string =>
  toHex(sha256(concat([utf8(`${origin}\n`), ...entries.map(({ leafHash }) => leafHash)]))).slice(
    0,
    CODE_DIGITS,
  );

const notConfirmed = (): CommandError =>
  new CommandError('USAGE', '--confirm is not the code of these entries', {
    hint: 'Give the command without --confirm: it shows what would go, and the code. What is redacted is gone for good.',
  });

/** The code of the entries, and where their bodies are besides. */
interface Redacting {
  readonly confirm: string;
  readonly elsewhere: readonly SameBody[];
}

function preview(
  identity: ArtifactLogIdentity,
  entries: readonly LoggedEntry[],
  { confirm, elsewhere, isShared }: Redacting & { readonly isShared: boolean },
  speak: Speaker,
): void {
  const first = isShared ? 'Give' : 'Stop the service, then give';
  speak.answer(
    {
      redacted: false,
      ...identityFacts(identity),
      entries: entries.map((entry) => shown(identity, entry)),
      elsewhere,
      confirm,
    },
    [
      `Of ${identity.origin}, this would go for good; leaf hashes and proofs stay:`,
      ...entries.map((entry) => `  ${lineOfEntry(identity, entry)}`),
      ...elsewhereLines(elsewhere),
      `Nothing was changed. ${first} the same command with --confirm ${confirm}`,
    ].join('\n'),
  );
}

const shown = ({ api }: ArtifactLogIdentity, entry: LoggedEntry): Readonly<Record<string, unknown>> => {
  const { logIndex, leafHash, redaction } = entry;
  if (redaction === undefined) return factsOf({ ...entry, api });
  const { redactedAt, reason } = redaction;
  return { api: `v${api}`, logIndex, leafHash: toHex(leafHash), redactedAt: rfc3339(redactedAt), reason };
};

function lineOfEntry({ api }: ArtifactLogIdentity, entry: LoggedEntry): string {
  const { logIndex, redaction } = entry;
  if (redaction === undefined) return lineOf({ ...entry, api });
  return `v${api}  ${logIndex}  redacted at ${rfc3339(redaction.redactedAt)}: ${redaction.reason}`;
}

function report(
  identity: ArtifactLogIdentity,
  entries: readonly LoggedEntry[],
  { confirm, elsewhere, isFinished }: Redacting & { readonly isFinished: boolean },
  speak: Speaker,
): void {
  const leafHashes = entries.map(({ logIndex, leafHash }) => ({ logIndex, leafHash: toHex(leafHash) }));
  const bodies =
    entries.length === 1 ? 'The body of 1 entry is' : `The bodies of ${entries.length} entries are`;
  speak.answer(
    {
      redacted: true,
      removed: isFinished,
      ...identityFacts(identity),
      entries: leafHashes,
      elsewhere,
      confirm,
    },
    [
      isFinished
        ? `${bodies} gone from ${identity.origin}. What stays:`
        : `${bodies} withheld by every service of ${identity.origin}, two seconds from now at the latest, and still in the database. What stays:`,
      ...leafHashes.map(({ logIndex, leafHash }) => `  ${logIndex}  leaf hash ${leafHash}`),
      isFinished
        ? 'Start the service: it writes the redaction into its audit, and makes its search index anew.'
        : 'Stop every service of this log when that can be, and give the same command once more: it removes them from the tables. Then start the services: the first writes the redaction into its audit.',
      ...elsewhereLines(elsewhere),
      'Copies are not gone: backups and snapshots of the directory, caches and monitors that read the log, audit lines, bundles that signers hold.',
    ].join('\n'),
  );
}
