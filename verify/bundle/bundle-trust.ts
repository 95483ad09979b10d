/** What a verifier of bundles takes for true, read once. */
import type { TrustedRoot } from '../../trust/format/trusted-root.ts';
import { TimestampTrust } from '../timestamp-trust.ts';
import { knowsNoLog, prepareTrust, type PreparedTrust, type Trust } from '../trust.ts';
import type { BundleCrypto } from './artifact.ts';
import { ArtifactLogs } from './artifact-logs.ts';

/** Trust that is asked again and again: certificates and keys are read, and CAs checked, once. */
export class BundleTrust {
  /** Of the artifact logs. */
  readonly logs: ArtifactLogs;
  readonly timestamps: TimestampTrust;
  /** Whether it names a log of certificates, even if none of them can be used. */
  readonly namesCertificateLog: boolean;
  readonly crypto: BundleCrypto;
  readonly #trust: Trust;
  #certificates: Promise<PreparedTrust> | undefined;

  /** Reads whom to trust with artifact logs and timestamps; what cannot be used is not believed. */
  constructor(trust: Trust, crypto: BundleCrypto) {
    const { artifactLogs = [], timestampAuthorities = [] } = trust.trustedRoot ?? {};
    this.logs = new ArtifactLogs(artifactLogs, crypto.sha256);
    this.timestamps = new TimestampTrust(timestampAuthorities);
    this.namesCertificateLog = !knowsNoLog(trust);
    this.crypto = crypto;
    this.#trust = trust;
  }

  /** The CAs and their logs, which bundles that are signed with a key do not need. Rejects with {@link VerifyError} `BAD_TRUST` as
   * {@link prepareTrust} does. */
  certificates(): Promise<PreparedTrust> {
    this.#certificates ??= prepareTrust(this.#trust, this.crypto);
    return this.#certificates;
  }
}

/** What of it those say who saw a signature, with the cryptography to verify them. */
export type SourceTrust = Pick<BundleTrust, 'logs' | 'timestamps' | 'crypto'>;

/** Trust in what a trusted root names, and in nothing else. */
export const trustOf = (trustedRoot: TrustedRoot, crypto: BundleCrypto): BundleTrust =>
  new BundleTrust({ roots: [], intermediates: [], logs: [], trustedRoot }, crypto);
