import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uint } from '../../../core/tls.ts';
import { createCtLog } from '../../../ct-log/create-log.ts';
import type { PrecertificateEntry } from '../../../ct-log/format/leaf.ts';
import type { LogSigners } from '../../../ct-log/log-keys.ts';
import { openCtLog, type CtLog, type CtLogOptions } from '../../../ct-log/ct-log.ts';
import type { CtLogIdentity, SctExtensions } from '../../../ct-log/log-identity.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { logSigners } from './log-keys.ts';

/** Any bytes do as an issuer for the log, which does not parse it. */
export const ISSUER = Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x07);

/** A small entry, different for every `i`. */
export const entry = (i: number): PrecertificateEntry => ({
  issuerKeyHash: new Uint8Array(32).fill(0x11),
  tbs: Uint8Array.of(0x30, 0x06, 0x02, 0x04, ...uint(4, i)),
  precertificate: Uint8Array.of(0x30, 0x06, 0x04, 0x04, ...uint(4, i)),
  chainFingerprints: sha256(ISSUER),
});

/** A log in a temporary directory, which can be opened again and again. */
export interface TestLog {
  readonly root: string;
  readonly directory: string;
  readonly identity: CtLogIdentity;
  readonly signers: LogSigners;
  open(options?: Partial<CtLogOptions>): Promise<CtLog>;
  /** Closes whatever is open and removes the directory. */
  remove(): Promise<void>;
}

/** Makes a {@link TestLog}. */
export async function testLog(
  options: { sctExtensions?: SctExtensions; signers?: LogSigners } = {},
): Promise<TestLog> {
  const root = mkdtempSync(join(tmpdir(), 'mayfly-log-'));
  const directory = join(root, '2026');
  const signers = options.signers ?? logSigners();
  const identity = await createCtLog({
    directory,
    origin: 'localhost/log/2026',
    sctExtensions: options.sctExtensions ?? 'leaf_index',
    ecdsaPublicKey: signers.treeHead.publicKey,
    ed25519PublicKey: signers.checkpoint.publicKey.subarray(-32),
    clock: Date.now,
  });
  const open: CtLog[] = [];
  return {
    root,
    directory,
    identity,
    signers,
    async open(more) {
      const log = await openCtLog({ directory, signers, chain: [ISSUER], clock: Date.now, ...more });
      open.push(log);
      return log;
    },
    async remove() {
      await Promise.all(open.map((log) => log.close()));
      rmSync(root, { recursive: true, force: true });
    },
  };
}
