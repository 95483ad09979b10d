/** Makes a data directory with everything in it: what `init` and `dev` have in common. */
import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { createAuthorityChain } from '../ca/ceremony.ts';
import { certifyTimestamps, timestampCommonName, TIMESTAMP_KEY_TYPE } from '../ca/timestamp-certificate.ts';
import { writeKeyPem } from '../signers/key-file.ts';
import { generateKey } from '../signers/key-types.ts';
import { createDataDirectory } from './create-data-directory.ts';
import { createDirectoryLog } from './create-artifact-log.ts';
import { createTuf, type CreatedTuf, type NewTuf } from './create-tuf.ts';
import { writeRootKeyFile } from './root-key-file.ts';
import { systemFault } from './data-directory-error.ts';
import type { Mode } from './data-marker.ts';
import { certificateLogPaths, type DataPaths } from './data-paths.ts';
import { writeLogKeys } from './log-key-files.ts';
import { toHex } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import type { Clock } from '../core/clock.ts';
import { describeName } from '../core/distinguished-name.ts';
import { decodePem, encodePem } from '../core/pem.ts';
import { createCtLog } from '../ct-log/create-log.ts';
import { placesFor, type StorePlaces } from '../tlog/store/store-places.ts';
import { makeDirectory, syncDirectory, writeNew } from '../storage/durable-file.ts';
import type { ArtifactLogIdentity } from '../rekor/log-identity.ts';
import { nameOfOrigin } from '../tlog/core/log-identity.ts';
import type { CtLogIdentity, SctExtensions } from '../ct-log/log-identity.ts';

/** A CA to be made. */
export interface NewAuthority {
  readonly organization: string;
  readonly commonName: string;
  /** One of `CA_KEY_TYPES`. */
  readonly keyType: string;
  /** Where the root key goes: a file of its own, or `keep`: into the data directory. */
  readonly rootKey: { readonly file: string } | 'keep';
}

/** A CA that exists, checked already (`ca/adopt.ts`). */
export interface ExistingAuthority {
  readonly privateKey: KeyObject;
  /** PEM, issuing CA first, root last. */
  readonly chainPem: string;
}

/** What an instance is made of. */
interface InstanceRequest {
  readonly data: string;
  /** `dev` puts INSECURE DEV into the names of a new CA. */
  readonly mode: Mode;
  readonly authority: NewAuthority | ExistingAuthority;
  /** Name of the log in its checkpoints, for which {@link CtLogIdentity.origin} has the rules; `defaultOrigin` makes the usual one. */
  readonly origin: string;
  readonly sctExtensions: SctExtensions;
  /** The host of the public URL, for the names of two logs of artifacts; without it there are none. */
  readonly artifactHost?: string | undefined;
  /** Encrypts every key that is written, but for the root's if that has one of its own. */
  readonly passphrase?: string | undefined;
  /** Encrypts the root key instead. */
  readonly rootPassphrase?: string | undefined;
  /** The TUF repository; without it there is none. */
  readonly tuf?: NewTuf | undefined;
  /** Where the stores of its logs are to be; default: in the data directory. */
  readonly logPlaces?: StorePlaces | undefined;
  /** Content of `config.yaml`. */
  readonly configText: string;
  readonly clock: Clock;
}

/** A certificate of the chain, for people. */
export interface CertificateSummary {
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** SHA-256 of the DER, lower-case hexadecimal. */
  readonly fingerprint: string;
}

/** What was made. */
export interface CreatedInstance {
  readonly paths: DataPaths;
  /** Issuing CA first, root last. */
  readonly chain: readonly CertificateSummary[];
  readonly log: CtLogIdentity;
  /** Of the first API first. */
  readonly artifactLogs: readonly ArtifactLogIdentity[];
  /** The certificate for timestamps; undefined for an adopted CA, whose root key is elsewhere. */
  readonly timestamps?: CertificateSummary | undefined;
  /** The TUF repository, if one was asked for. */
  readonly tuf?: CreatedTuf | undefined;
  /** Absolute path of the root key; undefined for an adopted CA. */
  readonly rootKeyFile?: string | undefined;
}

/** `localhost/log/<year>`. */
export const defaultOrigin = (clock: Clock): string => `localhost/log/${new Date(clock()).getUTCFullYear()}`;

/**
 * Makes the data directory. All or nothing: a failure removes what was made, a crash leaves a directory that says of
 * itself that it is unfinished (see `createDataDirectory`). Rejects with the typed error of the step that fails:
 * DataDirectoryError, CeremonyError, LogError, or RootKeyError.
 */
