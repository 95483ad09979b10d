/** Whether the service can do its one job now: sign, commit, and show a head that is not stale; with a frozen log, show it. */
import { utf8 } from '../../core/bytes.ts';
import type { Signer } from '../../signers/signer.ts';
import type { CopyProtection, LogStatus } from '../../tlog/log-status.ts';
import {
  artifactLogsCheck,
  auditFileCheck,
  filesCheck,
  keysCheck,
  otherLogsCheck,
  shardsCheck,
  storedFilesCheck,
  timestampCheck,
  tlsCheck,
  trustCheck,
  tufCheck,
  workersCheck,
  witnessesCheck,
} from './degraded-checks.ts';
import type { ServiceSources } from './service-sources.ts';

/** One condition of readiness. */
export interface ReadinessCheck {
  readonly name:
    | 'authority'
    | 'signer'
    | 'keys'
    | 'log'
    | 'clock'
    | 'head'
    | 'open'
    | 'outside-log'
    | 'no-log'
    | 'files'
    | 'other-logs'
    | 'shards'
    | 'tls'
    | 'trust'
    | 'tuf'
    | 'configuration'
    | 'audit'
    | 'audit-file'
    | 'replay-guard'
    | 'timestamps'
    | 'artifact-logs'
    | 'workers'
    | 'anchor'
    | 'witnesses'
    | 'stored-files';
  readonly ok: boolean;
  /** For the operator; never shown on the public listener. */
  readonly detail: string;
}

/** The conditions, and whether all hold that issuing needs. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly ReadinessCheck[];
}

/** Milliseconds for which one trial signature speaks: a probe must not become load on a KMS. */
const SIGNER_MEMORY = 10_000;

/** A trial signature that takes longer than this counts as failed. */
const SIGNER_TIMEOUT_MS = 5_000;

/** Entries that wait longer than this while the head stays say that the sequencer is stuck. */
const QUEUE_STUCK_MS = 10_000;

/** How far a head may be ahead of the clock. */
const CLOCK_TOLERANCE = 1_000;

/** No DER begins with this, so the signature can never be taken for one over a certificate. */
const PROBE = utf8('mayfly readiness probe');

/** A function that returns the readiness at the moment of the call. It never rejects. */
export function createReadiness(sources: ServiceSources): () => Promise<Readiness> {
  const signerCheck = createSignerCheck(sources);
  const waitedAt = createQueueWatch();
  return async () => {
    const signer = await signerCheck();
    const [status, now] = [sources.log.status(), sources.clock()];
    const checks = [
      openCheck(sources),
      authorityCheck(sources),
      signer,
      logCheck(status),
      clockCheck(status),
      headCheck(status, now, waitedAt(status, now)),
      ...outsideLogCheck(sources.outsideLog),
      ...noLogCheck(sources.isUnlogged),
    ];
    const audit = auditCheck(sources);
    const ready = checks.every((check) => check.ok) && (audit?.ok !== false || !sources.audit?.isFailClosed);
    const auditChecks = audit === undefined ? [] : [audit, ...auditFileCheck(sources.audit, sources.clock)];
    return {
      ready,
      checks: [
        ...checks,
        ...keysCheck(sources.keys),
        filesCheck(status, sources.search),
        ...storedFilesCheck(sources.scrubbing),
        anchorCheck(status),
        ...otherLogsCheck(sources.otherLogs.status()),
        ...shardsCheck(sources.shards),
        ...tlsCheck(sources.tls?.status(), sources.clock),
        ...trustCheck(sources.trusted, sources.clock),
        ...tufCheck(sources.tuf?.status(), sources.clock),
        ...configurationCheck(sources),
        ...replayCheck(sources),
        ...timestampCheck(sources.timestamps, sources.clock),
        ...artifactLogsCheck(sources.artifacts),
        ...workersCheck(sources.workers),
        ...witnessesCheck(status, sources.artifacts),
        ...auditChecks,
      ],
    };
  };
}

