/**
 * A second kind of log, as small as one can be: entries are JSON texts, bundles lie under `tile/entries` with the length of
 * each entry in 16 bits before it, the one key is ECDSA P-256 over the checkpoint's text and has another name than the
 * origin, and the receipt is an inclusion proof under the signed checkpoint. It stands for a log of signatures, and shows what the tile log asks of a kind.
 */
import {
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
  type KeyPairKeyObjectResult,
} from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat, equalBytes, fromBase64, toBase64, utf8, utf8Text } from '../../../core/bytes.ts';
import { FormatError } from '../../../core/errors.ts';
import { TlsReader, vector } from '../../../core/tls.ts';
import { createLog } from '../../../tlog/create-log.ts';
import { hashLeaf } from '../../../tlog/format/merkle.ts';
import { inclusionProof } from '../../../tlog/format/merkle-proof.ts';
import { verifyInclusion } from '../../../tlog/format/merkle-verify.ts';
import { encodeTlogProof, parseTlogProof } from '../../../tlog/format/tlog-proof.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { readIdentityFile, type LogIdentity } from '../../../tlog/core/log-identity.ts';
import type { LogKind } from '../../../tlog/log-kind.ts';
import type { EntryFormat } from '../../../tlog/format/entry-format.ts';
import type { TileLog } from '../../../tlog/live-log.ts';
import { prepareLog, type LogOptions } from '../../../tlog/log.ts';
import type { CheckpointSigner } from '../../../tlog/sequence/head-signer.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { verifyCheckpoint, type CheckpointKey } from '../../../tlog/tree/verify-head.ts';

/** What a caller gets: the text of a `tlog-proof`. */
export interface ProofReceipt {
  readonly proof: Uint8Array;
}

const MAX_ENTRY = 0xffff;

/** How JSON texts lie in bundles. */
export const ARTIFACT_ENTRIES: EntryFormat = {
  bundle: 'entries',
  parse(bytes, offset) {
    const reader = new TlsReader(bytes.subarray(offset));
    const leaf = reader.vector(2);
    return { leaf, next: offset + reader.offset };
  },
  isSound: () => true,
};

type KeyPair = Pick<KeyPairKeyObjectResult, 'privateKey' | 'publicKey'>;

/** A new key of a log. */
export const artifactKey = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' });

const spkiOf = (key: KeyObject): Uint8Array => key.export({ type: 'spki', format: 'der' });

function identityOf(origin: string, spki: Uint8Array): LogIdentity {
  const text = `${JSON.stringify({ kind: 'artifact', origin, publicKey: toBase64(spki) })}\n`;
  return { origin, logId: sha256(spki), text };
}

/** The key with which checkpoints of the log are checked. Its id is the start of its hash, without the name, and its name is
 * that of the host, which is the first word of the origin. */
const verifierOf = (origin: string, publicKey: KeyObject): CheckpointKey => ({
  name: origin.split(' ', 1)[0] ?? '',
  origin,
  keyId: sha256(spkiOf(publicKey)).subarray(0, 4),
  algorithm: 'ECDSA',
  verify: ({ text }, signature) => (verify('sha256', text, publicKey, signature) ? {} : undefined),
});

function signerOf(origin: string, { privateKey, publicKey }: KeyPair): CheckpointSigner {
  return {
    ...verifierOf(origin, publicKey),
    sign: (_, text) => Promise.resolve(sign('sha256', text, privateKey)),
  };
}

