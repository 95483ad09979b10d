/** What is wrong with the trust in the CA and the logs that sign: whatever they sign outside of it is refused. */
import { rfc3339 } from '../../core/clock.ts';
import type { TrustedPart, TrustStatus } from './service-sources.ts';

/** How long before an end the operator is to know of it, in milliseconds: time to stage a successor and to hand it out. */
const ATTENTION = 30 * 86_400_000;

/** One sentence each; none where nothing is wrong. `now` is milliseconds since the epoch. */
export const trustTroubles = ({ parts, failure }: TrustStatus, now: number): readonly string[] => [
  ...parts.flatMap((part) => [troubleOf(part, now) ?? [], certificateTrouble(part, now) ?? []].flat()),
  ...(failure === undefined ? [] : [`until when verifiers trust what signs is not known: ${failure}`]),
];

function troubleOf({ name, window }: TrustedPart, now: number): string | undefined {
  if (window === undefined) return undefined;
  const { start, end } = window;
  const { what, way, commands } = NAMES[name];
  if (now < start) return `verifiers trust ${what} only from ${rfc3339(start)}, and refuse what it signs now`;
  if (end === undefined || end - now >= ATTENTION) return undefined;
  const until = `verifiers trust ${what} until ${rfc3339(end)}`;
  return now > end
    ? `${until} and no longer, and refuse what it signs now: ${way} (${commands})`
    : `${until}: ${way} before (${commands})`;
}

/** After the end of it nothing is issued: a start is refused, and a service that runs answers 500. */
function certificateTrouble({ name, certificateEnd }: TrustedPart, now: number): string | undefined {
  if (certificateEnd === undefined || certificateEnd - now >= ATTENTION) return undefined;
  const { what, way, commands } = NAMES[name];
  return now > certificateEnd
    ? `the certificate of ${what} ended on ${rfc3339(certificateEnd)}, and nothing is issued: ${way} (${commands})`
    : `the certificate of ${what} ends on ${rfc3339(certificateEnd)}, and nothing is issued after that: ${way} before (${commands})`;
}

interface PartWords {
  readonly what: string;
  readonly way: string;
  readonly commands: string;
}

const SUCCESSOR = 'put a successor in force';

const NAMES: Readonly<Record<TrustedPart['name'], PartWords>> = {
  authority: { what: 'the CA', way: SUCCESSOR, commands: '`mayfly ca renew`' },
  log: { what: 'the log', way: SUCCESSOR, commands: '`mayfly log rotate`' },
  'artifacts-v1': {
    what: 'the log of artifacts for Rekor v1',
    way: SUCCESSOR,
    commands: '`mayfly rekor rotate --v1`',
  },
  'artifacts-v2': {
    what: 'the log of artifacts for Rekor v2',
    way: SUCCESSOR,
    commands: '`mayfly rekor rotate --v2`',
  },
};