function openCheck({ isClosing }: ServiceSources): ReadinessCheck {
  const ok = !isClosing();
  return { name: 'open', ok, detail: ok ? 'accepting requests' : 'shutting down' };
}

/** A configuration that cannot be loaded does not stop signing: the last good one stays in force. */
function configurationCheck({ configuration }: ServiceSources): ReadinessCheck[] {
  if (configuration === undefined) return [];
  const { loadedAt, failure, restart } = configuration.state;
  const details = [`the configuration in force was loaded at ${new Date(loadedAt).toISOString()}`];
  if (restart !== undefined) details.push(`these settings changed and need a restart: ${restart.join(', ')}`);
  if (failure !== undefined) details.push(`the last try failed: ${failure}`);
  return [{ name: 'configuration', ok: failure === undefined, detail: details.join('; ') }];
}

/** Lines that cannot be written do not stop signing, unless the audit is fail-closed. */
function auditCheck({ audit }: ServiceSources): ReadinessCheck | undefined {
  if (audit === undefined) return undefined;
  const failing = audit.status().destinations.filter(({ isFailing }) => isFailing);
  const ok = failing.length === 0;
  const detail = ok
    ? 'decisions are written'
    : `not written to ${failing.map(({ name }) => name).join(', ')}`;
  return { name: 'audit', ok, detail };
}

/** Only issuer blocks with a replay guard need it: the others go on. */
function replayCheck({ replayGuard }: ServiceSources): ReadinessCheck[] {
  const status = replayGuard?.guard;
  if (status === undefined) return [];
  const { fault, held } = status;
  const detail = fault === undefined ? `used tokens that are remembered: ${held}` : fault.message;
  return [{ name: 'replay-guard', ok: fault === undefined, detail }];
}

function authorityCheck({ authority, clock }: ServiceSources): ReadinessCheck {
  const { notBefore, notAfter } = authority.validity;
  const now = clock();
  const ok = notBefore <= now && now < notAfter;
  const validity = `${new Date(notBefore).toISOString()} to ${new Date(notAfter).toISOString()}`;
  return { name: 'authority', ok, detail: `the issuing certificate is valid from ${validity}` };
}

/** A real signature now and then; callers at the same time share one. */
function createSignerCheck({ authority, clock }: ServiceSources): () => Promise<ReadinessCheck> {
  let last: { readonly at: number; readonly check: Promise<ReadinessCheck> } | undefined;
  return () => {
    const now = clock();
    // What is in trouble tries itself.
    const trouble = authority.signer.remote?.refusal();
    if (trouble !== undefined) {
      last = undefined;
      return Promise.resolve({ name: 'signer', ok: false, detail: trouble.message });
    }
    if (last === undefined || now - last.at > SIGNER_MEMORY || now < last.at)
      last = { at: now, check: probe(authority.signer) };
    return last.check;
  };
}

async function probe(signer: Signer): Promise<ReadinessCheck> {
  const timeout = AbortSignal.timeout(SIGNER_TIMEOUT_MS);
  const late = new Promise<never>((_, reject) => {
    timeout.addEventListener('abort', () => {
      reject(new Error('the key did not answer in time'));
    });
  });
  try {
    await Promise.race([signer.sign(PROBE), late]);
    return { name: 'signer', ok: true, detail: 'the issuing key signs' };
  } catch (error) {
    return {
      name: 'signer',
      ok: false,
      detail: error instanceof Error ? error.message : 'the key cannot be used',
    };
  }
}

/** Returns for how many milliseconds entries have waited without a commit, as far as earlier calls saw. The age of the head
 * does not show that: on an idle log it is old when the first entry comes. */
function createQueueWatch(): (status: LogStatus, now: number) => number {
  let seen: { readonly size: number; readonly since: number } | undefined;
  return ({ queued, size }, now) => {
    if (queued === 0) seen = undefined;
    else if (seen?.size !== size || now < seen.since) seen = { size, since: now };
    return seen === undefined ? 0 : now - seen.since;
  };
}

