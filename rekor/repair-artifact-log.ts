/** Puts right what is damaged of a log of artifacts. A body that is redacted never comes back, whatever a copy has. */
import { concat } from '../core/bytes.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { parseIdentityText } from '../tlog/core/log-identity.ts';
import { readLogFile } from '../tlog/core/log-file.ts';
import { parseTilePath, TILE_WIDTH, tilePath } from '../tlog/format/tile.ts';
import { identityFromStore, repairLog, type RepairOptions, type RepairReport } from '../tlog/repair.ts';
import { requireStoreOf } from '../tlog/require-identity.ts';
import { chooseStores } from '../tlog/store/choose-stores.ts';
import { splitBundle } from '../tlog/tree/entry-bundle.ts';
import { readFrom, type Damage, type FileSource } from '../tlog/tree/tile-survey.ts';
import { parseArtifactIdentity, readArtifactLogIdentity, type ArtifactLogIdentity } from './log-identity.ts';
import { checkpointKey } from './log-key.ts';
import {
  NO_REDACTIONS,
  parseRedactions,
  readFinishedRedactions,
  REDACTIONS_FILE,
  type Redactions,
} from './redactions.ts';
import { artifactEntries, artifactJudge, blankEntry } from './stored-artifact.ts';

/** Looks at the log in `directory`, and puts right what is damaged when that is wanted. Throws LogError as `repairLog` does, for a `log.json` that nothing proves, and for redactions that are damaged and in no other source. */
export async function repairArtifactLog(
  directory: string,
  options: Omit<RepairOptions, 'found'>,
): Promise<RepairReport & { readonly identity: ArtifactLogIdentity }> {
  const { identity, found: wrongIdentity } = await identityIn(directory);
  const { redactions, found: wrongRedactions } = await redactionsIn(directory, identity, options.others);
  const { tiles } = await chooseStores(directory);
  const own: FileSource = {
    name: 'the bundle itself, without the body',
    get: (path) => (/^tile\/entries\/[x\d/]+$/.test(path) ? tiles.get(path) : Promise.resolve(undefined)),
  };
  const isBlanked = redactions.entries.size > 0;
  const others = [...(isBlanked ? [own] : []), ...options.others];
  const isRedactedIn = (n: number): boolean =>
    [...redactions.entries.keys()].some((index) => Math.floor(index / TILE_WIDTH) === n);
  const report = await repairLog(
    directory,
    {
      identity,
      entries: artifactEntries(identity.api, redactions),
      keys: [checkpointKey(identity)],
      companionsOf: () => [],
      judge: () => artifactJudge(redactions),
      mayKeep: (path) => !path.startsWith('tile/entries/') || !isRedactedIn(parseTilePath(path, 'entries').n),
    },
    {
      ...options,
      found: [...wrongIdentity, ...wrongRedactions],
      others: others.map((source) => withoutBodies(source, identity, redactions)),
    },
  );
  return { ...report, identity };
}

async function identityIn(
  directory: string,
): Promise<{ readonly identity: ArtifactLogIdentity; readonly found: readonly Damage[] }> {
  try {
    const identity = await readArtifactLogIdentity(directory);
    requireStoreOf(identity, await (await chooseStores(directory)).commits.read());
    return { identity, found: [] };
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    const parse = (text: string): ArtifactLogIdentity => parseIdentityText(text, parseArtifactIdentity);
    const keysOf = (identity: ArtifactLogIdentity) => [checkpointKey(identity)];
    const { identity, found } = await identityFromStore(directory, parse, keysOf, error);
    return { identity, found: [found] };
  }
}

/** Those of the log; where they are damaged, those of a copy, which the tree and the bundles are held to afterwards. */
async function redactionsIn(
  directory: string,
  { api }: ArtifactLogIdentity,
  others: readonly FileSource[],
): Promise<{ readonly redactions: Redactions; readonly found: readonly Damage[] }> {
  try {
    const redactions = await readFinishedRedactions(directory);
    if (redactions !== NO_REDACTIONS) return { redactions, found: [] };
    throw new LogError('LOG_CORRUPT', `${REDACTIONS_FILE} is missing`);
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'LOG_CORRUPT') throw error;
    const isMissing = (await readLogFile(directory, REDACTIONS_FILE)) === undefined;
    for (const other of others) {
      const { bytes } = await readFrom(other, REDACTIONS_FILE);
      const redactions = bytes === undefined ? undefined : redactionsOf(bytes);
      // A list that has more would take bodies away.
      if (redactions?.isFinished !== true || !(await areBlank(directory, api, redactions))) continue;
      const kind = isMissing ? ('missing' as const) : ('damaged' as const);
      const damage = { path: REDACTIONS_FILE, kind, message: isMissing ? 'is missing' : 'is damaged' };
      return { redactions, found: [{ ...damage, right: bytes, from: other.name }] };
    }
    if (isMissing) return { redactions: NO_REDACTIONS, found: [] };
    throw error;
  }
}

/** Whether each of the entries lies there without its body. */
async function areBlank(
  directory: string,
  api: ArtifactLogIdentity['api'],
  { entries }: Redactions,
): Promise<boolean> {
  if (entries.size === 0) return false;
  const format = artifactEntries(api);
  const { commits, tiles } = await chooseStores(directory);
  const state = await commits.read();
  for (const index of entries.keys()) {
    const bundle = await tiles.get(
      tilePath({ level: 'entries', n: Math.floor(index / TILE_WIDTH), width: TILE_WIDTH }),
    );
    const split = bundle === undefined ? [] : splitBundle(format, bundle);
    const own =
      state.entries[index - state.firstEntry] ??
      (typeof split === 'string' ? undefined : split[index % TILE_WIDTH]);
    if (own === undefined || format.parse(own, 0).leaf.length > 0) return false;
  }
  return true;
}

function redactionsOf(bytes: Uint8Array): Redactions | undefined {
  try {
    return parseRedactions(bytes);
  } catch {
    // A copy may be damaged, too.
    return undefined;
  }
}

/** A source whose bundles have nothing of the bodies that are redacted. */
function withoutBodies(
  source: FileSource,
  { api }: ArtifactLogIdentity,
  { entries }: Redactions,
): FileSource {
  const format = artifactEntries(api);
  const blanked = (bytes: Uint8Array, n: number, width: number): Uint8Array => {
    const split = splitBundle(format, bytes, width);
    if (typeof split === 'string') return bytes;
    return concat(
      split.map((entry, i) =>
        entries.has(n * TILE_WIDTH + i) ? blankEntry(format, format.parse(entry, 0)) : entry,
      ),
    );
  };
  return {
    name: source.name,
    get: async (path) => {
      const bytes = await source.get(path);
      if (bytes === undefined || !path.startsWith('tile/entries/')) return bytes;
      const { n, width } = parseTilePath(path, 'entries');
      return blanked(bytes, n, width);
    },
  };
}
