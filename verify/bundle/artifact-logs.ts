/** The artifact logs of a trusted root, such as Rekor, as they are read. */
import { equalBytes, shownHash, toBase64, toHex } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { keyWeakness } from '../../core/key-weakness.ts';
import type { Sha256 } from '../../core/hash.ts';
import { printable } from '../../core/printable.ts';
import { parsePublicKey, spkiOfRsaPublicKey } from '../../core/public-key.ts';
import type { SignatureScheme } from '../../core/signature-algorithm.ts';
import { keyHash, noteKeyHash } from '../../rekor/format/log-key-id.ts';
import { parseCheckpoint, type Checkpoint } from '../../tlog/format/checkpoint.ts';
import { parseTlogProof } from '../../tlog/format/tlog-proof.ts';
import type { LogKeyDetails, TrustedLogInstance, Window } from '../../trust/format/trusted-root.ts';
import { refused, type VerifyError } from '../verify-error.ts';

/** A log that can be used. */
export interface TrustedArtifactLog {
  /** For people. */
  readonly name: string;
  /** How its checkpoints may name it, and the lines that it signs on them: the host of its address, or the host with its port. */
  readonly origins: readonly string[];
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly scheme: SignatureScheme;
  /** How entries name it, and what its lines on checkpoints begin with. */
  readonly logId: Uint8Array;
  /** When it counts; at least one. */
  readonly windows: readonly Window[];
}

/** Version of Rekor's API. */
export type RekorApi = 1 | 2;

const SCHEMES: Readonly<
  Record<LogKeyDetails, SignatureScheme & { readonly bits?: number; readonly curve?: string }>
> = {
  PKCS1_RSA_PKCS1V5: { keyType: 'rsa', hash: 'sha256' },
  PKIX_ECDSA_P256_SHA_256: { keyType: 'ec', hash: 'sha256', curve: 'P-256' },
  PKIX_ECDSA_P384_SHA_384: { keyType: 'ec', hash: 'sha384', curve: 'P-384' },
  PKIX_ECDSA_P521_SHA_512: { keyType: 'ec', hash: 'sha512', curve: 'P-521' },
  PKIX_ED25519: { keyType: 'ed25519', hash: undefined },
  PKIX_RSA_PKCS1V15_2048_SHA256: { keyType: 'rsa', hash: 'sha256', bits: 2048 },
  PKIX_RSA_PKCS1V15_3072_SHA256: { keyType: 'rsa', hash: 'sha256', bits: 3072 },
  PKIX_RSA_PKCS1V15_4096_SHA256: { keyType: 'rsa', hash: 'sha256', bits: 4096 },
};

