/**
 * The timestamp authority (RFC 3161): says that a digest was there at a time, and signs that. It knows neither who asks nor what
 * was hashed.
 */
import { createPublicKey, verify } from 'node:crypto';
import { AuthorityError } from '../ca/authority-error.ts';
import { newSerial } from '../ca/serial.ts';
import { readTimestampChain } from '../ca/timestamp-chain.ts';
import { equalBytes, utf8 } from '../core/bytes.ts';
import type { Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { encodePem } from '../core/pem.ts';
import { SIGNATURE_ALGORITHMS } from '../core/signature-algorithm.ts';
import type { Signer } from '../signers/signer.ts';
import type { TimestampClock } from './timestamp-clock.ts';
import { TimestampError } from './timestamp-error.ts';
import type { TimestampRequest } from './timestamp-request.ts';
import { TokenTemplate } from './token-template.ts';

/** What an authority is made of. */
interface TimestampAuthorityOptions {
  /** PEM, the signing certificate first, root last. */
  readonly chainPem: string;
  readonly signer: Signer;
  readonly clock: Pick<TimestampClock, 'now' | 'fault'>;
  /** Dotted object identifier: the only policy. */
  readonly policy: string;
  /** Seconds by which the time may be off, as tokens say. */
  readonly accuracySeconds: number;
  /** Returns the last moment at which verifiers trust it, in milliseconds since the epoch; undefined while none is known. Asked each time. */
  readonly trustEnd?: (() => number | undefined) | undefined;
  /** Returns new serial numbers, unsigned big-endian; default: 159 random bits. */
  readonly serials?: (() => Uint8Array) | undefined;
}

/** A timestamp that was granted. */
export interface Timestamp {
  /** DER TimeStampResp. */
  readonly response: Uint8Array;
  readonly serial: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** When timestamps mean something: milliseconds since the epoch, both ends inclusive. */
interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Grants timestamps. One exists only if its chain is as verifiers demand and its key belongs to it. */
export class TimestampAuthority {
  /** As PEM, the signing certificate first, root last. */
  readonly chainPem: string;
  readonly signer: Signer;
  /** When all certificates of the chain are valid. */
  readonly #certified: Validity;
  readonly #options: TimestampAuthorityOptions;
  readonly #template: TokenTemplate;
  readonly #serials: () => Uint8Array;

  private constructor(
    options: TimestampAuthorityOptions,
    { certificates, chainPem }: ReturnType<typeof readTimestampChain>,
  ) {
    const { signer, policy, accuracySeconds, serials = newSerial } = options;
    this.chainPem = chainPem;
    this.#certified = {
      notBefore: Math.max(...certificates.map(({ notBefore }) => notBefore)),
      notAfter: Math.min(...certificates.map(({ notAfter }) => notAfter)),
    };
    this.signer = signer;
    this.#options = options;
    this.#serials = serials;
    this.#template = new TokenTemplate({
      certificates,
      algorithm: signer.algorithm,
      policy,
      accuracySeconds,
    });
  }

  /** Checks the chain as verifiers do, and has the key prove that it belongs to it. Rejects with AuthorityError, or with the
   * signer's own error. Certificates that have ended are no fault: the authority is there, and refuses. */
  static async open(options: TimestampAuthorityOptions): Promise<TimestampAuthority> {
    const { chainPem, signer } = options;
    const chain = readTimestampChain(chainPem, { spki: signer.publicKey });
    await checkKey(chain.certificates[0], signer);
    return new TimestampAuthority(options, chain);
  }

  /** When all certificates of the chain are valid and trusted. Outside of it no timestamp is granted. */
  get validity(): Validity {
    const { notBefore, notAfter } = this.#certified;
    return { notBefore, notAfter: Math.min(notAfter, this.#trustEnd ?? Infinity) };
  }

  get #trustEnd(): number | undefined {
    return this.#options.trustEnd?.();
  }

  /** Why no timestamp is granted at `now`, a sentence; undefined when they are. */
  faultAt(now: number): string | undefined {
    return this.#options.clock.fault ?? this.#outside(now) ?? this.signer.remote?.refusal()?.message;
  }

  /** Grants a timestamp. Rejects with {@link TimestampError}. */
  async grant(request: TimestampRequest): Promise<Timestamp> {
    const { policy } = request;
    if (policy !== undefined && !equalBytes(policy, this.#template.policy))
      throw policyRefused(this.#options.policy);
    const time = this.#options.clock.now();
    const outside = this.#outside(time);
    if (outside !== undefined) throw new TimestampError('TIMESTAMP_CERTIFICATE', outside, { hint: RENEW });
    const serial = this.#serials();
    const token = this.#template.unsigned(request, { serial, time });
    const signature = await this.#sign(token.signedAttributes);
    return { response: this.#template.granted(token, signature), serial, time };
  }

  async #sign(bytes: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.signer.sign(bytes);
    } catch (error) {
      throw new TimestampError('TIMESTAMP_KEY', 'the key for timestamps cannot sign', { cause: error });
    }
  }

  #outside(time: number): string | undefined {
    const { notBefore, notAfter } = this.#certified;
    if (time < notBefore) return `the certificate for timestamps is valid only from ${rfc3339(notBefore)}`;
    // The last second counts whole, and times are whole seconds.
    if (time > notAfter) return `the certificate for timestamps ended at ${rfc3339(notAfter)}`;
    const end = this.#trustEnd;
    if (end !== undefined && time > end)
      return `verifiers trust the certificate for timestamps until ${rfc3339(end)} and no longer`;
    return undefined;
  }
}

const RENEW = 'The operator renews it with `mayfly tsa renew`.';

const policyRefused = (policy: string): TimestampError =>
  new TimestampError(
    'TIMESTAMP_POLICY_REFUSED',
    `timestamps are made under the policy ${policy} and no other`,
    {
      hint: 'Ask for that one, or for none.',
    },
  );

const PROBE = utf8('mayfly: does this key belong to the certificate?');

/** The signer's word on its public key is not enough: a key service may be set up with the wrong key behind it. */
async function checkKey({ spki }: Certificate, signer: Signer): Promise<void> {
  const { hash } = SIGNATURE_ALGORITHMS[signer.algorithm];
  if (hash === undefined)
    throw new AuthorityError('KEY_UNSUITABLE', 'an Ed25519 key cannot be the key for timestamps', {
      hint: 'Common verifiers take ECDSA and RSA only.',
    });
  const key = createPublicKey(encodePem('PUBLIC KEY', spki));
  if (equalBytes(spki, signer.publicKey) && verify(hash, PROBE, key, await signer.sign(PROBE))) return;
  throw new AuthorityError('KEY_MISMATCH', 'the key for timestamps does not belong to the certificate', {
    hint: 'The first certificate of the chain must be the one that was issued for this key.',
  });
}
