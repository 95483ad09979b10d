/** Fulcio's calls that only report: trust bundle, root certificates, configuration, health, and our readiness. */
import type { Authority } from '../../ca/authority.ts';
import type { PolicySnapshot } from '../../policy/snapshot.ts';
import { configurationJson } from './configuration-answer.ts';
import type { Reply } from '../http/exchange.ts';
import type { Readiness } from '../operator/readiness.ts';

/** A call whose answer needs nothing of the request. */
export interface FixedCall {
  readonly path: string;
  readonly reply: () => Reply | Promise<Reply>;
  /** Whether HEAD is answered too. Fulcio's own calls refuse it. */
  readonly allowsHead: boolean;
}

/** Holds the policy that is in force. */
interface PolicySource {
  readonly current: PolicySnapshot;
}

const json = (body: string, status = 200): Reply => ({ status, contentType: 'application/json', body });

/** The table of these calls; `others` are the chains, in PEM, that issued before the authority's, and its successor's. What does not change is made once. */
export function fixedCalls(
  authority: Authority,
  others: readonly (readonly string[])[],
  policy: PolicySource,
  readiness: () => Promise<Readiness>,
): FixedCall[] {
  const pems = authority.chainPems;
  const trustBundle = json(
    JSON.stringify({ chains: [pems, ...others].map((certificates) => ({ certificates })) }),
  );
  const rootCert: Reply = {
    status: 200,
    contentType: 'application/pem-certificate-chain',
    // Each block keeps its own newline and one more joins them: a blank line between, none at the end.
    body: pems.join('\n').trimEnd(),
  };
  const healthz = json('{"status":"SERVING"}');
  const call = (path: string, reply: FixedCall['reply'], allowsHead = false): FixedCall => ({
    path,
    reply,
    allowsHead,
  });
  return [
    call('/api/v2/trustBundle', () => trustBundle),
    call('/api/v2/configuration', createConfigurationReply(policy)),
    call('/api/v1/rootCert', () => rootCert),
    call('/healthz', () => healthz, true),
    call('/readyz', async () => readyReply(await readiness()), true),
  ];
}

/** Made anew when another configuration is in force, and not before. */
function createConfigurationReply(policy: PolicySource): () => Reply {
  let made: { readonly of: PolicySnapshot; readonly reply: Reply } | undefined;
  return () => {
    const { current } = policy;
    if (made?.of !== current) made = { of: current, reply: json(configurationJson(current.issuers)) };
    return made.reply;
  };
}

/** Whether, and no word about why not: that is for the operator's listener. */
const readyReply = ({ ready }: Readiness): Reply =>
  ready
    ? json('{"status":"READY"}')
    : { ...json('{"status":"NOT_READY"}', 503), headers: ['Retry-After', '5'] };
