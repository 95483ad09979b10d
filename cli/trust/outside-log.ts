/** A log of signatures (Rekor) that somebody else runs, put into the files of an export: verifiers trust it and clients log there. */
import { FormatError } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { parsePublicKey } from '../../core/public-key.ts';
import { keyHash, noteKeyHash } from '../../rekor/format/log-key-id.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import type { LogKeyDetails, TrustedLogInstance } from '../../trust/format/trusted-root.ts';
import type { InstanceTrust } from '../../trust/ledger.ts';
import type { OutsideLog } from '../../trust/signing-services.ts';
import { parseUrl } from '../certificate/http.ts';
import { CommandError } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { parseInteger } from '../program/options.ts';

/** Options that name it. */
export interface OutsideLogOptions {
  readonly rekor?: string;
  readonly rekorKey?: string;
  readonly rekorVersion?: string;
}

/** It, for verifiers and for clients. */
export interface KnownOutsideLog {
  readonly entry: TrustedLogInstance;
  readonly service: OutsideLog;
}

/** The log that the options name; undefined where they name none. It is trusted from `start` on (milliseconds since the epoch). Rejects with {@link CommandError} `USAGE` for
 * what no client could use. */
export async function outsideLog(
  { rekor, rekorKey, rekorVersion }: OutsideLogOptions,
  start: number,
): Promise<KnownOutsideLog | undefined> {
  if (rekor === undefined && rekorKey === undefined && rekorVersion === undefined) return undefined;
  if (rekor === undefined || rekorKey === undefined)
    throw usage('--rekor and --rekor-key belong together', 'Verifiers need the key, and clients the URL.');
  const url = parseUrl(rekor, '--rekor');
  const spki = publicKeyIn(await readLimited(rekorKey, '--rekor-key', KEY_HINT));
  const { details, version } = kindOf(spki);
  const majorApiVersion =
    rekorVersion === undefined ? version : parseInteger(rekorVersion, '--rekor-version', 1, 2);
  if (majorApiVersion === 1 && details === 'PKIX_ED25519')
    throw usage('--rekor-key: logs of version 1 sign with ECDSA', 'Is it a log of version 2?');
  const baseUrl = url.href.replace(/(?<!\/)\/+$/, '');
  // Its checkpoints must be signed by that name: clients compare it with the host of the URL, without the port.
  const logId = majorApiVersion === 1 ? keyHash(sha256, spki) : noteKeyHash(sha256, url.hostname, spki);
  return {
    entry: { baseUrl, publicKey: spki, keyDetails: details, window: { start }, logId },
    service: { url: baseUrl, majorApiVersion, operator: url.hostname },
  };
}

/** What an instance trusts, and that log in front of other logs of signatures, for clients that look at the first alone. */
export function withOutsideLog(trust: InstanceTrust, log: KnownOutsideLog | undefined): InstanceTrust {
  if (log === undefined) return trust;
  const others = trust.root.artifactLogs.filter((one) => !isSame(one.logId, log.entry.logId));
  return { ...trust, root: { ...trust.root, artifactLogs: [log.entry, ...others] } };
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);

const KEY_HINT = 'It is the public key of the log, in PEM; the operator of the log publishes it.';

function publicKeyIn(file: Uint8Array): Uint8Array {
  try {
    const [block] = decodePem(Buffer.from(file).toString('latin1'));
    if (block?.label === 'PUBLIC KEY') return block.bytes;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  throw usage('--rekor-key: there is no public key in PEM', KEY_HINT);
}

/** Which keys logs have, and which version of a log has such a key. */
function kindOf(spki: Uint8Array): { readonly details: LogKeyDetails; readonly version: 1 | 2 } {
  try {
    const key = parsePublicKey(spki);
    if (key.type === 'ed25519') return { details: 'PKIX_ED25519', version: 2 };
    if (key.type === 'ec' && key.curve === 'P-256') return { details: 'PKIX_ECDSA_P256_SHA_256', version: 1 };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  throw usage('--rekor-key: logs have keys of P-256 or Ed25519, and this is neither', KEY_HINT);
}

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
