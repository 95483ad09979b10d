/** A log of artifacts as a kind of tile log: its entries are about signatures, its receipts inclusion proofs under the signed checkpoint. */
import { utf8Text } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import type { Signer } from '../signers/signer.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { PlacedEntry } from '../tlog/format/entry-format.ts';
import { hashLeaf } from '../tlog/format/merkle.ts';
import { inclusionProof, rememberingHashes, type HashReader } from '../tlog/format/merkle-proof.ts';
import type { LogKind } from '../tlog/log-kind.ts';
import type { SignedHead } from '../tlog/sequence/head-signer.ts';
import type { LoggedProof, LoggableEntry } from './artifact-log.ts';
import { MAX_BODY } from './entries/proposed-entry.ts';
import { checkpointSigner, logIdOfKey, requireSigner } from './log-key.ts';
import type { ArtifactLogIdentity } from './log-identity.ts';
import type { Redactions } from './redactions.ts';
import { artifactEntries, type StoredArtifact } from './stored-artifact.ts';

/** The kind, for the log of that identity with its private key. */
export function artifactLogKind(
  identity: ArtifactLogIdentity,
  signer: Signer,
  redactions?: Redactions,
): LogKind<LoggableEntry, LoggedProof, PlacedEntry, StoredArtifact> {
  return {
    identity,
    entries: artifactEntries(identity.api, redactions),
    keys: [checkpointSigner(identity, signer)],
    logIdOfKeys: logIdOfKey(identity, signer),
    knownAs: knownAs(identity),
    endNotice: END_NOTICE,
    requireKeys: () => {
      requireSigner(identity, signer);
    },
    place: entryPlacer(identity),
    receipts: async (entries, _, signing, hashes) => {
      const head = await signing;
      // The proofs of a batch have nearly all of their hashes in common.
      const known = rememberingHashes(hashes);
      return Promise.all(entries.map(({ index }) => proofUnder(head, index, known)));
    },
    keyRefusal: () => signer.remote?.refusal(),
  };
}

/** As `LogKind` has it. */
export const knownAs = ({ api, origin }: ArtifactLogIdentity): string =>
  `the log of artifacts for clients of Rekor v${api}, ${origin},`;

/** As `LogKind` has it. */
export const END_NOTICE = 'no entry is added to it any more';

/** The proof of the entry at `index` under `head`, whose tree `hashes` reads. */
export async function proofUnder(
  { head: { size, root }, checkpoint }: SignedHead,
  index: number,
  hashes: HashReader,
): Promise<LoggedProof> {
  const path = await inclusionProof(sha256, index, size, hashes);
  return { size, root, hashes: path, checkpoint: utf8Text(checkpoint) };
}

/** Seconds since the epoch for the time of a head, which is in milliseconds: when the entries that it adds were taken in, for clients of the first API. */
export const integratedTimeOf = (timestamp: number): number => Math.floor(timestamp / 1000);

function entryPlacer({ api }: ArtifactLogIdentity): ReturnType<typeof artifactLogKind>['place'] {
  const { encode } = artifactEntries(api);
  return ({ body, namedDigests }, index, timestamp) => {
    requireBody(body);
    try {
      const bytes = encode({ leaf: body, integratedTime: integratedTimeOf(timestamp), namedDigests });
      return { index, leafHash: hashLeaf(sha256, body), bytes };
    } catch (error) {
      throw error instanceof FormatError ? refused(error.message, error) : error;
    }
  };
}

/** Throws {@link LogError} `LOG_ENTRY_REFUSED` for a body that no log takes. */
export function requireBody(body: Uint8Array): void {
  if (body.length > MAX_BODY)
    throw refused(`the entry has ${body.length} bytes, and a log takes ${MAX_BODY}`);
  if (body.length === 0) throw refused('the entry is empty');
}

const refused = (message: string, cause?: unknown): LogError =>
  new LogError('LOG_ENTRY_REFUSED', message, { cause });
