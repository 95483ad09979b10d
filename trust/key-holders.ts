/** Which entries of a trusted root hold one and the same key: certificates of a CA can be several, and a chain has several CAs. */
import { equalBytes, toHex } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { entriesOf, type TrustEntry } from './entries.ts';
import type { TrustedRoot } from './format/trusted-root.ts';

/** The authorities in `list` whose chain has the certificate with that hexadecimal SHA-256, at whatever place. */
export const holdersOfCertificate = (
  root: TrustedRoot,
  list: 'certificateAuthorities' | 'timestampAuthorities',
  fingerprint: string,
): readonly TrustEntry[] =>
  entriesOf(root).filter(
    (entry) =>
      entry.list === list &&
      (root[list][entry.index]?.chain ?? []).some((der) => toHex(sha256(der)) === fingerprint),
  );

/** The authorities in `list` whose chain has a certificate with the key of that one, itself included; none where it is not there, or cannot be read. */
export function holdersOfItsKey(
  root: TrustedRoot,
  list: 'certificateAuthorities' | 'timestampAuthorities',
  fingerprint: string,
): readonly TrustEntry[] {
  const certificates = root[list].flatMap(({ chain }) => chain);
  const named = certificates.find((der) => toHex(sha256(der)) === fingerprint);
  const key = named && keyOf(named);
  if (key === undefined) return [];
  return entriesOf(root).filter(
    (entry) =>
      entry.list === list &&
      (root[list][entry.index]?.chain ?? []).some((der) => equalBytes(keyOf(der) ?? new Uint8Array(), key)),
  );
}

/** The logs of either kind that have the key of one of `logs`, under whatever id. */
export const logsWithKeyOf = (root: TrustedRoot, logs: readonly TrustEntry[]): readonly TrustEntry[] => {
  const keys = new Set(logs.map((log) => logKeyOf(root, log)));
  return entriesOf(root).filter((entry) => {
    const key = logKeyOf(root, entry);
    return key !== undefined && keys.has(key);
  });
};

function logKeyOf(root: TrustedRoot, { list, index }: TrustEntry): string | undefined {
  const entry = root[list][index];
  return entry !== undefined && 'publicKey' in entry ? toHex(entry.publicKey) : undefined;
}

/** The key of a certificate, DER; undefined for one that cannot be read. */
export function keyOf(der: Uint8Array): Uint8Array | undefined {
  try {
    return parseCertificate(der).spki;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}
