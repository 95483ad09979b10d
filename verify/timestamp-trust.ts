/** The timestamp authorities of a trusted root as they are read, and when their certificates count. */
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import type { TrustedAuthority, Window } from '../trust/format/trusted-root.ts';
import { keep } from './certificate-path.ts';
import { basicConstraints, subjectKeyId } from './standard-extensions.ts';
import { AuthorityWindows, requireWithin } from './trust-windows.ts';

/** A trusted authority that was read. */
export interface PreparedAuthority {
  /** Of the trusted root: the certificate that signs timestamps first, if the trusted root has it, and the root last. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  /** Whether the trusted root has CAs of it alone, so that any certificate below the first of them will do. */
  readonly isOpen: boolean;
  readonly window: Window;
}

/** Whom to believe, and when. */
export class TimestampTrust {
  /** Those that can be used. */
  readonly authorities: readonly PreparedAuthority[];
  /** Why others cannot, a clause each. */
  readonly unusable: readonly string[];
  /** Of all keys that an authority names, of whatever certificate: that of the root of one authority does not carry a key of another whose windows have ended. */
  readonly windows = new AuthorityWindows();
  readonly #named: { readonly certificate: Certificate; readonly window: Window }[] = [];

  /** What cannot be used is not believed; its window goes on limiting what it names. */
  constructor(authorities: readonly TrustedAuthority[]) {
    const unusable: string[] = [];
    this.authorities = authorities
      .map((authority) => readAuthority(authority, unusable))
      .filter((authority) => authority !== undefined);
    this.unusable = unusable;
    for (const { chain, window } of authorities) {
      const certificates = chain.map(readable).filter((one) => one !== undefined);
      this.windows.add(certificates, window);
      this.#named.push(...certificates.map((certificate) => ({ certificate, window })));
    }
  }

  /** A certificate that came with a timestamp, read: where an authority is trusted with the same one, that one, so that what is read of it is read once. Throws FormatError. */
  read(der: Uint8Array): Certificate {
    for (const { chain } of this.authorities)
      for (const known of chain) if (equalBytes(known.der, der)) return known;
    return readNamed(der);
  }

  /** Throws a refusal that names the window, unless a certificate for timestamps counts then. One that authorities name counts in the windows of those
   * alone, and so does its key: that a CA above it is trusted besides does not prolong them. */
  require(certificate: Certificate, time: number, who: string): void {
    const own = this.#named.filter((one) => equalBytes(one.certificate.der, certificate.der));
    if (own.length > 0)
      requireWithin(
        own.map(({ window }) => window),
        [time],
        who,
      );
    this.windows.require(certificate, [time], who);
  }
}

/** Throws FormatError. */
export const isCa = (certificate: Certificate): boolean => basicConstraints(certificate)?.ca === true;

/** Reads a certificate by which others are found: what it is found by is well-formed, too. Throws FormatError. */
function readNamed(der: Uint8Array): Certificate {
  const certificate = parseCertificate(der);
  subjectKeyId(certificate);
  describeName(certificate.subject);
  return certificate;
}

function readable(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}

/** Undefined, with the reason in `unusable`, where nothing can be verified by it. */
function readAuthority(
  { chain, window }: TrustedAuthority,
  unusable: string[],
): PreparedAuthority | undefined {
  try {
    const [first, ...more] = chain.map((der) => keep(readNamed(der)));
    const isOpen = first !== undefined && isCa(first);
    if (first !== undefined && (isOpen || more.length > 0))
      return { chain: [first, ...more], isOpen, window };
    unusable.push('a timestamp authority in the trusted root has no CA above its certificate');
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    unusable.push(`a timestamp authority in the trusted root cannot be read: ${error.message}`);
  }
  return undefined;
}
