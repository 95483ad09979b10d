/** The thread that reads what logs store and holds it to their trees, one bundle at a question. */
import { toHex } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import { chainCertificatesOf, TILE_LEAVES } from '../ct-log/tile-leaves.ts';
import { readRedactions } from '../rekor/redactions.ts';
import { artifactEntries, artifactJudge } from '../rekor/stored-artifact.ts';
import { answerInTurn } from '../storage/worker-channel.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { chooseStores } from '../tlog/store/choose-stores.ts';
import { readFrom, TileSurvey, type Damage, type FileSource } from '../tlog/tree/tile-survey.ts';

/** Which log is read. */
export interface ScrubSubject {
  readonly directory: string;
  /** Undefined for a log of certificates. */
  readonly api: 1 | 2 | undefined;
}

/** `begin`: a tree of `size` entries, a multiple of 256, with the hashes at its edge by their levels from 1 up. `look`: at a bundle of it. */
export type ScrubRequest =
  | {
      readonly kind: 'begin';
      readonly subject: ScrubSubject;
      readonly size: number;
      readonly edge: readonly Uint8Array[];
    }
  | { readonly kind: 'look'; readonly directory: string; readonly n: number };

/** What is damaged there. `failure` where that could not be found out. */
export interface ScrubReply {
  readonly damage: readonly { readonly path: string; readonly sentence: string }[];
  readonly failure?: string | undefined;
}

type Look = (n: number) => Promise<readonly Pick<Damage, 'path' | 'message'>[]>;

/** By the directory of the log: how a bundle of it is looked at. */
const looks = new Map<string, Look>();

async function begin(
  { directory, api }: ScrubSubject,
  size: number,
  edge: readonly Uint8Array[],
): Promise<Look> {
  const { tiles } = await chooseStores(directory);
  const stored: FileSource = { name: 'the log', get: (path) => tiles.get(path) };
  const hashes = (level: number): Uint8Array => edge[level - 1] ?? new Uint8Array();
  if (api === undefined) {
    const survey = new TileSurvey({ format: TILE_LEAVES, size, edge: hashes, stored });
    // Chain certificates that were found right in this pass.
    const right = new Set<string>();
    return async (n) => {
      const { damage, entries = [] } = await survey.bundle(n);
      return [...damage, ...(await wrongCompanions(entries.flatMap(chainCertificatesOf), stored, right))];
    };
  }
  const redactions = await readRedactions(directory);
  const format = artifactEntries(api, redactions);
  const survey = new TileSurvey({ format, size, edge: hashes, stored, judge: artifactJudge(redactions) });
  return async (n) => (await survey.bundle(n)).damage;
}

async function wrongCompanions(
  paths: readonly string[],
  stored: FileSource,
  right: Set<string>,
): Promise<readonly Pick<Damage, 'path' | 'message'>[]> {
  const wrong: Pick<Damage, 'path' | 'message'>[] = [];
  for (const path of new Set(paths)) {
    if (right.has(path)) continue;
    const { bytes, fault } = await readFrom(stored, path);
    if (bytes !== undefined && path.endsWith(`/${toHex(sha256(bytes))}`)) right.add(path);
    else wrong.push({ path, message: fault?.message ?? 'is damaged: its hash is not its name' });
  }
  return wrong;
}

answerInTurn(async (request: ScrubRequest): Promise<ScrubReply> => {
  try {
    if (request.kind === 'begin') {
      looks.set(request.subject.directory, await begin(request.subject, request.size, request.edge));
      return { damage: [] };
    }
    const damage = (await looks.get(request.directory)?.(request.n)) ?? [];
    return { damage: damage.map(({ path, message }) => ({ path, sentence: `${path} ${message}` })) };
  } catch (error) {
    return { damage: [], failure: messageOf(error) };
  }
});
