/** The public parts of a data directory, without its keys, for tests of what is made of them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createCtLog } from '../../../ct-log/create-log.ts';
import type { CtLogIdentity } from '../../../ct-log/log-identity.ts';
import { dataPaths, type DataPaths } from '../../../instance/data-paths.ts';
import { testAuthority, type TestAuthority } from '../../ca/support/authority.ts';
import { logSigners } from '../../ct-log/support/log-keys.ts';

/** When every log of these tests was made. */
export const BIRTH = Date.UTC(2026, 10, 20, 10, 0, 0, 250);

/** A directory with a CA and a log called `2026`. */
export interface TrustPlaces {
  readonly paths: DataPaths;
  readonly ca: TestAuthority;
  /** Makes another log. */
  addLog(name: string): Promise<CtLogIdentity>;
  /** Puts a file there; `path` is one of `paths`. */
  write(path: string, text: string): void;
  remove(): void;
}

/** Makes one. */
export async function trustPlaces(): Promise<TrustPlaces> {
  const paths = dataPaths(mkdtempSync(join(tmpdir(), 'mayfly-places-')));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  const addLog = (name: string): Promise<CtLogIdentity> => {
    const { treeHead, checkpoint } = logSigners();
    return createCtLog({
      directory: join(paths.logs, name),
      origin: `localhost/log/${name}`,
      sctExtensions: 'leaf_index',
      ecdsaPublicKey: treeHead.publicKey,
      ed25519PublicKey: checkpoint.publicKey.subarray(-32),
      clock: () => BIRTH,
    });
  };
  const ca = await testAuthority();
  write(paths.chain, ca.chainPem);
  mkdirSync(paths.logs);
  await addLog('2026');
  return {
    paths,
    ca,
    addLog,
    write,
    remove: () => {
      rmSync(paths.root, { recursive: true });
    },
  };
}
