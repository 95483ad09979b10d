/** Until when verifiers trust the CA and the log that a service signs with. */
import { equalBytes } from '../core/bytes.ts';
import type { TrustStatus } from '../server/operator/service-sources.ts';
import type { TrustedAuthority } from '../trust/format/trusted-root.ts';
import { authorityKey } from '../trust/union.ts';
import { TrustedWindow } from './trusted-window.ts';

/** What signs. */
interface SigningParts {
  /** DER of the certificate of the issuing CA. */
  readonly certificate: Uint8Array;
  readonly logId: Uint8Array;
  /** False for a log that was ended on purpose: nothing is issued, and its time may have ended too. */
  readonly isIssuing: () => boolean;
}

/** Follows the ledger, and stops nothing: what is issued can be used again as soon as another end is recorded and handed out. */
export class TrustedParts {
  readonly #authority: TrustedWindow;
  readonly #log: TrustedWindow;
  readonly #isIssuing: () => boolean;

  private constructor(ledger: string, { certificate, logId, isIssuing }: SigningParts) {
    this.#authority = new TrustedWindow(
      ledger,
      ({ certificateAuthorities }) => certificateAuthorities.find(isAuthority(certificate))?.window,
    );
    this.#log = new TrustedWindow(
      ledger,
      ({ certificateLogs }) => certificateLogs.find((log) => equalBytes(log.logId, logId))?.window,
    );
    this.#isIssuing = isIssuing;
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
  }

  /** What it says. */
  status(): TrustStatus {
    if (!this.#isIssuing()) return { parts: [], failure: undefined };
    return {
      parts: [
        { name: 'authority', window: this.#authority.window },
        { name: 'log', window: this.#log.window },
      ],
      failure: this.#authority.fault ?? this.#log.fault,
    };
  }

  /** Reads no more. */
  close(): void {
    this.#authority.close();
    this.#log.close();
  }
}

/** Whether an entry is that of a certificate. */
export const isAuthority = (certificate: Uint8Array): ((entry: TrustedAuthority) => boolean) => {
  const key = authorityKey({ chain: [certificate] });
  return (entry) => authorityKey(entry) === key;
};
