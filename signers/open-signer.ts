import { readFile } from 'node:fs/promises';
import { FileFault } from '../storage/file-fault.ts';
import type { Backend, BackendSurroundings } from './backend.ts';
import { KeyFileError } from './key-error.ts';
import { loadKeyFile } from './key-file.ts';
import {
  parseKeyReference,
  referenceText,
  type KeyReference,
  type RemoteReference,
} from './key-reference.ts';
import { Deadline } from './deadline.ts';
import { remoteSigner, type RemoteSignerOptions } from './remote-signer.ts';
import { asSignerError, named, SignerError } from './signer-error.ts';
import type { Signer } from './signer.ts';

/** What imports a backend. */
type LoadBackend = () => Promise<Backend>;

/** The backends by the kind of their references. */
export type Backends = Readonly<Partial<Record<RemoteReference['kind'], LoadBackend>>>;

/** Those of this version: a line each, with an `import()`, so that nothing is loaded before a reference asks. */
export const BACKENDS: Backends = {
  pkcs11: async () => (await import('./pkcs11/pkcs11-backend.ts')).backend,
  transit: async () => (await import('./transit/transit-backend.ts')).backend,
};

/** How a key is opened. */
export interface OpenKeyOptions
  extends Partial<Omit<RemoteSignerOptions, 'where'>>, Partial<Omit<BackendSurroundings, 'signal'>> {
  /** Opens an encrypted key file. */
  readonly passphrase?: string | undefined;
  /** Default: {@link BACKENDS}. */
  readonly backends?: Backends | undefined;
  /** Milliseconds that opening a key elsewhere may take; default 15 seconds. */
  readonly openMs?: number | undefined;
}

const OPEN_MS = 15_000;

/** The signer of the key that a text refers to. Rejects with KeyReferenceError, and as {@link openReference}. */
export async function openSigner(key: string, options: OpenKeyOptions = {}): Promise<Signer> {
  return openReference(parseKeyReference(key), options);
}

/** The signer of a key. Rejects with {@link KeyFileError} that names the key file, with FileFault for one that cannot be read, and with
 * SignerError, which names the reference, for a key elsewhere. */
export async function openReference(reference: KeyReference, options: OpenKeyOptions = {}): Promise<Signer> {
  return reference.kind === 'file'
    ? openKeyFile(reference.path, options.passphrase)
    : openRemote(reference, options);
}

async function openRemote(reference: RemoteReference, options: OpenKeyOptions): Promise<Signer> {
  const { backends = BACKENDS, env = process.env, ask, note, openMs = OPEN_MS, ...limits } = options;
  const where = referenceText(reference);
  const load = backends[reference.kind];
  if (load === undefined)
    throw new SignerError('SIGNER_MISSING', `${where}: this version reaches no such keys`, {
      hint: 'Name the path of a key file, or install a version that does.',
    });
  const deadline = new Deadline(openMs, new SignerError('SIGNER_TIMEOUT', 'the key was not opened in time'));
  try {
    const backend = await load();
    const opening = backend.open(reference, { signal: deadline.signal, env, ask, note });
    // One that comes later is nobody's.
    opening.then(
      (key) => (deadline.signal.aborted ? key.close() : undefined),
      () => undefined,
    );
    return remoteSigner(await Promise.race([opening, deadline.end]), { where, ...limits });
  } catch (error) {
    throw named(where, asSignerError(error));
  } finally {
    deadline.clear();
  }
}

async function openKeyFile(path: string, passphrase: string | undefined): Promise<Signer> {
  const pem = await readFile(path).catch((error: unknown) => {
    throw new FileFault(path, 'read', error);
  });
  return loadKeyFile(pem, passphrase).catch((error: unknown) => {
    if (!(error instanceof KeyFileError)) throw error;
    throw new KeyFileError(error.code, `${path}: ${error.message}`, { hint: error.hint });
  });
}