/** The kind, for the log of that identity. */
export function artifactKind(identity: LogIdentity, key: KeyPair): LogKind<string, ProofReceipt> {
  const logIdOfKeys = sha256(spkiOf(key.publicKey));
  return {
    identity,
    entries: ARTIFACT_ENTRIES,
    keys: [signerOf(identity.origin, key)],
    logIdOfKeys,
    knownAs: 'the log of this test',
    endNotice: 'nothing is added any more',
    requireKeys() {
      if (!equalBytes(logIdOfKeys, identity.logId)) throw new LogError('LOG_WRONG_KEY', 'another key');
    },
    place(entry, index) {
      const leaf = utf8(entry);
      if (leaf.length > MAX_ENTRY) throw new LogError('LOG_ENTRY_REFUSED', 'the entry is too large');
      return { index, leafHash: hashLeaf(sha256, leaf), bytes: vector(2, leaf) };
    },
    keyRefusal: () => undefined,
    receipts: async (entries, head, signing, hashes) => {
      const { checkpoint } = await signing;
      return Promise.all(
        entries.map(async ({ index }) => ({
          proof: encodeTlogProof({
            index,
            path: await inclusionProof(sha256, index, head.size, hashes),
            checkpoint,
          }),
        })),
      );
    },
  };
}

/** How an artifact log is opened. */
export interface ArtifactLogOptions extends LogOptions {
  readonly key: KeyPair;
}

/** Opens the log in `directory`, as `log.json` names it. */
export async function openArtifactLog(options: ArtifactLogOptions): Promise<TileLog<string, ProofReceipt>> {
  const identity = await readIdentityFile(options.directory, (fields) =>
    identityOf(String(fields.get('origin')), fromBase64(String(fields.get('publicKey')))),
  );
  const prepared = await prepareLog(artifactKind(identity, options.key), options);
  return prepared.open();
}

/** Throws unless the receipt proves the entry under a checkpoint that the log signed; what it says otherwise. */
export function verifyReceipt(
  { proof }: ProofReceipt,
  entry: string,
  key: CheckpointKey,
): { readonly index: number; readonly size: number; readonly root: Uint8Array } {
  const { index, path, checkpoint } = parseTlogProof(proof);
  const { size, root } = verifyCheckpoint(checkpoint, [key]);
  const leafHash = hashLeaf(sha256, utf8(entry));
  if (!verifyInclusion(sha256, { leafHash, index, size }, path, root))
    throw new FormatError('MALFORMED', 'the receipt does not prove the entry');
  return { index, size, root };
}

/** A log in a temporary directory, which can be opened again and again. */
export interface TestArtifactLog {
  readonly directory: string;
  readonly identity: LogIdentity;
  readonly key: KeyPair;
  readonly verifier: CheckpointKey;
  open(options?: Partial<ArtifactLogOptions>): Promise<TileLog<string, ProofReceipt>>;
  /** Closes whatever is open and removes the directory. */
  remove(): Promise<void>;
}

/** Makes a {@link TestArtifactLog}. */
export async function testArtifactLog(origin = 'rekor.localhost - 4711'): Promise<TestArtifactLog> {
  const root = mkdtempSync(join(tmpdir(), 'mayfly-artifacts-'));
  const directory = join(root, 'artifacts');
  const key = artifactKey();
  const identity = identityOf(origin, spkiOf(key.publicKey));
  await createLog({ directory, identity, createdAt: Date.now() });
  const open: TileLog<string, ProofReceipt>[] = [];
  return {
    directory,
    identity,
    key,
    verifier: verifierOf(origin, key.publicKey),
    async open(more) {
      const log = await openArtifactLog({ directory, key, clock: Date.now, ...more });
      open.push(log);
      return log;
    },
    async remove() {
      await Promise.all(open.map((log) => log.close()));
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The entries of one stored bundle. */
export function textsOf(bundle: Uint8Array): string[] {
  const out: string[] = [];
  for (let at = 0; at < bundle.length;) {
    const { leaf, next } = ARTIFACT_ENTRIES.parse(bundle, at);
    out.push(utf8Text(leaf));
    at = next;
  }
  return out;
}

/** The public half of a private key. */
export const keyPairOf = (privateKey: KeyObject): KeyPair => ({
  privateKey,
  publicKey: createPublicKey(privateKey),
});

/** An entry, another one for every `i`. */
export const artifact = (i: number): string => JSON.stringify({ digest: `sha256:${i}`, kind: 'artifact' });

/** All of them end to end, as a bundle holds them. */
export const bundleOf = (entries: readonly string[]): Uint8Array =>
  concat(entries.map((entry) => vector(2, utf8(entry))));
