/**
 * The server's TLS certificate, followed as it is renewed.
 *
 * The files are read again every few seconds and compared by content, because what renews them may write in place,
 * rename over them, or swap a symbolic link further up (Kubernetes secrets, certbot): a watch on the file misses some
 * of these, a content never does.
 */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { MayflyError, messageOf } from '../../core/errors.ts';

/** Codes of {@link TlsError}. */
type TlsCode = 'TLS_FILE_UNREADABLE' | 'TLS_FILE_MALFORMED' | 'TLS_PAIR_MISMATCH' | 'TLS_EXPIRED';

/** A certificate and key that cannot serve TLS. */
export class TlsError extends MayflyError<TlsCode> {}

/** Where certificate chain and private key lie, both PEM. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A pair that belongs together, checked. */
export interface TlsPair {
  /** PEM, leaf first. */
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Changes whenever one of the files does. */
  readonly fingerprint: string;
}

const read = async (file: string): Promise<Buffer> => {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new TlsError('TLS_FILE_UNREADABLE', `cannot read ${file}`, {
      hint: 'Check the path and that the user of this process may read it.',
      cause,
    });
  }
};

const fingerprintOf = (cert: Buffer, key: Buffer): string =>
  createHash('sha256').update(cert).update('\0').update(key).digest('hex');

/** Reads and checks the pair; throws {@link TlsError}. */
export async function loadTlsPair(files: TlsFiles, now: number): Promise<TlsPair> {
  const [cert, key] = await Promise.all([read(files.certFile), read(files.keyFile)]);
  const certificate = parsed(files.certFile, PEM_CERTIFICATE, () => new X509Certificate(cert));
  const privateKey = parsed(files.keyFile, PEM_KEY, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new TlsError('TLS_PAIR_MISMATCH', `${files.keyFile} is not the key of ${files.certFile}`, {
      hint: 'Give the two files of one renewal; the certificate file begins with the server certificate itself.',
    });
  }
  const notAfter = Date.parse(certificate.validTo);
  if (notAfter <= now) {
    throw new TlsError(
      'TLS_EXPIRED',
      `the certificate in ${files.certFile} ended on ${certificate.validTo}`,
      {
        hint: 'Renew it.',
      },
    );
  }
  return { cert, key, notAfter, fingerprint: fingerprintOf(cert, key) };
}

interface Expected {
  readonly what: string;
  readonly hint: string;
}

const PEM_CERTIFICATE: Expected = {
  what: 'a PEM certificate',
  hint: 'It must begin with "-----BEGIN CERTIFICATE-----", the certificate of the server first. From DER: openssl x509 -inform DER -in FILE',
};

const PEM_KEY: Expected = {
  what: 'an unencrypted PEM private key',
  hint: 'It must begin with "-----BEGIN PRIVATE KEY-----" or the like. To take a passphrase off: openssl pkey -in FILE -out NEW; keep NEW to this user (chmod 600).',
};

function parsed<T>(file: string, { what, hint }: Expected, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new TlsError('TLS_FILE_MALFORMED', `${file} does not hold ${what}`, { hint, cause });
  }
}

/** The state of the certificate that is served. */
export interface TlsStatus {
  /** Its end, milliseconds since the epoch. */
  readonly notAfter: number;
  /** Why the files as they are now cannot be used; undefined when they are in use. */
  readonly failure: string | undefined;
  /** Changes of the files since the start that were put in use, and that could not be. */
  readonly renewals: number;
  readonly failures: number;
}

/** The followed files. */
export interface TlsFollower {
  /** Looks at them now. */
  check(): Promise<void>;
  status(): TlsStatus;
  stop(): void;
}

/** A fingerprint of the files as they are now, as far as they can be read. */
async function stateOf({ certFile, keyFile }: TlsFiles): Promise<string> {
  const [cert, key] = await Promise.all(
    [certFile, keyFile].map((file) => read(file).catch(() => Buffer.alloc(0))),
  );
  return fingerprintOf(cert ?? Buffer.alloc(0), key ?? Buffer.alloc(0));
}

/** Follows the files. `onRenewed` gets each new good pair, `onRefused` each new bad one once: the old pair then stays in
 * use. */
export function followTlsPair(options: {
  readonly files: TlsFiles;
  readonly first: TlsPair;
  readonly clock: () => number;
  readonly intervalMs: number;
  readonly onRenewed: (pair: TlsPair) => void;
  readonly onRefused: (error: unknown) => void;
}): TlsFollower {
  let current = options.first;
  let failure: string | undefined;
  let renewals = 0;
  let failures = 0;
  /** The failure and the files with which it was reported. */
  let reported: string | undefined;
  const check = async (): Promise<void> => {
    try {
      const pair = await loadTlsPair(options.files, options.clock());
      if (pair.fingerprint !== current.fingerprint) {
        options.onRenewed(pair);
        current = pair;
        renewals++;
      }
      failure = reported = undefined;
    } catch (error) {
      failure = messageOf(error);
      const now = `${failure}\n${await stateOf(options.files)}`;
      if (now === reported) return;
      reported = now;
      failures++;
      options.onRefused(error);
    }
  };
  const timer = setInterval(() => void check(), options.intervalMs);
  timer.unref();
  return {
    check,
    status: () => ({ notAfter: current.notAfter, failure, renewals, failures }),
    stop: () => {
      clearInterval(timer);
    },
  };
}
