import { join } from 'node:path';

/** Where everything lies in a data directory. */
export interface DataPaths {
  readonly root: string;
  /** `{"version":1,"mode":…,"createdAt":…}`; written last, so that it says "complete" too. */
  readonly marker: string;
  /** There while the directory is being made. */
  readonly unfinished: string;
  /** Held by a command that changes keys, chains or logs; empty. */
  readonly changeLock: string;
  readonly config: string;
  /** CA certificates in PEM, issuing first, root last. */
  readonly chain: string;
  /** Chains that issued before the one in force: one PEM file each; there after a renewal only. */
  readonly formerChains: string;
  /** The chain of the next issuing CA, which verifiers trust already and which issues nothing yet; PEM as `chain`. */
  readonly nextChain: string;
  /** Certificates of the timestamp authority in PEM, the one that signs first, root last. Missing where there is no timestamp authority. */
  readonly timestampChain: string;
  /** The same of its successor, which verifiers trust already and which signs nothing yet. */
  readonly nextTimestampChain: string;
  /** What verifiers are to trust, with the times for which, in Sigstore's format; `trust/ledger.ts` says what it leaves out. */
  readonly trustedRoot: string;
  /** The TUF repository as it is served; there after `mayfly trust tuf init`, or made with the directory. */
  readonly tuf: string;
  readonly keys: string;
  readonly intermediateKey: string;
  /** The key of a renewal that was begun. It is the issuing key as soon as the chain is its own. */
  readonly nextIntermediateKey: string;
  /** Chains for timestamps that were in force before: one PEM file each; there after a renewal only. */
  readonly formerTimestampChains: string;
  readonly timestampKey: string;
  /** The key of a successor. It is the key for timestamps as soon as the chain is its own. */
  readonly nextTimestampKey: string;
  /** Only with `--keep-root-key`; never opened by the service. */
  readonly rootKey: string;
  /** Signs TUF's snapshot and timestamp. */
  readonly tufOnlineKey: string;
  /** Its successor: the key that signs as soon as the root in force names it. */
  readonly nextTufOnlineKey: string;
  /** Only with `--keep-root-key`; opened by a service for development alone. */
  readonly tufRootKey: string;
  /** Used tokens, where an issuer block has a replay guard (also -wal, -shm). */
  readonly replay: string;
  /** One directory per log. */
  readonly logs: string;
  /** One directory per log of artifacts: `v1`, `v2`. Need not be there. */
  readonly artifacts: string;
  /** The name of the log in use and a newline; need not be there where there is one log only. */
  readonly currentLog: string;
  /** The development issuer's signing key and `{"issuer":URL,"service":URL}`; mode dev only. */
  readonly devIssuerKey: string;
  readonly devIssuer: string;
}

/** The paths of a certificate log, which has two keys. */
export interface CertificateLogPaths {
  /** Last component of its origin. */
  readonly name: string;
  readonly directory: string;
  readonly identity: string;
  /** ECDSA P-256: SCTs, tree heads, checkpoint signature 0x05. */
  readonly ecdsaKey: string;
  /** Ed25519: checkpoint signature 0x01. */
  readonly ed25519Key: string;
}

/** The layout of the data directory at `root`. */
export function dataPaths(root: string): DataPaths {
  const keys = join(root, 'keys');
  return {
    root,
    marker: join(root, 'mayfly.json'),
    unfinished: join(root, 'mayfly.unfinished'),
    changeLock: join(root, '.changing.lock'),
    config: join(root, 'config.yaml'),
    chain: join(root, 'ca', 'chain.pem'),
    formerChains: join(root, 'ca', 'former'),
    nextChain: join(root, 'ca', 'next.pem'),
    timestampChain: join(root, 'tsa', 'chain.pem'),
    nextTimestampChain: join(root, 'tsa', 'next.pem'),
    trustedRoot: join(root, 'trust', 'trusted_root.json'),
    tuf: join(root, 'tuf'),
    keys,
    tufOnlineKey: join(keys, 'tuf-online.key.pem'),
    nextTufOnlineKey: join(keys, 'tuf-online.next.key.pem'),
    tufRootKey: join(keys, 'tuf-root.key.pem'),
    nextIntermediateKey: join(keys, 'intermediate.next.key.pem'),
    intermediateKey: join(keys, 'intermediate.key.pem'),
    formerTimestampChains: join(root, 'tsa', 'former'),
    timestampKey: join(keys, 'tsa.key.pem'),
    nextTimestampKey: join(keys, 'tsa.next.key.pem'),
    rootKey: join(keys, 'root.key.pem'),
    replay: join(root, 'replay.db'),
    logs: join(root, 'logs'),
    artifacts: join(root, 'artifacts'),
    currentLog: join(root, 'logs', '.current'),
    devIssuerKey: join(root, 'dev', 'issuer.jwk.json'),
    devIssuer: join(root, 'dev', 'issuer.json'),
  };
}

/** The paths of the certificate log called `name`, which is the last component of its origin. */
export function certificateLogPaths(paths: DataPaths, name: string): CertificateLogPaths {
  const directory = join(paths.logs, name);
  return {
    name,
    directory,
    identity: join(directory, 'log.json'),
    ecdsaKey: join(paths.keys, `log-${name}-ecdsa.key.pem`),
    ed25519Key: join(paths.keys, `log-${name}-ed25519.key.pem`),
  };
}
