/**
 * The private keys of a data directory, wherever they are. The settings name the key of each role; what they do not name is the file
 * of the data directory, which need not be there for a key that is elsewhere.
 */
import type { LogSigners } from '../ct-log/log-keys.ts';
import type { OpenKeyOptions } from '../signers/open-signer.ts';
import { parseKeyReference } from '../signers/key-reference.ts';
import type { SignerError } from '../signers/signer-error.ts';
import type { RemoteKey, Signer } from '../signers/signer.ts';
import type { ArtifactLogPaths } from './artifact-logs.ts';
import type { CertificateLogPaths, DataPaths } from './data-paths.ts';
import { openKey } from './open-key.ts';

/** Which keys are elsewhere than in the files of the data directory: absolute paths, and URIs. */
export interface KeySettings {
  readonly ca?: string | undefined;
  readonly caNext?: string | undefined;
  readonly timestamps?: string | undefined;
  readonly timestampsNext?: string | undefined;
  /** By the names of the logs. */
  readonly logs: Readonly<
    Record<string, { readonly ecdsa?: string | undefined; readonly ed25519?: string | undefined }>
  >;
  /** The same. */
  readonly artifactLogs: Readonly<Record<string, string>>;
}

/** Where a key is, and what the settings call it. */
export interface KeyPlace {
  /** Below `mayfly.keys`: `ca`, `logs.NAME.ecdsa`. */
  readonly setting: string;
  /** The path of its file, or a URI. */
  readonly reference: string;
}

/** A key outside the process, by the name of its setting. */
export interface NamedRemoteKey {
  readonly name: string;
  readonly remote: RemoteKey;
}

/** How they are opened. */
interface OpenedKeysOptions extends Omit<OpenKeyOptions, 'onChange'> {
  /** Default: all of them are in files of the data directory. */
  readonly settings?: KeySettings | undefined;
  /** Called when a key elsewhere gets into trouble, with what it is, and when it signs again. */
  readonly onTrouble?: ((setting: string, trouble: SignerError | undefined) => void) | undefined;
}

/** The keys of one data directory that were opened. A key elsewhere is opened once, whatever it signs. */
export class OpenedKeys {
  readonly #settings: KeySettings | undefined;
  readonly #options: OpenKeyOptions;
  readonly #onTrouble: OpenedKeysOptions['onTrouble'];
  /** By their references; those outside the process alone. */
  readonly #remote = new Map<string, { readonly name: string; readonly signer: Promise<Signer> }>();
  readonly #named: NamedRemoteKey[] = [];

  constructor({ settings, onTrouble, ...options }: OpenedKeysOptions) {
    this.#onTrouble = onTrouble;
    this.#settings = settings;
    this.#options = options;
  }

  /** Those outside the process, in the order in which they were opened. */
  get remote(): readonly NamedRemoteKey[] {
    return this.#named;
  }

  /** The key of the issuing CA, and that of its successor. */
  ca({ intermediateKey, nextIntermediateKey }: DataPaths): readonly [KeyPlace, KeyPlace] {
    return [
      { setting: 'ca', reference: this.#settings?.ca ?? intermediateKey },
      { setting: 'ca-next', reference: this.#settings?.caNext ?? nextIntermediateKey },
    ];
  }

  /** The key of the timestamp authority, and that of its successor. */
  timestamps({ timestampKey, nextTimestampKey }: DataPaths): readonly [KeyPlace, KeyPlace] {
    return [
      { setting: 'timestamps', reference: this.#settings?.timestamps ?? timestampKey },
      { setting: 'timestamps-next', reference: this.#settings?.timestampsNext ?? nextTimestampKey },
    ];
  }

  /** The two keys of a certificate log. Rejects as {@link open}. */
  async log({ name, ecdsaKey, ed25519Key }: CertificateLogPaths): Promise<LogSigners> {
    const { ecdsa = ecdsaKey, ed25519 = ed25519Key } = own(this.#settings?.logs, name) ?? {};
    return {
      treeHead: await this.open({ setting: `logs.${name}.ecdsa`, reference: ecdsa }),
      checkpoint: await this.open({ setting: `logs.${name}.ed25519`, reference: ed25519 }),
    };
  }

  /** The key of a log of artifacts. Rejects as {@link open}. */
  artifactLog({ name, key }: ArtifactLogPaths): Promise<Signer> {
    const reference = own(this.#settings?.artifactLogs, name) ?? key;
    return this.open({ setting: `artifact-logs.${name}`, reference });
  }

  /** The signer of a key. Rejects with what {@link openKey} rejects with. */
  async open({ setting, reference }: KeyPlace): Promise<Signer> {
    if (parseKeyReference(reference).kind === 'file') return openKey(reference, this.#options);
    const known = this.#remote.get(reference);
    if (known !== undefined) return known.signer;
    const signer = openKey(reference, {
      ...this.#options,
      onChange: (trouble) => this.#onTrouble?.(setting, trouble),
    });
    this.#remote.set(reference, { name: setting, signer });
    try {
      const opened = await signer;
      if (opened.remote !== undefined) this.#named.push({ name: setting, remote: opened.remote });
      return opened;
    } catch (error) {
      this.#remote.delete(reference);
      throw error;
    }
  }

  /** Lets go of what is outside the process. Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#named.map(({ remote }) => remote.close()));
  }
}

/** Names are the operator's: `constructor` is none. */
const own = <T>(table: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