function logCheck(status: LogStatus): ReadinessCheck {
  const { failed, signingFailure } = status;
  const unsigned =
    signingFailure && `the log cannot sign what it commits: ${signingFailure}; it is tried again`;
  const trouble = failed ?? unsigned;
  return { name: 'log', ok: trouble === undefined, detail: trouble ?? takesEntries(status) };
}

const clockCheck = ({ clockFailure }: LogStatus): ReadinessCheck => ({
  name: 'clock',
  ok: clockFailure === undefined,
  detail: clockFailure ?? 'the clock agrees with the time that passed',
});

function headCheck({ timestamp, size, queued }: LogStatus, now: number, waited: number): ReadinessCheck {
  const age = now - timestamp;
  const isStuck = waited > QUEUE_STUCK_MS;
  const isAhead = age < -CLOCK_TOLERANCE;
  const detail = isStuck
    ? `${queued} entries wait and the head has not moved for ${waited} ms`
    : isAhead
      ? `the head is ${-age} ms ahead of the clock: the log takes entries from ${new Date(timestamp).toISOString()} on`
      : `size ${size}, signed ${age} ms ago, ${queued} waiting`;
  return { name: 'head', ok: !isStuck && !isAhead, detail };
}

/** What a copy of the log of certificates, or an old one that was put back, is noticed by. Where that is nothing, it is said, and no fault. */
function anchorCheck({ anchor, anchorFailure, size, copies = 'accidents' }: LogStatus): ReadinessCheck {
  if (anchor === undefined) return { name: 'anchor', ok: true, detail: WITHOUT_ANCHOR[copies] };
  const { mode, name, size: known } = anchor;
  const holds = known === undefined ? 'holds no head yet' : `holds the head of ${known} of ${size} entries`;
  return {
    name: 'anchor',
    ok: anchorFailure === undefined,
    detail: anchorFailure ?? `${mode}, ${name} ${holds}`,
  };
}

/** What notices a copy where there is no anchor. */
const WITHOUT_ANCHOR: Readonly<Record<CopyProtection, string>> = {
  accidents:
    'none (level accidents): of copies of the log, files that were copied to another machine are noticed, and nothing else',
  asynchronous: 'none (level asynchronous): a copy of the log of certificates is noticed by the witnesses',
  synchronous:
    'none (level synchronous): a copy of the log of certificates releases nothing without the quorum of witnesses',
  database: 'none (level database): the history is in a database, which notices another server in its place',
};

/** The operator's choice is no fault, and is said all the same. */
function noLogCheck(isUnlogged: boolean | undefined): ReadinessCheck[] {
  if (isUnlogged !== true) return [];
  return [
    {
      name: 'no-log',
      ok: true,
      detail: 'INSECURE: certificates are in no log and carry no SCT (--insecure-no-log)',
    },
  ];
}

/** Certificates need it, and the log of this service takes none of them. */
function outsideLogCheck(log: ServiceSources['outsideLog']): ReadinessCheck[] {
  if (log === undefined) return [];
  const { url, failure } = log.status();
  const where = `certificates are logged at ${url}, and not in the log of this service`;
  const refusal = log.refusal();
  const detail = failure === undefined ? where : `${where}; the last one failed: ${failure}`;
  return [{ name: 'outside-log', ok: refusal === undefined, detail }];
}

/** Tiles and index are derived from what is committed: their failures are reported but do not stop signing. */
const takesEntries = ({ tileFailure, indexFailure, storeGrowth, frozenAt }: LogStatus): string =>
  [stateText(frozenAt), tileFailure, indexFailure, storeGrowth]
    .filter((part) => part !== undefined)
    .join('; ');

/** A log that was ended on purpose is there to be read: the service is ready for that. */
const stateText = (frozenAt: number | undefined): string =>
  frozenAt === undefined
    ? 'the log takes entries'
    : `the log ended at ${new Date(frozenAt).toISOString()}: it is read only, and no certificate is issued`;
