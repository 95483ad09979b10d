import { MayflyError } from '../../core/errors.ts';
import { encodePem } from '../../core/pem.ts';
import { isWithin, type TrustedRoot, type Window } from '../format/trusted-root.ts';

/** What an admission controller is to trust, and whom it is to let in. */
export interface AdmissionTrust {
  /** With whole URLs, what is in force first. */
  readonly root: TrustedRoot;
  /** The text of the client trust config, which is the same and where to sign. */
  readonly clientTrustConfig: string;
  /** Base URL of the CA, no slash at its end. */
  readonly publicUrl: string;
  /** The TUF repository that publishes the same, where there is one. */
  readonly tuf?:
    { readonly mirror: string; /** The first `root.json`. */ readonly root: Uint8Array } | undefined;
  /** The name in the certificate, exactly. */
  readonly identity: string;
  /** The issuer that vouches for it, exactly. */
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether a timestamp is taken in the place of an entry in a log of artifacts. For those alone that take one. */
  readonly allowsUnlogged?: boolean;
}

/** What was asked for would let in more than it says. Nothing is printed. */
export class AdmissionError extends MayflyError<'IDENTITY_NOT_EXACT' | 'NOTHING_TRUSTED'> {}

/** One of the documents that are printed, with a remark in front. */
export interface AdmissionDocument {
  readonly remark?: string | undefined;
  readonly content: Readonly<Record<string, unknown>>;
}

/** What is trusted now, for a controller that knows no windows. */
export interface PlainTrust {
  /** CA chains in PEM, issuing CA first. */
  readonly chains: readonly string[];
  /** Of them the anchors, and what stands between. */
  readonly roots: string;
  readonly intermediates: string;
  /** Of them the issuing CAs alone: who takes these as anchors does not believe another CA below the same root. */
  readonly issuing: string;
  /** Public keys of certificate logs in PEM. */
  readonly logs: readonly string[];
  /** Chains of timestamp authorities in PEM, the signing certificate first. */
  readonly timestampChains: readonly string[];
  /** Rekors, the key of each in PEM. */
  readonly artifactLogs: readonly PlainArtifactLog[];
}

/** A Rekor, for a controller that knows no windows. */
interface PlainArtifactLog {
  readonly url: string;
  readonly key: string;
}

/** The same without what has ended: a controller without windows would trust it for ever. */
export const withoutEnded = ({ root, now }: Pick<AdmissionTrust, 'root' | 'now'>): TrustedRoot => {
  const open = ({ end }: Window): boolean => end === undefined || isWithin({ start: 0, end }, now);
  return {
    certificateAuthorities: root.certificateAuthorities.filter(({ window }) => open(window)),
    certificateLogs: root.certificateLogs.filter(
      ({ window, keyDetails }) => open(window) && keyDetails.startsWith('PKIX_'),
    ),
    timestampAuthorities: root.timestampAuthorities.filter(({ window }) => open(window)),
    // The tiles of Rekor v2 are known to none of them.
    artifactLogs: root.artifactLogs.filter(
      ({ window, keyDetails }) => open(window) && keyDetails === 'PKIX_ECDSA_P256_SHA_256',
    ),
  };
};

/** {@link withoutEnded} as PEM. */
export function plainTrust(trust: Pick<AdmissionTrust, 'root' | 'now'>): PlainTrust {
  const root = withoutEnded(trust);
  const chains = root.certificateAuthorities.map(({ chain }) => chain);
  return {
    chains: chains.map(certificates),
    roots: distinct(chains.map((chain) => certificates(chain.slice(-1)))),
    intermediates: distinct(chains.flatMap((chain) => chain.slice(0, -1).map((der) => certificates([der])))),
    issuing: distinct(chains.map((chain) => certificates(chain.slice(0, 1)))),
    logs: root.certificateLogs.map(({ publicKey }) => key(publicKey)),
    timestampChains: root.timestampAuthorities.map(({ chain }) => certificates(chain)),
    artifactLogs: root.artifactLogs.map(({ baseUrl, publicKey }) => ({ url: baseUrl, key: key(publicKey) })),
  };
}

/** A chain in PEM. */
export const certificates = (ders: readonly Uint8Array[]): string =>
  ders.map((der) => encodePem('CERTIFICATE', der)).join('');

/** A public key in PEM. */
export const key = (spki: Uint8Array): string => encodePem('PUBLIC KEY', spki);

const distinct = (pems: readonly string[]): string => [...new Set(pems)].join('');

/** What follows for a controller that knows one certificate log. */
export const ONE_LOG =
  'At the switch to another log print this again: then images whose certificates are in the one before are refused.';