/** The logs by their ids. Rekor v1 is named by the hash of its key, Rekor v2 by the hash that its key has in signed notes; that of ECDSA keys is the same. */
export class ArtifactLogs {
  /** Whether the trusted root names any, even if none of them can be used. */
  readonly isNamed: boolean;
  /** Since when the first of them counts, milliseconds since the epoch; infinite where none is named. */
  readonly since: number;
  /** Why others cannot be used, a clause each. */
  readonly unusable: readonly string[];
  readonly #logs: Readonly<Record<RekorApi, Map<string, TrustedArtifactLog>>> = {
    1: new Map(),
    2: new Map(),
  };

  /** What cannot be used is not believed. */
  constructor(listed: readonly TrustedLogInstance[], sha256: Sha256) {
    const unusable: string[] = [];
    for (const log of listed) {
      try {
        this.#add(log, sha256);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        unusable.push(`the log ${nameOf(log)} of the trusted root cannot be used: ${error.message}`);
      }
    }
    this.unusable = unusable;
    this.isNamed = listed.length > 0;
    this.since = Math.min(...listed.map(({ window }) => window.start));
  }

  /** The log of an entry. */
  find(api: RekorApi, logId: Uint8Array): TrustedArtifactLog | undefined {
    return this.#logs[api].get(toHex(logId));
  }

  /** The log that a checkpoint says it is of, by its origin and a line. Nothing of it is verified. */
  ofCheckpoint(api: RekorApi, { origin, signatures }: Checkpoint): TrustedArtifactLog | undefined {
    return [...this.#logs[api].values()].find(
      ({ origins, logId }) =>
        origins.some((one) => isOrigin(origin, one, api)) &&
        signatures.some(({ keyId }) => equalBytes(keyId, logId.subarray(0, 4))),
    );
  }

  /** The log whose checkpoint a C2SP tlog-proof says it is under; undefined where none of these is meant, or the text is no proof. Nothing of it is verified. */
  ofProof(text: Uint8Array): TrustedArtifactLog | undefined {
    try {
      const checkpoint = parseCheckpoint(parseTlogProof(text).checkpoint);
      return this.ofCheckpoint(1, checkpoint) ?? this.ofCheckpoint(2, checkpoint);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return undefined;
    }
  }

  /** The refusal for the entry of a log that is not found. Newer trust may know it. */
  unknown(logId: Uint8Array, sha256: Sha256): VerifyError {
    const own = this.find(1, logId) ?? this.find(2, logId);
    if (own !== undefined)
      return refused(`the entry is not of a kind that the log ${own.name} has`, 'certificate');
    // One whose key could serve either API stands in both.
    const ids = new Map(Object.values(this.#logs).flatMap((map) => [...map]));
    const logs = [...ids.values()];
    const renamed = logs.find((log) => idsOf(log, sha256).some((id) => equalBytes(id, logId)));
    if (renamed !== undefined) {
      const sentence = `the key of the log ${renamed.name} is known, but under another log id: ${shownHash(logId)} in the bundle, ${toBase64(renamed.logId)} in the trusted root`;
      return refused(sentence, 'trust');
    }
    const trusted = logs.map(({ name, logId: id }) => `${name} (${toBase64(id)})`);
    const others = trusted.length === 0 ? 'none is' : `trusted: ${trusted.join(', ')}`;
    const sentence = `the entry is of a log that is not trusted, ${shownHash(logId)}; ${others}`;
    return refused([sentence, ...this.unusable].join('; '), 'trust');
  }

  #add(listed: TrustedLogInstance, sha256: Sha256): void {
    const { scheme, publicKey } = readKey(listed);
    const { logId } = listed;
    const hosts = hostsOf(listed.baseUrl);
    const isNamed = (id: Uint8Array): boolean => equalBytes(id, logId);
    const origins: Readonly<Record<RekorApi, readonly string[]>> = {
      1: isNamed(keyHash(sha256, publicKey)) ? hosts : [],
      2: hosts.filter((host) => isNamed(noteKeyHash(sha256, host, publicKey))),
    };
    if (origins[1].length + origins[2].length === 0) {
      const ids = idsOf({ origins: hosts, publicKey }, sha256).map(toBase64);
      const sentence = `its key is known, but under another log id: ${shownHash(logId)} in place of ${ids.join(' or ')}`;
      throw new FormatError('MALFORMED', sentence);
    }
    for (const api of APIS) {
      if (origins[api].length === 0) continue;
      const id = toHex(logId);
      const log = { name: nameOf(listed), origins: origins[api], publicKey, scheme, logId };
      const before = this.#logs[api].get(id);
      this.#logs[api].set(id, {
        ...log,
        origins: [...new Set([...(before?.origins ?? []), ...log.origins])],
        windows: [...(before?.windows ?? []), listed.window],
      });
    }
  }
}

/** Whether a checkpoint of that origin is of a log of that name: Rekor v1 puts the number of its tree behind it. */
export function isOrigin(text: string, origin: string, api: RekorApi): boolean {
  if (api === 2) return text === origin;
  return text.startsWith(`${origin} - `) && /^[1-9]\d{0,19}$/.test(text.slice(origin.length + 3));
}

const APIS: readonly RekorApi[] = [1, 2];

/** All ids by which logs of both APIs may name such a key. */
const idsOf = (
  { origins, publicKey }: Pick<TrustedArtifactLog, 'origins' | 'publicKey'>,
  sha256: Sha256,
): readonly Uint8Array[] => [
  keyHash(sha256, publicKey),
  ...origins.map((origin) => noteKeyHash(sha256, origin, publicKey)),
];

const nameOf = ({ baseUrl, logId }: TrustedLogInstance): string =>
  printable(baseUrl === '' ? toBase64(logId) : baseUrl);

function readKey({ keyDetails, publicKey: bytes }: TrustedLogInstance): {
  readonly scheme: SignatureScheme;
  readonly publicKey: Uint8Array;
} {
  const publicKey = keyDetails === 'PKCS1_RSA_PKCS1V5' ? spkiOfRsaPublicKey(bytes) : bytes;
  const { curve, bits, ...scheme } = SCHEMES[keyDetails];
  const key = parsePublicKey(publicKey);
  const fits =
    key.type === scheme.keyType &&
    (key.type !== 'ec' || key.curve === curve) &&
    (key.type !== 'rsa' || bits === undefined || key.bits === bits);
  if (!fits) throw new FormatError('MALFORMED', `its key is not of the kind ${keyDetails}`);
  const weakness = keyWeakness(key);
  if (weakness !== undefined) throw new FormatError('UNSUPPORTED', `its key ${weakness}`);
  return { scheme, publicKey };
}

/** Without the port, and with it where the address has one. */
function hostsOf(baseUrl: string): readonly string[] {
  try {
    const { hostname, host } = new URL(baseUrl);
    if (hostname !== '') return hostname === host ? [host] : [hostname, host];
  } catch {
    // What is no address has no host either.
  }
  throw new FormatError('MALFORMED', 'its address has no host, by which its checkpoints would name it');
}
