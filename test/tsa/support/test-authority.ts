/** A timestamp authority with certificates of its own, and requests for it. */
import { createHash, createPublicKey } from 'node:crypto';
import { certify, derOf, rootExtensions, type CaKeyType } from '../../../ca/certify.ts';
import * as x509 from '../../../ca/x509.ts';
import type { Clock } from '../../../core/clock.ts';
import { octetString, oid, sequence, unsignedInteger } from '../../../core/der-writer.ts';
import type { OpenedTimestamps } from '../../../service/open-timestamps.ts';
import { generateKey } from '../../../signers/key-types.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import type { Signer } from '../../../signers/signer.ts';
import { chainOf } from '../../ca/support/authority.ts';
import { IMPRINT_HASHES, SIGSTORE_POLICY, type ImprintHash } from '../../../tsa/format/object-identifiers.ts';
import { TimestampAuthority } from '../../../tsa/timestamp-authority.ts';
import type { TimestampClock } from '../../../tsa/timestamp-clock.ts';

const DAY = 86_400_000;

/** A certificate for timestamps directly below a root, and its key. */
export interface TestTimestampChain {
  /** DER, the signing certificate first. */
  readonly chain: readonly [Uint8Array, Uint8Array];
  readonly signer: Signer;
}

/** Makes one that is valid from a day before `now` to a day after. */
export async function timestampChain(
  keyType: CaKeyType = 'p256',
  now: number = Date.now(),
): Promise<TestTimestampChain> {
  const [rootKey, key] = await Promise.all([generateKey(keyType), generateKey(keyType)]);
  const name = (text: string): x509.Name =>
    new x509.Name([{ O: [{ utf8String: 'Test' }] }, { CN: [{ utf8String: text }] }]);
  const root = { key: rootKey, name: name('Test root'), keyType };
  const rootSubject = { publicKey: createPublicKey(rootKey), name: root.name };
  const rootCertificate = await certify(rootSubject, root, now - DAY, now + DAY, rootExtensions());
  const subject = { publicKey: createPublicKey(key), name: name('Test timestamps') };
  const certificate = await certify(subject, root, now - DAY, now + DAY, [
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.timeStamping], true),
    new x509.BasicConstraintsExtension(false, undefined, true),
    await x509.AuthorityKeyIdentifierExtension.create(rootCertificate.publicKey),
  ]);
  return { chain: [derOf(certificate), derOf(rootCertificate)], signer: localSigner(key) };
}

/** An authority whose clock is trusted, unless another one is handed in. */
export const testTimestampAuthority = async (
  clock: Clock,
  { chain, signer }: TestTimestampChain,
  time: Pick<TimestampClock, 'now' | 'fault'> = trustedClock(clock),
): Promise<TimestampAuthority> =>
  TimestampAuthority.open({
    chainPem: chainOf(...chain),
    signer,
    clock: time,
    policy: SIGSTORE_POLICY,
    accuracySeconds: 1,
  });

/** What a service has of an authority: no limits, no lines, no time servers. */
export const openedTimestamps = (authority: TimestampAuthority): OpenedTimestamps => ({
  authority,
  rateLimit: undefined,
  logsGrants: false,
  faultAt: (now) => authority.faultAt(now),
  warning: () => undefined,
  get validity() {
    return authority.validity;
  },
  clockOffset: () => undefined,
});

/** Whole seconds of a clock that nobody doubts. */
export const trustedClock = (clock: Clock): Pick<TimestampClock, 'now' | 'fault'> => ({
  now: () => Math.floor(clock() / 1000) * 1000,
  fault: undefined,
});

/** The parts of a request; undefined ones are left out. */
interface RequestParts {
  readonly hash?: ImprintHash;
  readonly digest?: Uint8Array;
  readonly version?: Uint8Array;
  /** What stands behind the imprint, in order. */
  readonly rest?: readonly Uint8Array[];
}

/** DER of a TimeStampReq over `data`. */
export function requestFor(data: Uint8Array, parts: RequestParts = {}): Uint8Array {
  const { hash = 'sha256', version = Uint8Array.of(2, 1, 1), rest = [] } = parts;
  const digest = parts.digest ?? createHash(hash).update(data).digest();
  const algorithm = sequence(oid(IMPRINT_HASHES[hash].oid), Uint8Array.of(5, 0));
  return sequence(version, sequence(algorithm, octetString(digest)), ...rest);
}

/** DER of an INTEGER. */
export const nonceOf = (...octets: readonly number[]): Uint8Array => unsignedInteger(Uint8Array.from(octets));

/** DER of `certReq` TRUE. */
export const WITH_CERTIFICATE = Uint8Array.of(1, 1, 0xff);
