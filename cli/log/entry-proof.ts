/** The proof that a log of artifacts has an entry, from its directory or from a service, checked before it is handed on. */
import { equalBytes, fromBase64, fromHex, toHex, utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { parseBundle, type Bundle } from '../../bundle/format/bundle.ts';
import { fewHashes } from '../../bundle/format/bundle-entry.ts';
import { httpSource, type HttpSource } from '../../ct-log/http-source.ts';
import { tileOrFull } from '../../ct-log/source.ts';
import { artifactLogsIn } from '../../instance/artifact-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { openArtifactReads } from '../../rekor/artifact-reads.ts';
import { apiOfKind } from '../../rekor/format/entry-body.ts';
import { LogError, LogReadError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { parseCheckpoint } from '../../tlog/format/checkpoint.ts';
import { HASH_LENGTH, hashLeaf } from '../../tlog/format/merkle.ts';
import { inclusionProof } from '../../tlog/format/merkle-proof.ts';
import { verifyInclusion } from '../../tlog/format/merkle-verify.ts';
import { hashesFromTiles, tilePath } from '../../tlog/format/tile.ts';
import { encodeTlogProof } from '../../tlog/format/tlog-proof.ts';
import { parseTrustedRoot } from '../../trust/format/trusted-root.ts';
import { ArtifactLogs } from '../../verify/bundle/artifact-logs.ts';
import { checkCheckpoint } from '../../verify/bundle/log-entry.ts';
import { VerifyError } from '../../verify/verify-error.ts';
import { requireSafeTransport } from '../certificate/http.ts';
import { routedFetch } from '../certificate/routes.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readAccessToken } from '../program/input-file.ts';
import { parseInteger } from '../program/options.ts';
import { readTrust } from '../verify/chosen-trust.ts';
import { platformCrypto } from '../verify/platform-crypto.ts';
import { openArtifactCopy, type ArtifactCopy } from './artifact-copy.ts';
import { deadlineOf, type TargetOptions } from './log-target.ts';
import { placesOfV2 } from './watch/served-artifacts.ts';
import { cosignersOf, readWitnessPolicy } from './witness-quorum.ts';

/** Which entry is meant, where no file says it. */
export interface EntryOptions {
  readonly entry?: string;
  readonly v1?: boolean;
  readonly v2?: boolean;
}

/** A proof that was found right. */
export interface FoundEntryProof {
  readonly api: 1 | 2;
  /** As clients count. */
  readonly logIndex: number;
  /** In the tree of `size` entries. */
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  /** The signed note that it leads to. */
  readonly checkpoint: Uint8Array;
  /** The text of the file, UTF-8. */
  readonly proof: Uint8Array;
}

/** An entry as it is asked for: by its hash, or else by its index as clients count. */
interface SoughtEntry {
  readonly api: 1 | 2;
  readonly leafHash: Uint8Array | undefined;
  readonly logIndex: number | undefined;
  /** Of the log, where a bundle says it. */
  readonly logId: Uint8Array | undefined;
}

/** What proves an entry; nothing of it is checked. */
interface Evidence {
  readonly logIndex: number;
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly path: readonly Uint8Array[];
  /** A signed note. */
  readonly checkpoint: Uint8Array;
}

/**
 * The proof of the entry that `--entry` names, or of the one that the bundle in `text` has. Checked against the signed checkpoint, and that with the keys of `--trust`; without it, with those of the
 * directory, or with what the service says of itself; and held to `--witness-policy`. In a copy of a log `--v2` need not be said. Rejects with CommandError, with LogReadError where there is no such entry, and with LogError.
 */
export async function entryProof(
  options: TargetOptions & EntryOptions,
  text: string | undefined,
  speak: Speaker,
): Promise<FoundEntryProof> {
  const policy = await readWitnessPolicy(options.witnessPolicy);
  const proven = await provenEntry(options, text, speak);
  if (policy !== undefined) cosignersOf(proven.checkpoint, policy);
  return proven;
}

async function provenEntry(
  options: TargetOptions & EntryOptions,
  text: string | undefined,
  speak: Speaker,
): Promise<FoundEntryProof> {
  if ((options.data === undefined) === (options.url === undefined))
    throw new CommandError('USAGE', 'give either --data or --url', {
      hint: '--data is the directory of `mayfly serve` or `dev`, --url the public URL of a service.',
    });
  const copy = await openArtifactCopy(options);
  if (copy !== undefined && options.v1 === true)
    throw new CommandError(
      'USAGE',
      `--v1: ${copy.origin} is no log for Rekor v1, of which there are no copies`,
    );
  const chosen = copy === undefined ? options : { ...options, v2: true };
  const sought = text === undefined ? ofOption(chosen) : ofBundle(text, chosen);
  const trusted = options.trust === undefined ? undefined : await trustedLogs(options.trust);
  if (copy !== undefined) return fromCopy(copy, sought, trusted);
  if (options.data !== undefined) return fromDirectory(options.data, sought, trusted);
  const source = await sourceOf(options.url ?? '', options);
  const evidence = await (sought.api === 1 ? askFirst(source, sought) : askSecond(source, sought));
  return verified(evidence, sought, trusted ?? (await ownWord(source, speak)));
}

const HASH = /^(?:[0-9a-f]{16})?([0-9a-f]{64})$/i;

function ofOption({ entry = '', v1, v2 }: EntryOptions): SoughtEntry {
  if (v1 === v2) throw new CommandError('USAGE', 'say which log the entry is of: --v1 or --v2');
  const api = v1 === true ? 1 : 2;
  const [, hash] = HASH.exec(entry) ?? [];
  if (hash !== undefined) return { api, leafHash: fromHex(hash), logIndex: undefined, logId: undefined };
  return { api, leafHash: undefined, logIndex: parseInteger(entry, '--entry', 0, 2 ** 40), logId: undefined };
}

/** The first of the API that is wanted, of a kind that is known. */
function ofBundle(text: string, { v1, v2 }: EntryOptions): SoughtEntry {
  const wanted = v1 === v2 ? [1, 2] : v1 === true ? [1] : [2];
  for (const { kind, version, logIndex, logId, body } of readBundle(text).entries) {
    const api = apiOfKind(kind, version);
    if (api !== undefined && wanted.includes(api))
      return { api, leafHash: hashLeaf(sha256, body), logIndex, logId };
  }
  throw new CommandError('USAGE', 'the bundle has no such entry of a log of artifacts');
}

/** What is in the text of a bundle. Throws {@link CommandError} `USAGE` where it is none. */
export function readBundle(text: string): Bundle {
  try {
    return parseBundle(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('USAGE', `FILE is no bundle: ${error.message}`);
  }
}

async function trustedLogs(path: string): Promise<ArtifactLogs> {
  const { trustedRoot } = await readTrust(path);
  return new ArtifactLogs(trustedRoot?.artifactLogs ?? [], sha256);
}

/** Held to its own keys as it is opened, and to those of `--trust` where they are given. */
async function fromDirectory(
  data: string,
  sought: SoughtEntry,
  trusted: ArtifactLogs | undefined,
): Promise<FoundEntryProof> {
  const { paths } = await openDataDirectory(data);
  // Of logs whose indexes begin anew, the one in use is meant.
  for (const { api, directory } of (await artifactLogsIn(paths)).toReversed()) {
    if (api !== sought.api) continue;
    const log = await openArtifactReads(directory);
    try {
      const { logId, firstLogIndex } = log.identity;
      if (sought.logId !== undefined && !equalBytes(sought.logId, logId)) continue;
      const index =
        sought.leafHash === undefined
          ? (sought.logIndex ?? 0) - firstLogIndex
          : await log.indexOf(sought.leafHash);
      const proven = index === undefined ? undefined : await log.provenAt(index);
      if (proven === undefined) continue;
      const { entry, proof } = proven;
      const checkpoint = utf8(proof.checkpoint);
      const evidence = { ...entry, path: proof.hashes, checkpoint };
      return trusted === undefined
        ? found(evidence, api, proof.size)
        : await verified(evidence, sought, trusted);
    } finally {
      await log.close();
    }
  }
  throw notThere('the logs of the directory do not have that entry', {
    hint: 'What the last second brought is not there yet: its checkpoint file is up to a second late.',
  });
}

/** Held to the keys that the copy was begun with, and to those of `--trust` where they are given. */
async function fromCopy(
  copy: ArtifactCopy,
  sought: SoughtEntry,
  trusted: ArtifactLogs | undefined,
): Promise<FoundEntryProof> {
  const { origin, size, root, checkpoint } = copy;
  if (sought.logId !== undefined && !equalBytes(sought.logId, copy.logId))
    throw notThere(`the bundle names another log than ${origin}, which this is a copy of`);
  const index = sought.leafHash === undefined ? sought.logIndex : await copy.indexOf(sought.leafHash);
  if (index === undefined)
    throw notThere(`the copy has ${size} entries, and not that one`, {
      hint: '`mayfly log mirror` brings it up to date.',
    });
  const { leafHash } = await copy.entryAt(index);
  const path = (await copy.inclusion(index)) ?? [];
  const evidence = { logIndex: index, index, leafHash, path, checkpoint };
  if (trusted !== undefined) return verified(evidence, sought, trusted);
  if (!verifyInclusion(sha256, { leafHash, index, size }, path, root))
    throw wrong(`the copy does not prove entry ${index} under its head`);
  return found(evidence, 2, size);
}

async function sourceOf(url: string, options: TargetOptions): Promise<HttpSource> {
  if (!/^https?:\/\/[^/?#][^?#]*$/.test(url))
    throw new CommandError('USAGE', `"${url}" is not the URL of a service`);
  const accessToken = await readAccessToken(options.accessTokenFile, 'access token');
  if (accessToken !== undefined) requireSafeTransport(new URL(url), 'the log');
  return httpSource(url, { accessToken, deadline: deadlineOf(options), send: routedFetch });
}

/** Whom the service says that one is to trust. */
async function ownWord(source: HttpSource, speak: Speaker): Promise<ArtifactLogs> {
  speak.note(
    "note: the log's key is the server's own word (trust/trusted_root.json); name --trust DIR to be sure",
  );
  const root = await source.get('trust/trusted_root.json').catch((error: unknown) => {
    if (!(error instanceof LogReadError)) throw error;
    throw new CommandError('FAILED', `${source.name} does not say what its keys are`, {
      hint: 'Name a trust directory, or a trusted_root.json, with --trust.',
    });
  });
  return new ArtifactLogs(parseTrustedRoot(utf8Text(root)).artifactLogs, sha256);
}

/** Above what one entry comes to. */
const ANSWER = { length: 1024 * 1024, depth: 16 };

/** Of Rekor's first API: an entry with its proof. Of one that is redacted the refusal has both, but for the body, under its id, which ends with its leaf hash. */
async function askFirst(source: HttpSource, { leafHash, logIndex }: SoughtEntry): Promise<Evidence> {
  const path = leafHash === undefined ? `?logIndex=${logIndex}` : `/${toHex(leafHash)}`;
  const { isWithheld, bytes } = await source.getEntry(`api/v1/log/entries${path}`);
  const answer = recordOf(parseStrictJson(utf8Text(bytes), ANSWER));
  const withheld = answer['entry'];
  if (isWithheld && withheld === undefined) throw unproven();
  const [[id, entry] = ['', undefined]] = Object.entries(isWithheld ? recordOf(withheld) : answer);
  const { body, logIndex: found, verification } = recordOf(entry);
  const proof = recordOf(recordOf(verification)['inclusionProof']);
  const { hashes } = proof;
  if (!Array.isArray(hashes)) throw new FormatError('MALFORMED', 'the answer has no inclusion proof');
  return {
    logIndex: wholeOf(found),
    index: wholeOf(proof['logIndex']),
    leafHash: isWithheld ? hashInId(id) : hashLeaf(sha256, fromBase64(textOf(body))),
    path: fewHashes(hashes.map((hash: JsonValue) => fromHex(textOf(hash)))),
    checkpoint: utf8(textOf(proof['checkpoint'])),
  };
}

/** An id is the number of a tree and a leaf hash, in hexadecimal. */
function hashInId(id: string): Uint8Array {
  const [, hash] = HASH.exec(id) ?? [];
  if (hash !== undefined) return fromHex(hash);
  throw new FormatError('MALFORMED', 'the id of an entry in the answer is none');
}

/** By a service that is older than such answers. */
const unproven = (): CommandError =>
  new CommandError('FAILED', 'the service says that the entry is redacted, and not how it is proven', {
    hint: 'The proof in its bundle goes on holding (mayfly verify bundle), and the data directory makes one (--data).',
  });

/** Of Rekor's second API: checkpoint and tiles. */
async function askSecond(source: HttpSource, { logIndex: index, logId }: SoughtEntry): Promise<Evidence> {
  if (index === undefined)
    throw new CommandError('USAGE', 'a log for Rekor v2 finds entries at a URL by their index alone', {
      hint: 'Give the index, or the bundle; its data directory finds them by their hash, too.',
    });
  const { place, checkpoint } = await placeOf(source, logId);
  const { size } = parseCheckpoint(checkpoint);
  if (index >= size) throw notThere(`the log has ${size} entries, and none with index ${index}`);
  const hashes = hashesFromTiles(sha256, size, async (tile) =>
    (await tileOrFull(`${place}/${tilePath(tile)}`, (path) => source.get(path))).subarray(
      0,
      tile.width * HASH_LENGTH,
    ),
  );
  const path = await inclusionProof(sha256, index, size, hashes);
  return { logIndex: index, index, leafHash: await hashes(0, index), path, checkpoint };
}

/** Where the log with that id is read: it may have been followed by others. Without an id the one in use is meant. */
async function placeOf(
  source: HttpSource,
  logId: Uint8Array | undefined,
): Promise<{ readonly place: string; readonly checkpoint: Uint8Array }> {
  const inUse = { place: 'api/v2', checkpoint: await source.get('api/v2/checkpoint') };
  if (logId === undefined || isSignedBy(logId, inUse.checkpoint)) return inUse;
  for await (const one of placesOfV2(source)) if (isSignedBy(logId, one.checkpoint)) return one;
  throw new CommandError('FAILED', 'the service has no log for Rekor v2 with the id that the bundle names', {
    hint: 'Ask the service whose log it is, or the data directory (--data).',
  });
}

/** By what the note says; the signature is checked later. */
const isSignedBy = (logId: Uint8Array, checkpoint: Uint8Array): boolean =>
  parseCheckpoint(checkpoint).signatures.some(({ keyId }) => equalBytes(keyId, logId.subarray(0, 4)));

/** Holds the evidence to what was asked for, to a key that is trusted, and to the root that it signed. */
async function verified(
  evidence: Evidence,
  sought: SoughtEntry,
  logs: ArtifactLogs,
): Promise<FoundEntryProof> {
  const { logIndex, index, leafHash, path, checkpoint } = evidence;
  const isOther =
    sought.leafHash === undefined ? logIndex !== sought.logIndex : !equalBytes(leafHash, sought.leafHash);
  if (isOther) throw wrong('another entry was answered than the one that was asked for');
  const parsed = parseCheckpoint(checkpoint);
  const { size, root } = parsed;
  const log = logs.ofCheckpoint(sought.api, parsed);
  if (log === undefined || (sought.logId !== undefined && !equalBytes(log.logId, sought.logId)))
    throw new CommandError(
      'FAILED',
      'the checkpoint is not of the log that is meant, or of one that is not trusted',
      {
        hint: [...logs.unusable, 'Export the trust directory again, or name another one with --trust.'].join(
          '. ',
        ),
      },
    );
  await checkCheckpoint(parsed, { root, size }, { log, api: sought.api }, platformCrypto).catch(
    (error: unknown) => {
      throw error instanceof VerifyError ? wrong(error.message) : error;
    },
  );
  if (!verifyInclusion(sha256, { leafHash, index, size }, path, root))
    throw wrong(`the proof does not lead from the entry to the root of size ${size} that the log signed`);
  return found(evidence, sought.api, size);
}

const found = (
  { logIndex, index, leafHash, path, checkpoint }: Evidence,
  api: 1 | 2,
  size: number,
): FoundEntryProof => ({
  api,
  logIndex,
  index,
  size,
  leafHash,
  checkpoint,
  proof: encodeTlogProof({ index, path, checkpoint }),
});

const wrong = (message: string): LogError => new LogError('LOG_CORRUPT', message);

const notThere = (message: string, details: { readonly hint?: string } = {}): LogReadError =>
  new LogReadError('NOT_FOUND', message, details);

function recordOf(json: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  if (typeof json === 'object' && json !== null && !Array.isArray(json))
    return json as Readonly<Record<string, JsonValue>>;
  throw new FormatError('MALFORMED', 'the answer is no entry of a log of artifacts');
}

function textOf(json: JsonValue | undefined): string {
  if (typeof json === 'string') return json;
  throw new FormatError('MALFORMED', 'a text is missing in the answer');
}

function wholeOf(json: JsonValue | undefined): number {
  if (typeof json === 'number' && Number.isSafeInteger(json) && json >= 0) return json;
  throw new FormatError('MALFORMED', 'an index is missing in the answer');
}
