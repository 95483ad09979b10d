import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uint } from '../../../core/tls.ts';
import { createCtLog } from '../../../ct-log/create-log.ts';
import type { PrecertificateEntry } from '../../../ct-log/format/leaf.ts';
import type { LogSigners } from '../../../ct-log/log-keys.ts';
import { openCtLog, type CtLog, type CtLogOptions } from '../../../ct-log/ct-log.ts';
import type { CtLogIdentity, SctExtensions } from '../../../ct-log/log-identity.ts';
import type { StorePlaces } from '../../../tlog/store/store-places.ts';
import type { CommitStore } from '../../../tlog/store/commit-store.ts';
import { sqliteCommitStore } from '../../../tlog/store/sqlite-commit-store.ts';
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
  /** Another directory than its own stands for a copy of a whole disk, in which nothing differs; `asFiles`: for one that was made file by file. */
  open(options?: Partial<CtLogOptions> & { readonly asFiles?: boolean }): Promise<CtLog>;
  /** Closes whatever is open and removes the directory. */
  remove(): Promise<void>;
}

/** A store that does not know where it is. */
function withoutLocation(directory: string, identity: CtLogIdentity): CommitStore {
  const store = sqliteCommitStore(directory, identity);
  return Object.assign(Object.create(store) as CommitStore, { location: undefined });
}

/** Makes a {@link TestLog}. */
export async function testLog(
  options: { sctExtensions?: SctExtensions; signers?: LogSigners; places?: StorePlaces } = {},
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
    places: options.places,
    clock: Date.now,
  });
  const open: CtLog[] = [];
  return {
    root,
    directory,
    identity,
    signers,
    async open({ asFiles = false, ...more } = {}) {
      const place = more.directory ?? directory;
      const disk =
        place !== directory && !asFiles && existsSync(join(place, 'commit.db'))
          ? withoutLocation(place, identity)
          : undefined;
      const stores = disk === undefined ? more.stores : { commits: disk, ...more.stores };
      const options = { directory, signers, chain: [ISSUER], clock: Date.now, ...more, stores };
      const log = await openCtLog(options).catch(async (error: unknown) => {
        // What is refused early has not closed it.
        await disk?.close();
        throw error;
      });
      open.push(log);
      return log;
    },
    async remove() {
      await Promise.all(open.map((log) => log.close()));
      rmSync(root, { recursive: true, force: true });
    },
  };
}
