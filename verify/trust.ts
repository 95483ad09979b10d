/** What a verifier takes for true before it looks at a certificate. */
import { equalBytes, toBase64, toHex } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import { parsePublicKey, spkiOfEd25519Key, spkiOfRsaPublicKey } from '../core/public-key.ts';
import { SIGNATURE_SCHEMES } from '../core/signature-algorithm.ts';
import type {
  TrustedAuthority,
  TrustedLogInstance,
  TrustedRoot,
  Window,
} from '../trust/format/trusted-root.ts';
import { keep } from './certificate-path.ts';
import type { VerifyCrypto } from './crypto.ts';
import { logKeyKind } from './log-key.ts';
import { ALWAYS, AuthorityWindows } from './trust-windows.ts';
import { VerifyError } from './verify-error.ts';

/** What a trusted root does not say of a log. */
export interface LogName {
  /** How its checkpoints name it. */
  readonly origin: string;
  /** DER SubjectPublicKeyInfo of the key of its SCTs and tree heads. */
  readonly publicKey: Uint8Array;
  /** The raw Ed25519 key that also signs its checkpoints, 32 bytes. */
  readonly ed25519PublicKey?: Uint8Array | undefined;
}

/** A log whose SCTs and checkpoints count at all times. */
export type TrustedLog = LogName;

/** Trust as files give it; certificates are DER. */
export interface Trust {
  /** These count at all times. */
  readonly roots: readonly Uint8Array[];
  readonly intermediates: readonly Uint8Array[];
  readonly logs: readonly TrustedLog[];
  /** CAs and logs, each in its window, besides those. What of it cannot be used is not trusted, and is named where something is missing. */
  readonly trustedRoot?: TrustedRoot | undefined;
  /** Of logs of the trusted root; a name alone makes no log trusted. */
  readonly logNames?: readonly LogName[] | undefined;
}

/** A log that was read. */
export interface PreparedTrustLog {
  /** For people. */
  readonly name: string;
  /** How its checkpoints name it, where that is known. */
  readonly origin: string | undefined;
  readonly publicKey: Uint8Array;
  readonly ed25519PublicKey: Uint8Array | undefined;
  /** When it counts; at least one. */
  readonly windows: readonly Window[];
}

/** Trust that was read once and can be asked. */
export interface PreparedTrust {
  readonly roots: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  readonly windows: AuthorityWindows;
  /** By the hexadecimal log id. */
  readonly logs: ReadonlyMap<string, PreparedTrustLog>;
  /** What of the trusted root cannot be used, a clause each. */
  readonly unusable: readonly string[];
}

/** Whether no SCT can be judged by it. */
export const knowsNoLog = ({ logs, trustedRoot }: Trust): boolean =>
  logs.length === 0 && (trustedRoot?.certificateLogs ?? []).length === 0;

/** Reads the certificates and keys of `trust`. Rejects with {@link VerifyError} `BAD_TRUST` when a root, an intermediate or a log is not what
 * it should be, or when there is no root. */
export async function prepareTrust(trust: Trust, crypto: VerifyCrypto): Promise<PreparedTrust> {
  const unusable: string[] = [];
  const windows = new AuthorityWindows();
  const roots = await Promise.all(trust.roots.map((der) => readRoot(der, crypto)));
  for (const root of roots) windows.add([root]);
  const intermediates = trust.intermediates.map((der) => readIntermediate(der));
  for (const authority of trust.trustedRoot?.certificateAuthorities ?? []) {
    const chain = await usable(unusable, () => readChain(authority, crypto));
    if (chain === undefined) {
      windows.addUnusable(readable(authority), authority.window);
      continue;
    }
    windows.add([...chain.intermediates, chain.root], authority.window);
    addNew(roots, [chain.root]);
    addNew(intermediates, chain.intermediates);
  }
  if (roots.length === 0)
    throw new VerifyError('BAD_TRUST', ['no root certificate is trusted', ...unusable].join(': '));
  return { roots, intermediates, windows, logs: await prepareLogs(trust, unusable, crypto), unusable };
}

const readable = ({ chain }: TrustedAuthority): readonly Certificate[] =>
  chain.flatMap((der) => {
    try {
      return [parseCertificate(der)];
    } catch (error) {
      if (error instanceof FormatError) return [];
      throw error;
    }
  });

function addNew(known: Certificate[], more: readonly Certificate[]): void {
  for (const one of more) if (!known.some(({ der }) => equalBytes(der, one.der))) known.push(one);
}

async function usable<T>(unusable: string[], read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    unusable.push(error.message);
    return undefined;
  }
}

