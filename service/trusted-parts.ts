/** Until when verifiers trust the CA and the logs that a service signs with, and the logs of artifacts that it signed with before. */
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import type { TrustedPart, TrustStatus } from '../server/operator/service-sources.ts';
import type { TrustedAuthority, Window } from '../trust/format/trusted-root.ts';
import { authorityKey } from '../trust/union.ts';
import { TrustedWindow } from './trusted-window.ts';

/** What signs. */
interface SigningParts {
  /** DER of the certificate of the issuing CA. */
  readonly certificate: Uint8Array;
  /** Of the log in use, which may be another one when the ledger is read again. */
  readonly logId: () => Uint8Array;
  /** False for a log that was ended on purpose: nothing is issued, and its time may have ended too. */
  readonly isIssuing: () => boolean;
  /** The logs of artifacts that are served; one that was ended on purpose signs nothing new. */
  readonly artifactLogs: readonly {
    readonly api: 1 | 2;
    readonly logId: Uint8Array;
    readonly isLogging: () => boolean;
  }[];
}

/** A log of artifacts, as it is followed. */
interface FollowedLog {
  readonly name: TrustedPart['name'];
  readonly logId: Uint8Array;
  readonly window: TrustedWindow;
  readonly isLogging: () => boolean;
}

/** Follows the ledger, and stops nothing: what is issued can be used again as soon as another end is recorded and handed out. */
export class TrustedParts {
  readonly #authority: TrustedWindow;
  readonly #log: TrustedWindow;
  readonly #certificateEnd: number;
  readonly #isIssuing: () => boolean;
  readonly #artifactLogs: readonly FollowedLog[];

  private constructor(ledger: string, { certificate, logId, isIssuing, artifactLogs }: SigningParts) {
    this.#authority = new TrustedWindow(
      ledger,
      ({ certificateAuthorities }) => certificateAuthorities.find(isAuthority(certificate))?.window,
    );
    this.#log = new TrustedWindow(
      ledger,
      ({ certificateLogs }) => certificateLogs.find((log) => equalBytes(log.logId, logId()))?.window,
    );
    this.#certificateEnd = parseCertificate(certificate).notAfter;
    this.#isIssuing = isIssuing;
    this.#artifactLogs = artifactLogs.map((one) => ({
      name: `artifacts-v${one.api}`,
      logId: one.logId,
      window: new TrustedWindow(
        ledger,
        (root) => root.artifactLogs.find((log) => equalBytes(log.logId, one.logId))?.window,
      ),
      isLogging: one.isLogging,
    }));
  }

  /** Reads the ledger, a file that need not be there, now and then every ten seconds. Never rejects. */
  static async open(ledger: string, parts: SigningParts): Promise<TrustedParts> {
    const opened = new TrustedParts(ledger, parts);
    await opened.read();
    return opened;
  }

  /** Reads it now. Never rejects. */
  async read(): Promise<void> {
    await this.#authority.read();
    await this.#log.read();
    for (const { window } of this.#artifactLogs) await window.read();
  }

  /** What it says. */
  status(): TrustStatus {
    const issuing = this.#isIssuing()
      ? [
          { name: 'authority', window: this.#authority, certificateEnd: this.#certificateEnd } as const,
          { name: 'log', window: this.#log } as const,
        ]
      : [];
    const logging = this.#artifactLogs.filter(({ isLogging }) => isLogging());
    const parts: readonly (Pick<FollowedLog, 'name' | 'window'> & Pick<TrustedPart, 'certificateEnd'>)[] = [
      ...issuing,
      ...logging,
    ];
    return {
      parts: parts.map(({ name, window: { window }, certificateEnd }) => ({ name, window, certificateEnd })),
      failure: parts.find(({ window }) => window.fault !== undefined)?.window.fault,
    };
  }

  /** When verifiers trust a log of artifacts, whether it takes entries or not; undefined while nothing is recorded of it. */
  windowOf({ logId }: { readonly logId: Uint8Array }): Window | undefined {
    return this.#artifactLogs.find((one) => equalBytes(one.logId, logId))?.window.window;
  }

  /** Reads no more. */
  close(): void {
    this.#authority.close();
    this.#log.close();
    for (const { window } of this.#artifactLogs) window.close();
  }
}

/** Whether an entry is that of a certificate. */
export const isAuthority = (certificate: Uint8Array): ((entry: TrustedAuthority) => boolean) => {
  const key = authorityKey({ chain: [certificate] });
  return (entry) => authorityKey(entry) === key;
};