export async function createInstance(request: InstanceRequest): Promise<CreatedInstance> {
  const name = nameOfOrigin(request.origin);
  const { data, mode, clock } = request;
  return createDataDirectory(data, mode, clock, async (paths) => {
    const authority = await authorityOf(request);
    const rootKeyFile = await writeRootKey(request, paths, authority.rootKey);
    try {
      await write(paths.intermediateKey, writeKeyPem(authority.issuingKey, request.passphrase), 0o600);
      await write(paths.chain, authority.chainPem, 0o644);
      const timestamps = await makeTimestamps(request, paths, authority);
      await write(paths.config, request.configText, 0o600);
      const log = await makeLog(request, paths, name);
      const artifactLogs = await makeArtifactLogs(request, paths);
      // Last, because it publishes the rest.
      const shared = request.logPlaces?.commits;
      const tuf =
        request.tuf && (await createTuf(paths, { ...request.tuf, shared, isUndone: true }, request));
      const chain = summaries(authority.chainPem);
      return { paths, chain, log, artifactLogs, timestamps, tuf, rootKeyFile };
    } catch (error) {
      // A root key of a CA that never was is only good for confusion.
      if (rootKeyFile !== undefined) await rm(rootKeyFile, { force: true });
      throw error;
    }
  });
}

interface WrittenAuthority {
  readonly issuingKey: KeyObject;
  readonly rootKey?: KeyObject | undefined;
  readonly chainPem: string;
}

async function authorityOf({ authority, mode, clock }: InstanceRequest): Promise<WrittenAuthority> {
  if ('privateKey' in authority) return { issuingKey: authority.privateKey, chainPem: authority.chainPem };
  const { organization, commonName, keyType } = authority;
  const made = await createAuthorityChain({ organization, commonName, keyType, clock, dev: mode === 'dev' });
  const chainPem = [made.intermediateDer, made.rootDer].map((der) => encodePem('CERTIFICATE', der)).join('');
  return { issuingKey: made.intermediateKey, rootKey: made.rootKey, chainPem };
}

/** The timestamp authority of a new CA: only the root can certify its key. */
async function makeTimestamps(
  { passphrase, clock }: InstanceRequest,
  paths: DataPaths,
  { rootKey, chainPem }: WrittenAuthority,
): Promise<CertificateSummary | undefined> {
  const rootDer = decodePem(chainPem).at(-1)?.bytes;
  if (rootKey === undefined || rootDer === undefined) return undefined;
  const key = await generateKey(TIMESTAMP_KEY_TYPE);
  const ceremony = { root: chainPem, rootKey, clock };
  const chain = await certifyTimestamps(createPublicKey(key), timestampCommonName(rootDer), ceremony);
  await write(paths.timestampKey, writeKeyPem(key, passphrase), 0o600);
  const directory = dirname(paths.timestampChain);
  await makeDirectory(directory, paths.root);
  await write(paths.timestampChain, chain, 0o644);
  await syncDirectory(directory);
  return summaries(chain)[0];
}

/** Written before anything that it signed is complete: a CA without its root key could never be renewed. */
async function writeRootKey(
  { authority, passphrase, rootPassphrase = passphrase }: InstanceRequest,
  paths: DataPaths,
  key: KeyObject | undefined,
): Promise<string | undefined> {
  if (key === undefined || !('rootKey' in authority)) return undefined;
  const file = authority.rootKey === 'keep' ? paths.rootKey : resolve(authority.rootKey.file);
  await writeRootKeyFile(file, key, rootPassphrase, '--root-key-out');
  return file;
}

async function makeLog(request: InstanceRequest, paths: DataPaths, name: string): Promise<CtLogIdentity> {
  const files = certificateLogPaths(paths, name);
  const publicKeys = await writeLogKeys(files, request.passphrase);
  const { origin, sctExtensions, clock } = request;
  return createCtLog({
    directory: files.directory,
    origin,
    sctExtensions,
    ...publicKeys,
    places: placesFor(request.logPlaces ?? {}, name),
    clock,
  });
}

async function makeArtifactLogs(
  { artifactHost: host, passphrase, logPlaces: places, clock }: InstanceRequest,
  paths: DataPaths,
): Promise<ArtifactLogIdentity[]> {
  if (host === undefined) return [];
  const first = await createDirectoryLog(paths, { api: 1, host, passphrase, places, clock });
  return [first, await createDirectoryLog(paths, { api: 2, host, passphrase, places, clock })];
}

async function write(path: string, content: string, mode: number): Promise<void> {
  await writeNew(path, content, mode).catch((error: unknown) => {
    throw systemFault(path, 'write', error);
  });
}

const summaries = (chainPem: string): CertificateSummary[] =>
  decodePem(chainPem).map(({ bytes }) => {
    const { subject, notAfter } = parseCertificate(bytes);
    return { subject: describeName(subject), notAfter, fingerprint: toHex(hash('sha256', bytes, 'buffer')) };
  });
