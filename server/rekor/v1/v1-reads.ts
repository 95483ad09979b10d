/** What can be read of a log through Rekor's first API. Every read rejects with EntryError for what is asked wrongly, and as the log does. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fromHex, toHex, utf8Text } from '../../../core/bytes.ts';
import { goQuote } from '../../../core/go/quote.ts';
import { encodePem } from '../../../core/pem.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { SoughtEntries } from '../../../rekor/entries/v1-request.ts';
import { LogReadError } from '../../../tlog/core/log-error.ts';
import { hashLeaf } from '../../../tlog/format/merkle.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import type { Reply } from '../../http/exchange.ts';
import { redactedEntry } from '../redacted-entry.ts';
import type { ArtifactPlace, ArtifactShard, ArtifactShards, PlacedArtifact } from './artifact-shards.ts';
import { BodyValues } from './body-values.ts';
import { entryId, entryJson, TREE_DIGITS, withheldEntryJson } from './entry-json.ts';
import { FAULT, fault, handlerFault, parseFault } from './framework-faults.ts';
import { QueryValues } from './query-values.ts';
import { MOST_IN_ALL, searchOf, type ShardSearch } from './search-body.ts';
import { handlerReply, NO_ENTRY } from './stock-reply.ts';

const ID_PATTERN = '^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$';
const ID = new RegExp(ID_PATTERN);
const HASH_DIGITS = 64;
/** Entries of one answer. */
const MOST_ENTRIES = 10;
const LARGEST_TREE = 2n ** 63n - 1n;

/** Counts what a read costs beyond one entry, as so many more. */
export type ReadCharge = (entries: number) => void;

/** What one check of a signature counts for: those of large curves take as long. */
const CHECK = 3;
/** Ids that a search finds in the time that reading one entry takes. */
const IDS = 10;

/** The reads of the shards. */
export class V1Reads {
  readonly #shards: ArtifactShards;

  constructor(shards: ArtifactShards) {
    this.#shards = shards;
  }

  /** `GET /api/v1/log/entries?logIndex=` */
  async entryByIndex(url: string): Promise<Reply> {
    const logIndex = new QueryValues(url).requiredInteger('logIndex', 0n);
    return this.#entryReply(this.#shards.placeOf(logIndex));
  }

  /** `GET /api/v1/log/entries/{id}` */
  async entryById(id: string): Promise<Reply> {
    if (!ID.test(id)) throw fault(FAULT.pattern, `entryUUID in path should match '${ID_PATTERN}'`);
    return this.#entryReply(await this.#byId(id));
  }

