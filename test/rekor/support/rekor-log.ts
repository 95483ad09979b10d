/** Logs of artifacts in directories of their own, and entries for them. */
import { createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { concat, equalBytes, fromBase64, toBase64, utf8, utf8Text } from '../../../core/bytes.ts';
import type { AddedEntry, ArtifactLog, LoggedProof, LoggableEntry } from '../../../rekor/artifact-log.ts';
import { createArtifactLog } from '../../../rekor/create-artifact-log.ts';
import type { ArtifactApi, ArtifactLogIdentity } from '../../../rekor/log-identity.ts';
import { openArtifactLog, type ArtifactLogOptions } from '../../../rekor/open-artifact-log.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import type { Signer } from '../../../signers/signer.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { verifyInclusion } from '../../../tlog/format/merkle-verify.ts';

/** A private key as logs of that API have one. */
export const rekorKey = (api: ArtifactApi): KeyObject =>
  (api === 1 ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519'))
    .privateKey;

/** An entry, another one for every `i`. */
export const artifact = (i: number): LoggableEntry => ({
  body: utf8(JSON.stringify({ apiVersion: '0.0.1', kind: 'made up', spec: { i } })),
  namedDigests: [`sha256:${i.toString(16).padStart(64, '0')}`],
});

/** A log in a temporary directory, which can be opened again and again. */
export interface RekorLog {
  readonly root: string;
  readonly directory: string;
  readonly identity: ArtifactLogIdentity;
  readonly key: KeyObject;
  readonly signer: Signer;
  open(options?: Partial<ArtifactLogOptions>): Promise<ArtifactLog>;
  /** Closes whatever is open and removes the directory. */
  remove(): Promise<void>;
}

/** Makes a {@link RekorLog}. */
export async function rekorLog(api: ArtifactApi, firstLogIndex?: number): Promise<RekorLog> {
  const root = mkdtempSync(join(tmpdir(), 'mayfly-rekor-'));
  const directory = join(root, `v${api}`);
  const key = rekorKey(api);
  const signer = localSigner(key);
  const host = 'rekor.example.org';
  const identity = await createArtifactLog({ directory, api, host, signer, firstLogIndex, clock: Date.now });
  const open: ArtifactLog[] = [];
  return {
    root,
    directory,
    identity,
    key,
    signer,
    async open(more) {
      const log = await openArtifactLog({ directory, signer, clock: Date.now, ...more });
      open.push(log);
      return log;
    },
    async remove() {
      await Promise.all(open.map((log) => log.close()));
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Expects that a checkpoint is written and signed as clients of Rekor demand, read here line by line: one signature, by that name and id. */
export function expectCheckpoint(
  { identity: { api, origin, host, publicKey, logId } }: Pick<RekorLog, 'identity'>,
  { checkpoint, size, root }: Pick<LoggedProof, 'checkpoint' | 'size' | 'root'>,
): void {
  const text = `${origin}\n${size}\n${toBase64(root)}\n`;
  const [head, signatures = ''] = checkpoint.split('\n\n');
  expect(`${head}\n`).to.equal(text);
  const [, name, line = ''] = /^— (\S+) (\S+)\n$/u.exec(signatures) ?? [];
  expect(name).to.equal(host);
  const bytes = fromBase64(line);
  expect(toBase64(bytes.subarray(0, 4))).to.equal(toBase64(logId.subarray(0, 4)));
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  const holds = verify(api === 1 ? 'sha256' : null, utf8(text), key, bytes.subarray(4));
  expect(holds, 'the signature of the checkpoint').to.equal(true);
}

/** Expects that an answer proves its entry. */
export function expectProven(
  log: Pick<RekorLog, 'identity'>,
  { entry, proof }: Omit<AddedEntry, 'isNew'>,
): void {
  expectCheckpoint(log, proof);
  const leafHash = sha256(concat([Uint8Array.of(0), entry.body]));
  expect(equalBytes(leafHash, entry.leafHash), 'the leaf hash').to.equal(true);
  const place = { leafHash, index: entry.index, size: proof.size };
  expect(verifyInclusion(sha256, place, proof.hashes, proof.root), utf8Text(entry.body)).to.equal(true);
}
