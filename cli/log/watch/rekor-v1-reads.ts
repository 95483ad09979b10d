/** A log of artifacts behind Rekor's first API, entry by entry: it has no tiles. Nothing of an answer is believed; what is made of it has to give the root that the log signed. */
import { fromBase64, fromHex, utf8 } from '../../../core/bytes.ts';
import { FormatError } from '../../../core/errors.ts';
import { RETRY_LIMITS, retryDelay, retrying } from '../../../core/retry.ts';
import { parseStrictJson, type JsonValue } from '../../../core/strict-json.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { parseCheckpoint } from '../../../tlog/format/checkpoint.ts';
import { CompactRange } from '../../../tlog/format/compact-range.ts';
import { HASH_LENGTH, hashLeaf } from '../../../tlog/format/merkle.ts';
import { exchangeBytes, retryAfterOf, type CommandEnd, type RawAnswer } from '../../certificate/http.ts';

/** An entry; one that is withheld has the hash of its leaf instead of a body. */
interface ReadEntry {
  readonly index: number;
  readonly logIndex: number;
  readonly body: Uint8Array;
  readonly integratedTime: number;
  readonly withheld?: Uint8Array;
}

/** A tree behind the API. */
export interface RekorV1Tree {
  readonly treeId: string;
  /** Its signed head, which is not verified. */
  readonly checkpoint: Uint8Array;
  /** What is added to an index of the tree for clients: the sizes of the trees before it. */
  readonly firstLogIndex: number;
}

/** Trees that follow each other. */
const MOST_TREES = 64;

/** Entries of one request. */
const MOST_ENTRIES = 10;

const MAX_ANSWER = 4 * 1024 * 1024;
const JSON_LIMITS = { length: MAX_ANSWER, depth: 16 };

/** The reads. Each rejects with CommandError `UNREACHABLE`, and with LogError `LOG_STORAGE` for an answer that is none. */
export class RekorV1Reads {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #end: CommandEnd | undefined;