  /** `POST /api/v1/log/entries/retrieve` */
  async retrieve(bytes: Buffer, charge: ReadCharge): Promise<Reply> {
    const body = new BodyValues(bytes, 'entry');
    const [proposed, ids, indexes] = [body.list('entries'), idsOf(body), indexesOf(body)];
    if (proposed.length + ids.length + indexes.length > MOST_ENTRIES)
      throw handlerFault(422, `more than max allowed ${MOST_ENTRIES} entries in request`);
    charge(Math.max(0, proposed.length + ids.length + indexes.length - 1));
    const places: (ArtifactPlace | undefined)[] = [];
    // In the order of Rekor: whole ids, leaf hashes, entries, indexes.
    const byLength = [...ids].sort((a, b) => b.length - a.length);
    for (const id of byLength) places.push(await this.#byId(id));
    const sought = new SoughtEntries(bytes.length);
    try {
      for (const item of proposed) {
        places.push(await this.#byProposal(item, sought));
        // Reading one takes milliseconds: others get their turn between two.
        await nextTurn();
      }
    } finally {
      charge(CHECK * sought.checks);
    }
    places.push(...indexes.map((index) => this.#shards.placeOf(index)));
    const entries = await this.#shards.entriesAt(places.filter((place) => place !== undefined));
    const answered: unknown[] = [];
    for (const placed of entries) {
      // As good as absent here, where what is asked for is there or is not.
      if (placed.entry.redaction !== undefined) continue;
      answered.push(await provenJson(placed));
      // So does proving and signing a large one.
      await nextTurn();
    }
    return handlerReply(answered);
  }

  /** `GET /api/v1/log` */
  log(): Promise<Reply> {
    const { active, inactive } = this.#shards;
    const inactiveShards = inactive.length === 0 ? null : inactive.map(shardJson);
    return Promise.resolve(handlerReply({ inactiveShards, ...shardJson(active) }));
  }

  /** `GET /api/v1/log/proof?firstSize=&lastSize=&treeID=` */
  async consistencyProof(url: string): Promise<Reply> {
    const query = new QueryValues(url);
    const first = query.integer('firstSize', 1n) ?? 1n;
    const last = query.requiredInteger('lastSize', 1n);
    const treeId = query.treeId();
    const shard = treeId === undefined ? this.#shards.active : this.#shards.ofTree(treeId);
    if (shard === undefined) throw handlerFault(400, `no log range found for tree ID ${treeId}`, NO_TREE);
    if (first > last) throw handlerFault(400, `firstSize(${first}) must be less than lastSize(${last})`);
    const { head } = shard.log.tree.head();
    if (last > BigInt(head.size)) {
      const message = `the tree size requested(${last}) was greater than what is currently observable(${head.size})`;
      throw handlerFault(400, message);
    }
    const hashes = await shard.log.consistency(Number(first), Number(last));
    // Of the tree as it is, whatever was asked for: so does Rekor.
    return handlerReply({ hashes: hashes.map(toHex), rootHash: toHex(head.root) });
  }

  /** `GET /api/v1/log/publicKey?treeID=`: PEM, or JSON for those who ask for nothing else. */
  publicKey(url: string, isJson: boolean): Reply {
    const treeId = new QueryValues(url).treeId();
    const shard = treeId === undefined ? this.#shards.active : this.#shards.ofTree(treeId);
    if (shard === undefined) throw handlerFault(400, 'Bad Request', NO_TREE);
    const pem = encodePem('PUBLIC KEY', shard.log.identity.publicKey);
    return isJson ? handlerReply(pem) : { status: 200, contentType: 'application/x-pem-file', body: pem };
  }

  /** Resolves when that search would find all that is logged. */
  async searchable(bytes: Buffer): Promise<void> {
    searchOf(bytes);
    for (const { search } of this.#shards.all) await search.ready();
  }

  /** `POST /api/v1/index/retrieve`: ids, the newest first. All of them, or a refusal; where a page was asked for and there are more, `X-Search-Before` says where the next
   * one begins. */
  async search(bytes: Buffer, charge: ReadCharge): Promise<Reply> {
    const asked = searchOf(bytes);
    const { ids, before } = await this.#find(asked);
    charge(Math.floor(ids.length / IDS));
    if (before !== undefined && !asked.isPage) throw incomplete(ids.length >= asked.limit);
    return handlerReply(ids, 200, before === undefined ? [] : ['X-Search-Before', String(before)]);
  }

  async #find({ conditions, match, before = Infinity, limit }: ShardSearch): Promise<FoundIds> {
    const ids: string[] = [];
    for (const { log, search } of this.#shards.all) {
      const { firstLogIndex } = log.identity;
      if (before <= firstLogIndex) continue;
      const below = Number.isFinite(before) ? before - firstLogIndex : undefined;
      const page = await search.search({ conditions, match, before: below, limit: limit - ids.length });
      ids.push(...page.entries.map(entryId));
      if (page.before !== undefined) return { ids, before: page.before + firstLogIndex };
      if (ids.length >= limit && firstLogIndex > 0) return { ids, before: firstLogIndex };
    }
    return { ids, before: undefined };
  }

  async #entryReply(place: ArtifactPlace | undefined): Promise<Reply> {
    const [placed] = place === undefined ? [] : await this.#shards.entriesAt([place]);
    if (placed === undefined) return NO_ENTRY;
    if (placed.entry.redaction !== undefined) return redactedReply(placed);
    return handlerReply(await provenJson(placed));
  }

  #byId(id: string): Promise<ArtifactPlace | undefined> {
    const leafHash = fromHex(id.slice(-HASH_DIGITS));
    if (id.length === HASH_DIGITS) return this.#shards.placeOfHash(leafHash);
    const tree = id.slice(0, TREE_DIGITS).toLowerCase();
    const treeId = BigInt(`0x${tree}`);
    if (treeId === 0n || treeId > LARGEST_TREE)
      throw handlerFault(
        400,
        `validation error: ${tree} is not a valid TreeID`,
        'the id of an entry begins with that of a tree',
      );
    return this.#shards.placeOfHash(leafHash, treeId);
  }

  async #byProposal(item: unknown, sought: SoughtEntries): Promise<ArtifactPlace | undefined> {
    const body = await bodyOf(item, sought);
    return body && this.#shards.placeOfHash(hashLeaf(sha256, body));
  }
}

/** What is no entry is a fault of the body here, as Rekor has it; a kind that is logged nowhere here is as good as absent. */
async function bodyOf(item: unknown, sought: SoughtEntries): Promise<Uint8Array | undefined> {
  try {
    return await sought.bodyOf(item);
  } catch (error) {
    if (error instanceof EntryError && error.stock?.by === 'framework')
      throw parseFault('entry', error.stock.message);
    // cosign asks for an envelope as each of two kinds, and one of them has no room for two signatures.
    if (error instanceof EntryError && error.code === 'ENTRY_UNSUPPORTED') return undefined;
    throw error;
  }
}

const incomplete = (areTooMany: boolean): EntryError | LogReadError =>
  areTooMany
    ? handlerFault(
        400,
        `more than ${MOST_IN_ALL} entries are found: ask for less, or for pages with "limit" and "before"`,
      )
    : new LogReadError(
        'NOT_READY',
        'the search took too long: ask for less, or for pages with "limit" and "before"',
      );

const NO_TREE = 'there is no tree with that id';

interface FoundIds {
  readonly ids: readonly string[];
  /** Over all shards: where the next page begins. */
  readonly before: number | undefined;
}

/** A refusal as Rekor would word it, with what is not withheld: clients of Rekor read code and message, and monitors go on by the hash, which the proof holds to the tree. */
async function redactedReply({ shard: { log }, entry }: PlacedArtifact): Promise<Reply> {
  const { message } = redactedEntry(entry);
  const proven = withheldEntryJson(log, { entry, proof: await log.proofOf(entry.index) });
  return handlerReply({ code: 410, message, entry: proven }, 410);
}

async function provenJson({
  shard: { log },
  entry,
}: PlacedArtifact): Promise<Readonly<Record<string, unknown>>> {
  return entryJson(log, { entry, proof: await log.proofOf(entry.index) });
}

function shardJson({ log }: ArtifactShard): Readonly<Record<string, unknown>> {
  const { head, checkpoint } = log.tree.head();
  return {
    rootHash: toHex(head.root),
    signedTreeHead: utf8Text(checkpoint),
    treeID: String(log.identity.treeId),
    treeSize: head.size,
  };
}

function idsOf(body: BodyValues): readonly string[] {
  return body.list('entryUUIDs').map((id, i) => {
    if (typeof id === 'string' && ID.test(id)) return id;
    throw fault(FAULT.pattern, `entryUUIDs.${i} in body should match '${ID_PATTERN}'`);
  });
}

function indexesOf(body: BodyValues): readonly bigint[] {
  return body.list('logIndexes').map((index, i) => {
    const name = `logIndexes.${i} in body`;
    if (typeof index !== 'number' || !Number.isInteger(index))
      throw fault(
        FAULT.type,
        `${name} must be of type int64: ${goQuote(String(index))}`,
        `${name} must be a whole number`,
      );
    if (index >= 0) return BigInt(index);
    throw fault(FAULT.minimum, `${name} should be greater than or equal to 0`);
  });
}
