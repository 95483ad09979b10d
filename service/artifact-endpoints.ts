/** The APIs of the logs of artifacts, for the public listener. */
import { equalBytes } from '../core/bytes.ts';
import type { CtLog } from '../ct-log/ct-log.ts';
import { decodePem } from '../core/pem.ts';
import type { ArtifactLog } from '../rekor/artifact-log.ts';
import type { RateLimiter } from '../policy/rate-limit.ts';
import type { ApiEndpoint } from '../server/api.ts';
import type { ClientAddress } from '../server/http/client-address.ts';
import type { ExchangeContext } from '../server/http/exchange.ts';
import type { UnsentResponseLimit } from '../server/http/unsent-response-limit.ts';
import { createAccessCheck } from '../server/log/log-access.ts';
import type { ReadLimiter } from '../server/log/read-limiter.ts';
import type { EntryMetrics } from '../server/operator/entry-metrics.ts';
import type { RefusalLog } from '../server/operator/refusal-log.ts';
import { admitEverybody, admitOwnSigners, type Admission } from '../server/rekor/admission.ts';
import { EntryAdditions, type EntryAdmittance } from '../server/rekor/entry-additions.ts';
import { LoggedCertificates, type FindCertificateLog } from '../server/rekor/logged-certificates.ts';
import { EntryRecords } from '../server/rekor/entry-records.ts';
import { ArtifactShards } from '../server/rekor/v1/artifact-shards.ts';
import { V1Endpoint } from '../server/rekor/v1/v1-endpoint.ts';
import { V1Reads } from '../server/rekor/v1/v1-reads.ts';
import { V2Endpoint } from '../server/rekor/v2/v2-endpoint.ts';
import type { OpenedService } from './handlers.ts';
import type { FormerArtifactLog } from './open-artifact-logs.ts';
import { loggingLimiter } from './request-state.ts';

/** What they share with the rest of the listener. */
interface SharedParts {
  readonly metrics: EntryMetrics;
  readonly refusalLog: RefusalLog;
  readonly clientAddress: ClientAddress;
  readonly limiter: ReadLimiter;
  /** How much each client reads: one for all that counts. */
  readonly readLimit: RateLimiter | undefined;
  readonly unsent: UnsentResponseLimit;
  readonly accepted: () => number;
  readonly isClosing: () => boolean;
  readonly onFault: (endpoint: string, error: unknown) => void;
}

/** One for each log that is served. */
export function createArtifactEndpoints(service: OpenedService, shared: SharedParts): readonly ApiEndpoint[] {
  const { artifacts, logAccess } = service;
  if (artifacts === undefined) return [];
  const { metrics, clientAddress } = shared;
  const admittance = admittanceOf(service, artifacts);
  // The metrics of Fulcio's API count certificates and what belongs to them.
  const context: ExchangeContext = { answered: () => undefined, isClosing: shared.isClosing };
  const access = createAccessCheck(logAccess, clientAddress);
  const refusesDuplicates = artifacts.config.duplicates === 'refuse';
  const options = { ...shared, context, access, refusesDuplicates };
  return artifacts.logs.flatMap((log, i) => {
    const former = artifacts.former.filter((one) => one.log.api === log.api);
    const name = artifacts.names[i] ?? '';
    const additions = additionsOf({ name, log, former }, admittance, service, shared);
    if (log.api === 2)
      return new V2Endpoint({
        ...options,
        log,
        logs: new Map([...former, { name, log }].map((one) => [one.name, one.log])),
        additions,
        isPublic: logAccess.kind === 'public',
        onAnswer: metrics.answeredSecond,
      });
    const search = artifacts.searches[i];
    if (search === undefined) return [];
    const shards = new ArtifactShards({ log, search }, former);
    const reads = new V1Reads(shards);
    return new V1Endpoint({ ...options, reads, additions, onAnswer: metrics.answeredFirst });
  });
}

function additionsOf(
  {
    name,
    log,
    former,
  }: { readonly name: string; readonly log: ArtifactLog; readonly former: readonly FormerArtifactLog[] },
  admittance: EntryAdmittance,
  service: OpenedService,
  { metrics, refusalLog }: SharedParts,
): EntryAdditions {
  const { serviceLog, audit } = service;
  return new EntryAdditions(
    {
      current: log,
      former: former.map((one) => one.log),
      windowOf: ({ identity }) => service.trusted?.windowOf(identity),
      audited: service.entryLines?.get(name),
    },
    admittance,
    new EntryRecords({ api: log.api, name }, { metrics, serviceLog, refusalLog, audit }),
  );
}

/** Who may log, and how often: the same for both logs. */
function admittanceOf(
  service: OpenedService,
  { config }: NonNullable<OpenedService['artifacts']>,
): EntryAdmittance {
  const { audit, clock } = service;
  const limiter = config.rateLimit && loggingLimiter(config.rateLimit, 'artifacts', service);
  if (config.admission === 'any')
    return { admission: admitEverybody, certificates: undefined, limiter, audit, clock };
  const issuers = issuersOf(service);
  const certificates = new LoggedCertificates(issuers, certificateLogFinder(service));
  return { admission: ownAdmission(service, issuers), certificates, limiter, audit, clock };
}

/** DER. */
const issuersOf = ({ authority, otherChains }: OpenedService): readonly Uint8Array[] =>
  [authority.chainPems, ...otherChains].flatMap(([issuer = '']) =>
    decodePem(issuer).map(({ bytes }) => bytes),
  );

/** Finds the logs of the directory, in use or not. */
const certificateLogFinder =
  ({ artifacts, log, outsideLog, otherLogs }: OpenedService): FindCertificateLog =>
  async (logId) => {
    // Its promise is all that is known here of a log of somebody else: it is in the SCT, whose signature was checked.
    if (outsideLog !== undefined && equalBytes(logId, outsideLog.logId)) return PROMISED;
    if (equalBytes(logId, log.identity.logId)) return log.reader;
    const other = [...(artifacts?.certificateLogs ?? []), ...otherLogs.known()].find((one) =>
      equalBytes(one.logId, logId),
    );
    return other && (await otherLogs.open(other.name))?.reader;
  };

const PROMISED = { holds: (): Promise<boolean> => Promise.resolve(true) };

function ownAdmission(
  { artifacts, log, outsideLog, otherLogs, clock }: OpenedService,
  issuers: readonly Uint8Array[],
): Admission {
  if (artifacts === undefined) return admitEverybody;
  const outside = outsideLog === undefined ? [] : [outsideLog];
  const logs = (): readonly Pick<CtLog['identity'], 'logId' | 'publicKey'>[] => [
    log.identity,
    ...outside,
    ...artifacts.certificateLogs,
    ...otherLogs.known(),
  ];
  return admitOwnSigners({ issuers, logs, keys: artifacts.admittedKeys, clock });
}
