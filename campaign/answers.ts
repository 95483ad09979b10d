/** What clients of the two kinds of log are answered with, read and checked with the public keys of the logs alone. */
import { fromBase64 } from '../core/bytes.ts';
import { findExtension, parseCertificate, type Certificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { decodePem } from '../core/pem.ts';
import { platformCrypto } from '../cli/verify/platform-crypto.ts';
import { parseLeafIndex } from '../ct-log/format/leaf-index.ts';
import { parseSct, parseSctList, SCT_LIST_OID } from '../ct-log/format/sct.ts';
import { logKeys } from '../ct-log/log-keys.ts';
import { readIdentity, type CtLogIdentity } from '../ct-log/log-identity.ts';
import { checkpointKey } from '../rekor/log-key.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from '../rekor/log-identity.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { hashLeaf } from '../tlog/format/merkle.ts';
import { verifyInclusion } from '../tlog/format/merkle-verify.ts';
import { verifyCheckpoint, type CheckpointKey } from '../tlog/tree/verify-head.ts';
import { loggedLeaf } from '../verify/logged-entry.ts';
import { isSignedByLog } from '../verify/log-key.ts';

/** The logs of a deployment. */
export type LogName = 'certificates' | 'artifacts';

/** A head that a log signed. */
export interface SignedTree {
  readonly size: number;
  readonly root: Uint8Array;
  /** Milliseconds since the epoch; undefined where no signature covers it. */
  readonly timestamp: number | undefined;
}

/** An entry that was acknowledged. */
export interface AcknowledgedEntry {
  readonly index: number;
  readonly leafHash: Uint8Array;
  /** Milliseconds since the epoch, where the answer has it. */
  readonly timestamp?: number;
  /** The head that came with it. */
  readonly head?: SignedTree;
}

/** Reads what one log says. Each function throws FormatError, LogError or SyntaxError for what does not hold, which names it. */
export interface AnswerReader {
  /** Body of the answer to a request that was granted. */
  entry(body: string): Promise<AcknowledgedEntry>;
  /** Text of a signed checkpoint. */
  head(checkpoint: Uint8Array): SignedTree;
}

/** The readers of both logs, whose directories have their public keys. */
export async function answerReaders(
  directories: Readonly<Record<LogName, string>>,
): Promise<Readonly<Record<LogName, AnswerReader>>> {
  const certificates = await readIdentity(directories.certificates);
  const artifacts = await readArtifactLogIdentity(directories.artifacts);
  const artifactKeys = [checkpointKey(artifacts)];
  return {
    certificates: {
      entry: (body) => readCertificate(body, certificates),
      head: headReader(logKeys(certificates)),
    },
    artifacts: {
      entry: (body) => Promise.resolve(readArtifact(body, artifacts, headReader(artifactKeys))),
      head: headReader(artifactKeys),
    },
  };
}

const headReader =
  (keys: readonly CheckpointKey[]): AnswerReader['head'] =>
  (checkpoint) => {
    const { size, root, timestamp } = verifyCheckpoint(checkpoint, keys);
    return { size, root, timestamp };
  };

async function readCertificate(body: string, { publicKey }: CtLogIdentity): Promise<AcknowledgedEntry> {
  const answer = JSON.parse(body) as {
    readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: readonly string[] } };
  };
  const [leaf, issuer] = answer.signedCertificateEmbeddedSct.chain.certificates.map(certificateOf);
  const list = leaf && findExtension(leaf, SCT_LIST_OID);
  if (leaf === undefined || issuer === undefined || list === undefined)
    throw new FormatError('MALFORMED', 'a certificate came without an SCT or without its issuer');
  const [first = new Uint8Array()] = parseSctList(list.value);
  const sct = parseSct(first);
  const bytes = loggedLeaf(leaf, issuer, sct, platformCrypto);
  if (!(await isSignedByLog(sct, publicKey, bytes, 'the SCT', platformCrypto)))
    throw new FormatError('MALFORMED', 'the signature of an SCT does not hold');
  const index = parseLeafIndex(sct.extensions);
  if (index === undefined) throw new FormatError('MALFORMED', 'an SCT does not say where its entry is');
  return { index, leafHash: hashLeaf(sha256, bytes), timestamp: sct.timestamp };
}

function certificateOf(pem: string): Certificate {
  const [block] = decodePem(pem);
  if (block === undefined) throw new FormatError('MALFORMED', 'a certificate is no PEM');
  return parseCertificate(block.bytes);
}

/** Of the second API: the entry comes with its proof under a signed checkpoint. */
function readArtifact(
  body: string,
  { logId }: ArtifactLogIdentity,
  headOf: AnswerReader['head'],
): AcknowledgedEntry {
  const answer = JSON.parse(body) as {
    readonly logId: { readonly keyId: string };
    readonly canonicalizedBody: string;
    readonly inclusionProof: {
      readonly logIndex: string;
      readonly hashes?: readonly string[];
      readonly checkpoint: { readonly envelope: string };
    };
  };
  const { canonicalizedBody, inclusionProof } = answer;
  if (answer.logId.keyId !== Buffer.from(logId).toString('base64'))
    throw new FormatError('MALFORMED', 'an entry names another log');
  const head = headOf(Buffer.from(inclusionProof.checkpoint.envelope));
  const index = Number(inclusionProof.logIndex);
  const leafHash = hashLeaf(sha256, fromBase64(canonicalizedBody));
  const path = (inclusionProof.hashes ?? []).map(fromBase64);
  if (!verifyInclusion(sha256, { leafHash, index, size: head.size }, path, head.root))
    throw new FormatError('MALFORMED', `the proof of entry ${index} does not lead to the signed root`);
  return { index, leafHash, head };
}
