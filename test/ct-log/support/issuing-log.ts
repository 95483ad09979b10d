import { generateKeyPairSync, sign } from 'node:crypto';
import { Issuance } from '../../../ca/issuance.ts';
import type { PrecertificateLog } from '../../../ca/precertificate-log.ts';
import type { SctReceipt } from '../../../ct-log/format/sct.ts';
import type { LogSigners } from '../../../ct-log/log-keys.ts';
import type { CtLog, CtLogOptions } from '../../../ct-log/ct-log.ts';
import type { SctExtensions } from '../../../ct-log/log-identity.ts';
import { pemOf, testAuthority, type TestAuthority } from '../../ca/support/authority.ts';
import { openPolicy } from '../../ca/support/open-policy.ts';
import { emailPrincipal } from '../../ca/support/principal.ts';
import { issued } from '../../ca/support/issuing.ts';
import type { Committed } from '../../../tlog/core/committed.ts';
import type { StorePlaces } from '../../../tlog/store/store-places.ts';
import { testLog, type TestLog } from './test-log.ts';

/** A certificate and what the log said of its entry. */
export interface Issued {
  readonly certificate: Uint8Array;
  readonly committed: Committed<SctReceipt>;
}

/** A log with a real CA in front of it: its entries are precertificates, and everyone who asks gets the certificate. */
export interface IssuingLog extends TestLog {
  readonly ca: TestAuthority;
  /** Opens the log, issues `count` certificates, and answers them with the log still open. */
  issue(count: number, options?: Partial<CtLogOptions>): Promise<{ log: CtLog; issued: Issued[] }>;
  /** Issues `count` certificates, all at once, with an open log. */
  issueWith(log: CtLog, count: number): Promise<Issued[]>;
}

/** Makes an {@link IssuingLog}. */
export async function issuingLog(
  sctExtensions: SctExtensions = 'leaf_index',
  signers?: LogSigners,
  places?: StorePlaces,
): Promise<IssuingLog> {
  const test = await testLog({
    sctExtensions,
    ...(signers === undefined ? {} : { signers }),
    ...(places === undefined ? {} : { places }),
  });
  const ca = await testAuthority('p256', Date.now());
  const open: TestLog['open'] = (options) => test.open({ chain: ca.authority.chain, ...options });
  const issueWith: IssuingLog['issueWith'] = (log, count) => {
    const policy = { current: openPolicy(emailPrincipal()) };
    const issueOne = async (): Promise<Issued> => {
      const watched = new WatchedLog(log);
      const issuance = new Issuance({ policy, authority: ca.authority, log: watched, clock: Date.now });
      const { certificate } = await issued(issuance, { token: 'token', key });
      return { certificate, committed: watched.committed };
    };
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const proof = sign('sha256', Buffer.from('alice@example.org'), privateKey);
    const key = { kind: 'publicKey', content: pemOf(publicKey), proof } as const;
    return Promise.all(Array.from({ length: count }, issueOne));
  };
  return {
    ...test,
    ca,
    open,
    issueWith,
    async issue(count, options) {
      const log = await open(options);
      return { log, issued: await issueWith(log, count) };
    },
  };
}

/** Remembers what the log said of its one entry. */
class WatchedLog implements PrecertificateLog {
  readonly #log: CtLog;
  #committed: Committed<SctReceipt> | undefined;

  constructor(log: CtLog) {
    this.#log = log;
  }

  get identity(): PrecertificateLog['identity'] {
    return this.#log.identity;
  }

  get committed(): Committed<SctReceipt> {
    if (this.#committed === undefined) throw new Error('nothing was logged');
    return this.#committed;
  }

  async append(...entry: Parameters<PrecertificateLog['append']>): Promise<Committed<SctReceipt>> {
    return (this.#committed = await this.#log.append(...entry));
  }

  refusal(): Error | undefined {
    return this.#log.refusal();
  }
}