  constructor(url: string, token: string | undefined, end: CommandEnd | undefined) {
    this.#end = end;
    this.#url = `${url}/api/v1/log`;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** Those that followed each other, the oldest first; the one in use is the last. */
  async trees(): Promise<readonly RekorV1Tree[]> {
    const inUse = await this.#ask('');
    const former = Array.isArray(inUse['inactiveShards'])
      ? (inUse['inactiveShards'] as readonly JsonValue[]).map(recordOf)
      : [];
    if (former.length >= MOST_TREES) throw strange(`it has more than ${MOST_TREES} trees`);
    let firstLogIndex = 0;
    return [...former, inUse].map(({ signedTreeHead, treeID, treeSize }) => {
      const checkpoint = utf8(textOf(signedTreeHead));
      reading(() => parseCheckpoint(checkpoint));
      const treeId = textOf(treeID);
      if (!/^\d{1,19}$/.test(treeId)) throw strange('an answer of it is none');
      const tree = { treeId, checkpoint, firstLogIndex };
      firstLogIndex += numberOf(treeSize);
      return tree;
    });
  }

  async consistency(first: number, last: number, { treeId }: RekorV1Tree): Promise<readonly Uint8Array[]> {
    const { hashes } = await this.#ask(`/proof?firstSize=${first}&lastSize=${last}&treeID=${treeId}`);
    return hashesOf(hashes);
  }

  /** Undefined where the tree has grown since that size. */
  async inclusion(
    index: number,
    size: number,
    tree: RekorV1Tree,
  ): Promise<readonly Uint8Array[] | undefined> {
    const { hashes, treeSize } = proofOf((await this.#entry(index, tree)).entry);
    return treeSize === size ? hashes : undefined;
  }

  /** The left siblings on the way from the last leaf up are the tree before it. */
  async frontier(size: number, tree: RekorV1Tree): Promise<readonly Uint8Array[]> {
    if (size === 0) return [];
    const { entry, withheld } = await this.#entry(size - 1, tree);
    const { hashes, treeSize } = proofOf(entry);
    if (treeSize !== size) throw strange('it grew meanwhile; ask again');
    try {
      const range = new CompactRange(sha256, size - 1, hashes.toReversed());
      range.append(withheld ?? hashLeaf(sha256, bodyOf(entry)));
      return range.hashes;
    } catch (error) {
      if (error instanceof FormatError) throw strange('a proof of it is none');
      throw error;
    }
  }

  /** From that index of the tree on: as many as one request has, or as are wanted. Each counts against what the service lets one client read. */
  async entries(
    { first, wanted = MOST_ENTRIES }: { readonly first: number; readonly wanted?: number | undefined },
    size: number,
    tree: RekorV1Tree,
  ): Promise<readonly ReadEntry[]> {
    const { firstLogIndex } = tree;
    const length = Math.min(MOST_ENTRIES, wanted, size - first);
    const indexes = Array.from({ length }, (_, i) => first + i);
    const body = JSON.stringify({ logIndexes: indexes.map((index) => index + firstLogIndex) });
    const found = new Map<number, JsonValue>();
    for (const item of arrayOf(await this.#json('/entries/retrieve', body)))
      for (const entry of Object.values(recordOf(item)))
        found.set(numberOf(recordOf(entry)['logIndex']) - firstLogIndex, entry);
    const entries: ReadEntry[] = [];
    for (const index of indexes) {
      const entry = found.get(index);
      entries.push(entry === undefined ? await this.#withheld(index, tree) : readEntry(index, entry, tree));
    }
    return entries;
  }

  async #withheld(index: number, tree: RekorV1Tree): Promise<ReadEntry> {
    const { entry, withheld } = await this.#entry(index, tree);
    if (withheld === undefined) throw strange(`it has its entry ${index} alone, and not with others`);
    const integratedTime = numberOf(recordOf(entry)['integratedTime']);
    return { index, logIndex: index + tree.firstLogIndex, body: new Uint8Array(), integratedTime, withheld };
  }

  /** One entry with its proof. Of one that is withheld, the refusal has all but the body, under its id, which ends with its hash. */
  async #entry(
    index: number,
    { firstLogIndex }: RekorV1Tree,
  ): Promise<{ readonly entry: JsonValue; readonly withheld?: Uint8Array }> {
    const answer = await this.#raw(`/entries?logIndex=${index + firstLogIndex}`);
    const isWithheld = answer.status === 410;
    const json = recordOf(jsonOf(answer, isWithheld ? 410 : 200));
    const [[id, entry] = ['', null]] = Object.entries(isWithheld ? recordOf(json['entry'] ?? null) : json);
    if (!isWithheld) return { entry };
    const withheld = reading(() => fromHex(id.slice(-2 * HASH_LENGTH)));
    if (withheld.length === HASH_LENGTH) return { entry, withheld };
    throw strange(`it withholds its entry ${index}, and does not say with which hash`);
  }

  async #ask(path: string): Promise<Readonly<Record<string, JsonValue>>> {
    return recordOf(await this.#json(path));
  }

  async #json(path: string, body?: string): Promise<JsonValue> {
    return jsonOf(await this.#raw(path, body));
  }

  #raw(path: string, body?: string): Promise<RawAnswer> {
    const headers = {
      ...this.#headers,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const request = {
      headers,
      maxBytes: MAX_ANSWER,
      end: this.#end,
      ...(body === undefined ? {} : { method: 'POST' as const, body }),
    };
    return retrying(
      () => exchangeBytes(new URL(this.#url + path), 'the log', request),
      ({ status, headers: sent }) => retryDelay(status, retryAfterOf(sent)),
      RETRY_LIMITS,
      this.#end?.signal,
    );
  }
}

function readEntry(index: number, entry: JsonValue, { firstLogIndex }: RekorV1Tree): ReadEntry {
  const integratedTime = numberOf(recordOf(entry)['integratedTime']);
  return { index, logIndex: index + firstLogIndex, body: bodyOf(entry), integratedTime };
}

function jsonOf({ status, bytes }: RawAnswer, expected = 200): JsonValue {
  if (status !== expected) throw strange(`the service answered ${status}`);
  return reading(() => parseStrictJson(new TextDecoder().decode(bytes), JSON_LIMITS));
}

function proofOf(entry: JsonValue): { readonly hashes: readonly Uint8Array[]; readonly treeSize: number } {
  const { inclusionProof = null } = recordOf(recordOf(entry)['verification'] ?? null);
  const { hashes, treeSize } = recordOf(inclusionProof);
  return { hashes: hashesOf(hashes), treeSize: numberOf(treeSize) };
}

const bodyOf = (entry: JsonValue): Uint8Array => reading(() => fromBase64(textOf(recordOf(entry)['body'])));

const hashesOf = (value: JsonValue | undefined): readonly Uint8Array[] =>
  arrayOf(value ?? []).map((hash) => reading(() => fromHex(textOf(hash))));

function recordOf(value: JsonValue): Readonly<Record<string, JsonValue>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, JsonValue>>;
  throw strange('an answer of it is none');
}

function arrayOf(value: JsonValue): readonly JsonValue[] {
  if (Array.isArray(value)) return value as readonly JsonValue[];
  throw strange('an answer of it is none');
}

function textOf(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  throw strange('an answer of it is none');
}

function numberOf(value: JsonValue | undefined): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw strange('an answer of it is none');
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) throw strange('an answer of it is none');
    throw error;
  }
}

const strange = (what: string): LogError =>
  new LogError('LOG_STORAGE', `the log for Rekor v1 cannot be read: ${what}`, {
    hint: 'Is --url the public URL of the service, without a path of its API?',
  });
