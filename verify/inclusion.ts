/** Whether an offline proof shows that an entry is in the log (c2sp.org/tlog-proof). */
import { equalBytes } from '../core/bytes.ts';
import { spkiOfEd25519Key } from '../core/public-key.ts';
import { SIGNATURE_ALGORITHMS } from '../core/signature-algorithm.ts';
import { parseCheckpoint, type Checkpoint } from '../tlog/format/checkpoint.ts';
import { parseLeafIndex } from '../ct-log/format/leaf-index.ts';
import { hashLeaf } from '../tlog/format/merkle.ts';
import { verifyInclusion } from '../tlog/format/merkle-verify.ts';
import type { NoteSignature } from '../tlog/format/signed-note.ts';
import { parseTlogProof } from '../tlog/format/tlog-proof.ts';
import { encodeTreeHead, parseTreeHeadSignature } from '../ct-log/format/tree-head.ts';
import { makeVkey, type Vkey } from '../tlog/format/vkey.ts';
import type { VerifyCrypto } from './crypto.ts';
import { isSignedByLog, logKeyKind } from './log-key.ts';
import type { FoundSct } from './sct.ts';
import { requireWithin } from './trust-windows.ts';
import type { PreparedTrustLog } from './trust.ts';
import { refused } from './verify-error.ts';

/** Where an entry was shown to be. */
interface ProvenInclusion {
  readonly index: number;
  readonly size: number;
}

/** What shows that a log has an entry. */
export interface InclusionEvidence {
  /** Text of a C2SP tlog-proof, UTF-8. */
  readonly proof: Uint8Array;
  /** Text of a checkpoint that was kept, UTF-8: the entry must be in that very tree. Who has the keys of the log today can sign other trees, and none into which this one was kept. */
  readonly head?: Uint8Array | undefined;
}

/** The index of `leaf` in the SCT's log. Throws a refusal or FormatError when the checkpoint of the proof or the one that was kept
 * is not signed by all keys of that log, or is older than the SCT, they are not of one tree, or the path does not lead to its root. */
export async function checkInclusion(
  { proof: proofText, head }: InclusionEvidence,
  found: FoundSct,
  leaf: Uint8Array,
  crypto: VerifyCrypto,
): Promise<ProvenInclusion> {
  const { index, path, checkpoint: note } = parseTlogProof(proofText);
  const checkpoint = parseCheckpoint(note);
  if (head !== undefined) await requireHead(checkpoint, parseCheckpoint(head), found, crypto);
  await checkCheckpoint(checkpoint, found, crypto);
  const promised = parseLeafIndex(found.sct.extensions);
  if (promised !== undefined && promised !== index) {
    throw refused(`the proof is for entry ${index}, the SCT says ${promised}`);
  }
  const { size, root } = checkpoint;
  const entry = { leafHash: hashLeaf(crypto.sha256, leaf), index, size };
  if (!verifyInclusion(crypto.sha256, entry, path, root)) {
    throw refused(`the proof does not lead from this certificate to the log's root of size ${size}`);
  }
  return { index, size };
}

/** Throws a refusal unless the checkpoint is of the tree of the head that was kept, and that one is of the log. A smaller tree may be another one, and of a larger one nothing says what of it was there. */
async function requireHead(
  { size, root }: Checkpoint,
  head: Checkpoint,
  found: FoundSct,
  crypto: VerifyCrypto,
): Promise<void> {
  await checkCheckpoint(head, found, crypto, 'the kept head');
  if (size === head.size && equalBytes(root, head.root)) return;
  const other = size === head.size ? 'another tree of that size' : `a tree of ${size} entries`;
  throw refused(
    `the proof is under ${other}, and what counts is the kept head of ${head.size} entries: make the proof for that head`,
    size > head.size ? 'policy' : 'certificate',
  );
}

/** Throws a refusal unless the log signed the checkpoint with every key that is trusted for it: the key of its SCTs
 * always, the Ed25519 key where the trust names one. Each covers what the other does not (the time of the head; the
 * origin), and a line that is missing may have been cut off. Lines of other keys (witnesses) are passed over. Where the trust does not
 * say how checkpoints name the log, as a trusted root does not, its key alone says that it is this log's. */
async function checkCheckpoint(
  checkpoint: Checkpoint,
  found: FoundSct,
  crypto: VerifyCrypto,
  what = "the proof's checkpoint",
): Promise<void> {
  const { name: log, origin = checkpoint.origin } = found.log;
  if (checkpoint.origin !== origin) {
    throw refused(`${what} is of another log than the SCT, which is of ${origin}`);
  }
  for (const key of logKeys(origin, found.log, crypto)) {
    const lines = checkpoint.signatures.filter(
      ({ name, keyId }) => name === key.name && equalBytes(keyId, key.keyId),
    );
    const kind = key.type === 'ed25519' ? 'Ed25519' : logKeyKind(key.key);
    if (lines.length === 0) throw refused(`${what} is not signed with the ${kind} key of the log ${log}`);
    for (const line of lines) {
      if (!(await LINE_CHECKS[key.type](line, key, { what, checkpoint, found, crypto }))) {
        throw refused(`the ${kind} signature of the log ${log} on ${what} does not hold`);
      }
    }
  }
}

type LogKey = Vkey & { readonly type: 'static-ct' | 'ed25519' };

function logKeys(
  origin: string,
  { publicKey, ed25519PublicKey }: PreparedTrustLog,
  { sha256 }: VerifyCrypto,
): LogKey[] {
  const main: LogKey = { ...makeVkey(sha256, origin, 'static-ct', publicKey), type: 'static-ct' };
  if (ed25519PublicKey === undefined) return [main];
  return [main, { ...makeVkey(sha256, origin, 'ed25519', ed25519PublicKey), type: 'ed25519' }];
}

interface LineContext {
  /** In words. */
  readonly what: string;
  readonly checkpoint: Checkpoint;
  readonly found: FoundSct;
  readonly crypto: VerifyCrypto;
}

type LineCheck = (line: NoteSignature, key: LogKey, context: LineContext) => boolean | Promise<boolean>;

const LINE_CHECKS: Readonly<Record<LogKey['type'], LineCheck>> = {
  'static-ct': checkTreeHeadLine,
  ed25519: (line, key, { checkpoint, crypto }) => {
    const spki = spkiOfEd25519Key(key.key);
    return crypto.verify(SIGNATURE_ALGORITHMS.ed25519, spki, checkpoint.text, line.signature);
  },
};

/** A head that the log signed outside the time in which it is trusted proves nothing either: who took its key signs any tree. */
function checkTreeHeadLine(
  line: NoteSignature,
  key: LogKey,
  context: LineContext,
): boolean | Promise<boolean> {
  const { what, checkpoint, found, crypto } = context;
  const { timestamp, ...signed } = parseTreeHeadSignature(line.signature);
  // This signature does not cover the text, so nothing but the tree head may stand there.
  if (checkpoint.extensions.length > 0) throw refused(`${what} has lines that nobody signed`);
  if (timestamp < found.sct.timestamp) throw refused(`${what} is older than the SCT`);
  requireWithin(found.log.windows, [timestamp], `the log ${found.log.name}, whose head the proof is under,`);
  const head = encodeTreeHead({ timestamp, size: checkpoint.size, root: checkpoint.root });
  return isSignedByLog(signed, key.key, head, `the head of ${what}`, crypto);
}
