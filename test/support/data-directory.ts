/** A data directory as `mayfly init` leaves it, for tests of what opens one. */
import { writeFile } from 'node:fs/promises';
import { createAuthorityChain } from '../../ca/ceremony.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { generateKey } from '../../signers/key-types.ts';
import { localSigner } from '../../signers/local-signer.ts';
import { createDataDirectory } from '../../instance/create-data-directory.ts';
import type { Mode } from '../../instance/data-marker.ts';
import { certificateLogPaths, type DataPaths } from '../../instance/data-paths.ts';
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
  const [ecdsa, ed25519] = [await generateKey('p256'), await generateKey('ed25519')];
  const { directory, ecdsaKey, ed25519Key } = certificateLogPaths(paths, '2026');
  await writeFile(ecdsaKey, writeKeyPem(ecdsa, passphrase), { mode: 0o600 });
  await writeFile(ed25519Key, writeKeyPem(ed25519, passphrase), { mode: 0o600 });
  await createCtLog({
    directory,
    origin: 'localhost/log/2026',
    sctExtensions: 'leaf_index',
    ecdsaPublicKey: localSigner(ecdsa).publicKey,
    ed25519PublicKey: localSigner(ed25519).publicKey.subarray(-32),
    clock: Date.now,
  });
}
