/** Fulcio's calls that only report: trust bundle, root certificates, configuration, health, and our readiness. */
import type { Authority } from '../../ca/authority.ts';
import { rootCertificatePem, trustBundleOf } from './chain-answers.ts';
import { configurationAnswers, type PolicySource } from './configuration-answer.ts';
import type { Reply } from '../http/exchange.ts';
import type { Readiness } from '../operator/readiness.ts';

/** A call whose answer needs nothing of the request. */
export interface FixedCall {
  readonly path: string;
  readonly reply: () => Reply | Promise<Reply>;
  /** Whether HEAD is answered too. Fulcio's own calls refuse it. */
  readonly allowsHead: boolean;
}

const json = (body: string, status = 200): Reply => ({ status, contentType: 'application/json', body });

/** The table of these calls; `others` are the chains, in PEM, that issued before the authority's, and its successor's. What does not change is made once. */
export function fixedCalls(
  authority: Authority,
  others: readonly (readonly string[])[],
  policy: PolicySource,
  readiness: () => Promise<Readiness>,
): FixedCall[] {
  const trustBundle = json(JSON.stringify(trustBundleOf(authority, others)));
  const rootCert: Reply = {
    status: 200,
    contentType: 'application/pem-certificate-chain',
    body: rootCertificatePem(authority),
  };
  const healthz = json('{"status":"SERVING"}');
  const call = (path: string, reply: FixedCall['reply'], allowsHead = false): FixedCall => ({
    path,
    reply,
    allowsHead,
  });
  return [
    call('/api/v2/trustBundle', () => trustBundle),
    call(
      '/api/v2/configuration',
      configurationAnswers(policy, (issuers) => json(JSON.stringify({ issuers }))),
    ),
    call('/api/v1/rootCert', () => rootCert),
    call('/healthz', () => healthz, true),
    call('/readyz', async () => readyReply(await readiness()), true),
  ];
}

/** Whether, and no word about why not: that is for the operator's listener. */
const readyReply = ({ ready }: Readiness): Reply =>
  ready
    ? json('{"status":"READY"}')
    : { ...json('{"status":"NOT_READY"}', 503), headers: ['Retry-After', '5'] };
