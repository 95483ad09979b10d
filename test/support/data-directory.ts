/** A data directory as `mayfly init` leaves it, for tests of what opens one. */
import { writeFile } from 'node:fs/promises';
import { createAuthorityChain } from '../../ca/ceremony.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { createDataDirectory } from '../../instance/create-data-directory.ts';
import type { Mode } from '../../instance/data-marker.ts';
import { certificateLogPaths, type CertificateLogPaths, type DataPaths } from '../../instance/data-paths.ts';
import { writeLogKeys } from '../../instance/log-key-files.ts';
import { nameOfOrigin } from '../../tlog/core/log-identity.ts';
import { encodePem } from '../../core/pem.ts';
import { createCtLog } from '../../ct-log/create-log.ts';

/** How the directory deviates from a plain production one. */
export interface TestDirectory {
  readonly mode?: Mode;
  /** Text of `config.yaml`. */
  readonly config?: string;
  readonly passphrase?: string;
  readonly keepRootKey?: boolean;
}

/** Makes the directory `root` with a log called `2026`. */
export async function makeDataDirectory(root: string, options: TestDirectory = {}): Promise<void> {
  await createDataDirectory(root, options.mode ?? 'production', Date.now, async (paths) => {
    await writeAuthority(paths, options);
    await writeLog(paths, options.passphrase);
    await writeFile(paths.config, options.config ?? 'oidc-issuers: {}\n');
  });
}

/** A configuration with one issuer of type email, and what goes under `mayfly:`. */
export const emailConfig = (issuer: string, mayfly = '{}'): string =>
  `oidc-issuers:\n  ${issuer}:\n    issuer-url: ${issuer}\n    client-id: sigstore\n    type: email\nmayfly: ${mayfly}\n`;

async function writeAuthority(paths: DataPaths, options: TestDirectory): Promise<void> {
  const chain = await createAuthorityChain({
    organization: 'Test',
    commonName: 'Test CA',
    keyType: 'p256',
    clock: Date.now,
    dev: options.mode === 'dev',
  });
  const pems = [chain.intermediateDer, chain.rootDer].map((der) => encodePem('CERTIFICATE', der));
  await writeFile(paths.chain, pems.join(''));
  const mode = 0o600;
  await writeFile(paths.intermediateKey, writeKeyPem(chain.intermediateKey, options.passphrase), { mode });
  if (options.keepRootKey === true) await writeFile(paths.rootKey, 'never opened', { mode });
}

async function writeLog(paths: DataPaths, passphrase: string | undefined): Promise<void> {
  await addLog(paths, 'localhost/log/2026', passphrase);
}

/** Makes a log with new keys beside those that are there, as a service can open it. */
export async function addLog(
  paths: DataPaths,
  origin: string,
  passphrase?: string,
): Promise<CertificateLogPaths> {
  const log = certificateLogPaths(paths, nameOfOrigin(origin));
  const publicKeys = await writeLogKeys(log, passphrase);
  const { directory } = log;
  await createCtLog({ directory, origin, sctExtensions: 'leaf_index', ...publicKeys, clock: Date.now });
  return log;
}
