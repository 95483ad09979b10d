/** A log with a real CA in front of it: its entries are precertificates, and whoever asks gets the certificate. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { createIssuance, type Issued } from '../../../ca/issuance.ts';
import type { LogSigners } from '../../../tlog/sequence/head-signer.ts';
import type { CtLog, OpenLog } from '../../../tlog/log.ts';
import type { SctExtensions } from '../../../tlog/log-identity.ts';
import { pemOf, testAuthority, type TestAuthority } from '../../ca/support/authority.ts';
import { openPolicy } from '../../ca/support/open-policy.ts';
import { emailPrincipal } from '../../ca/support/principal.ts';
import { testLog, type TestLog } from './test-log.ts';

/** See above. */
export interface IssuingLog extends TestLog {
  readonly ca: TestAuthority;
  /** Opens the log, issues `count` certificates, and answers them with the log still open. */
  issue(count: number, options?: Partial<OpenLog>): Promise<{ log: CtLog; issued: Issued[] }>;
  /** Issues `count` certificates, all at once, with an open log. */
  issueWith(log: CtLog, count: number): Promise<Issued[]>;
}

/** Makes an {@link IssuingLog}. */
export async function issuingLog(
  sctExtensions: SctExtensions = 'leaf_index',
  signers?: LogSigners,
): Promise<IssuingLog> {
  const test = await testLog({ sctExtensions, ...(signers === undefined ? {} : { signers }) });
  const ca = await testAuthority('p256', Date.now());
  const open: TestLog['open'] = (options) => test.open({ issuers: ca.authority.chain, ...options });
  const issueWith: IssuingLog['issueWith'] = (log, count) => {
    const issue = createIssuance({
      policy: () => openPolicy(emailPrincipal()),
      ...{ authority: ca.authority, log, clock: Date.now },
    });
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const proof = sign('sha256', Buffer.from('alice@example.org'), privateKey);
    const key = { kind: 'publicKey', content: pemOf(publicKey), proof } as const;
    return Promise.all(Array.from({ length: count }, () => issue({ token: 'token', key })));
  };
  return {
    ...test,
    ...{ ca, open, issueWith },
    async issue(count, options) {
      const log = await open(options);
      return { log, issued: await issueWith(log, count) };
    },
  };
}