async function readChain(
  { chain }: TrustedAuthority,
  crypto: VerifyCrypto,
): Promise<{ readonly intermediates: readonly Certificate[]; readonly root: Certificate }> {
  const root = await readRoot(chain.at(-1) ?? new Uint8Array(), crypto);
  return { intermediates: chain.slice(0, -1).map((der) => readIntermediate(der)), root };
}

const readIntermediate = (der: Uint8Array): Certificate =>
  readOr('an intermediate certificate', () => keep(parseCertificate(der)));

async function prepareLogs(
  { logs, trustedRoot, logNames = [] }: Trust,
  unusable: string[],
  crypto: VerifyCrypto,
): Promise<ReadonlyMap<string, PreparedTrustLog>> {
  const found = new Map<string, PreparedTrustLog>();
  const add = (log: Omit<PreparedTrustLog, 'windows'>, window: Window): void => {
    const id = toHex(crypto.sha256(log.publicKey));
    const before = found.get(id);
    found.set(id, { ...(before ?? log), windows: [...(before?.windows ?? []), window] });
  };
  for (const log of logs) add(readLog(log), ALWAYS);
  for (const log of trustedRoot?.certificateLogs ?? []) {
    const read = await usable(unusable, () => readListedLog(log, logNames, crypto));
    if (read !== undefined) add(read, log.window);
  }
  return found;
}

function readLog({ origin, publicKey, ed25519PublicKey }: LogName): Omit<PreparedTrustLog, 'windows'> {
  readOr('the key of a log', () => logKeyKind(publicKey));
  if (ed25519PublicKey !== undefined) readOr('the key of a log', () => spkiOfEd25519Key(ed25519PublicKey));
  return { name: origin, origin, publicKey, ed25519PublicKey };
}

/** SCTs name their log by the hash of its key (RFC 6962 §3.2), whatever the trusted root says. A client that goes by what the file
 * says would not find it. */
function readListedLog(
  log: TrustedLogInstance,
  names: readonly LogName[],
  { sha256 }: VerifyCrypto,
): Omit<PreparedTrustLog, 'windows'> {
  const name = printable(log.baseUrl === '' ? toBase64(log.logId) : log.baseUrl);
  const publicKey = readOr(`the key of the log ${name}`, () => logKeySpki(log));
  if (!equalBytes(sha256(publicKey), log.logId)) {
    const [said, is] = [toBase64(log.logId), toBase64(sha256(publicKey))];
    const sentence = `the key of the log ${name} is known, but under another log id: ${said} in place of ${is}`;
    throw new VerifyError('BAD_TRUST', sentence);
  }
  const own = names.find((one) => equalBytes(one.publicKey, publicKey));
  return own === undefined
    ? { name, origin: undefined, publicKey, ed25519PublicKey: undefined }
    : readLog(own);
}

function logKeySpki({ publicKey, keyDetails }: TrustedLogInstance): Uint8Array {
  const spki = keyDetails === 'PKCS1_RSA_PKCS1V5' ? spkiOfRsaPublicKey(publicKey) : publicKey;
  logKeyKind(spki);
  return spki;
}

/** An anchor signed itself. An intermediate in its place would be trusted whatever becomes of the CA above it: that it
 * has ended, or what it allows. */
async function readRoot(der: Uint8Array, crypto: VerifyCrypto): Promise<Certificate> {
  const root = readOr('a root certificate', () => keep(parseCertificate(der)));
  if (await isSelfSigned(root, crypto)) return root;
  const [subject, issuer] = readOr('a root certificate', () =>
    [root.subject, root.issuer].map((name) => describeName(name)),
  );
  const sentence = `the certificate "${subject}" is trusted as a root and is none: it did not sign itself`;
  throw new VerifyError('BAD_TRUST', sentence, {
    hint: `Trust the root that it leads to: "${issuer}" issued it. An intermediate belongs beside the roots, not among them.`,
  });
}

/** By its name alone where it is signed by an algorithm that is not known here, as old roots are with SHA-1: the
 * signature of a root proves nothing. */
async function isSelfSigned(root: Certificate, crypto: VerifyCrypto): Promise<boolean> {
  if (!equalBytes(root.subject, root.issuer)) return false;
  const scheme = SIGNATURE_SCHEMES.get(root.signatureAlgorithm);
  if (scheme === undefined) return true;
  const key = readOr('the key of a root certificate', () => parsePublicKey(root.spki));
  return key.type === scheme.keyType && crypto.verify(scheme, root.spki, root.tbs, root.signature);
}

function readOr<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new VerifyError('BAD_TRUST', `${what} to be trusted cannot be read: ${error.message}`);
  }
}
