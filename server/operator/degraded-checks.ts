/** Conditions that the operator should know of and that do not stop signing: the service stays ready. */
import type { Audit } from '../../audit/audit.ts';
import type { LogStatus } from '../../tlog/log-status.ts';
import { rfc3339, type Clock } from '../../core/clock.ts';
import { ATTENTION, ROLES } from '../../trust/tuf/roles.ts';
import type { TufStatus } from '../../trust/tuf/upkeep.ts';
import { LOG_COMPONENTS } from './log-components.ts';
import type { ReadinessCheck } from './readiness.ts';
import type {
  NamedArtifactLog,
  OtherLogStatus,
  SearchStatus,
  ServiceSources,
  TimestampSource,
} from './service-sources.ts';
import type { TlsStatus } from '../http/tls-certificate.ts';
import { trustTroubles } from './trust-troubles.ts';

/** For how many milliseconds a loss of audit lines is reported. */
const LOSS_MEMORY = 86_400_000;

/** Files that readers of the log need. Signing does not. */
export function filesCheck(
  { unreadable, checkpointFailure, descriptionFailure }: LogStatus,
  search?: SearchStatus,
): ReadinessCheck {
  const troubles: string[] = [];
  if (unreadable !== undefined) {
    const others = unreadable.count === 1 ? '' : `, and ${unreadable.count - 1} more`;
    troubles.push(`reads of the log fail: ${unreadable.first}${others}`);
  }
  if (checkpointFailure !== undefined)
    troubles.push(`the checkpoint file is not written: ${checkpointFailure}`);
  if (descriptionFailure !== undefined)
    troubles.push(`what the log says of itself is not written: ${descriptionFailure}`);
  if (search?.failure !== undefined) troubles.push(`no certificate can be searched for: ${search.failure}`);
  const ok = troubles.length === 0;
  return { name: 'files', ok, detail: ok ? 'no read of the log missed a file' : troubles.join('; ') };
}

/** Keys outside the process, where there are any. Whether the service is ready without one of them, the checks of what it signs say. */
export function keysCheck(keys: ServiceSources['keys']): ReadinessCheck[] {
  if (keys === undefined || keys.remote.length === 0) return [];
  const troubles = keys.remote.flatMap(({ name, remote }) => {
    const failure = remote.refusal();
    return failure === undefined ? [] : [`${name}: ${failure.message} (${failure.code})`];
  });
  const ok = troubles.length === 0;
  const names = keys.remote.map(({ name, remote }) => `${name} (${remote.where})`);
  return [{ name: 'keys', ok, detail: ok ? `they sign: ${names.join(', ')}` : troubles.join('; ') }];
}

/** What is stored of the logs, as it was read last: nobody may have asked for it yet. */
export function storedFilesCheck(scrubbing: ServiceSources['scrubbing']): ReadinessCheck[] {
  if (scrubbing === undefined) return [];
  const troubles = scrubbing.status().flatMap(({ name, damaged, first, failure }) => {
    const others = damaged > 1 ? `, and ${damaged - 1} more` : '';
    const found = first === undefined ? [] : [`${name}: ${first}${others}; see \`mayfly log repair\``];
    return failure === undefined
      ? found
      : [...found, `${name}: its files cannot be read through: ${failure}`];
  });
  const ok = troubles.length === 0;
  return [{ name: 'stored-files', ok, detail: ok ? 'no damaged file was found' : troubles.join('; ') }];
}

/** Logs beside the one in use, where there are any: readers of old entries need them, signing does not. */
export function otherLogsCheck(logs: readonly OtherLogStatus[]): ReadinessCheck[] {
  if (logs.length === 0) return [];
  const failing = logs.filter(({ failure }) => failure !== undefined);
  const detail = (failing.length === 0 ? logs : failing)
    .map(({ name, state, failure }) => `${name}: ${failure ?? state}`)
    .join('; ');
  return [{ name: 'other-logs', ok: failing.length === 0, detail }];
}

/** Certificates go to the log in use until the next one is there. */
export function shardsCheck(shards: ServiceSources['shards']): ReadinessCheck[] {
  if (shards === undefined) return [];
  const { endsAt, next, trouble } = shards.status();
  const end = endsAt === undefined ? [] : [`the log in use ends at ${rfc3339(endsAt)}`];
  const facts = [...end, next === undefined ? 'none is there to follow it' : `${next} is to follow it`];
  return [{ name: 'shards', ok: trouble === undefined, detail: trouble ?? facts.join('; ') }];
}

/** Certificates are issued whether signatures are logged or not. */
export function artifactLogsCheck(artifacts: ServiceSources['artifacts']): ReadinessCheck[] {
  if (artifacts === undefined) return [];
  const inUse = artifacts.logs.map((log, i) => ({
    name: artifacts.names[i] ?? '',
    log,
    search: artifacts.searches[i],
  }));
  const all = [...inUse, ...artifacts.former];
  const troubles = all.flatMap((one) => [...artifactLogTroubles(one), ...searchTroubles(one)]);
  const sizes = all.map(({ name, log }) => `${name}: ${artifactLogText(log.status())}`);
  const ok = troubles.length === 0;
  return [{ name: 'artifact-logs', ok, detail: (ok ? sizes : troubles).join('; ') }];
}

const artifactLogTroubles = ({ name, log }: NamedArtifactLog): string[] => {
  const status = log.status();
  const sentences = [...LOG_COMPONENTS.map(({ failure }) => failure(status)), log.redactionFault];
  return sentences.flatMap((sentence) => (sentence === undefined ? [] : [`${name}: ${sentence}`]));
};

const searchTroubles = ({ name, search }: NamedArtifactLog): string[] =>
  search?.failure === undefined ? [] : [`${name}: no entry can be searched for: ${search.failure}`];

/** What notices copies is another matter for each log: that for Rekor v1 has no witnesses. */
const artifactLogText = ({ size, frozenAt, copies }: LogStatus): string => {
  if (frozenAt !== undefined) return `${size} entries, ended at ${rfc3339(frozenAt)}`;
  return copies === undefined ? `${size} entries` : `${size} entries, level ${copies}`;
};

/** Of the logs that have witnesses. Where their quorum is required and missing, the check of the log says so, too. */
export function witnessesCheck(
  { witnesses }: LogStatus,
  artifacts: ServiceSources['artifacts'],
): ReadinessCheck[] {
  const others = artifacts?.logs.map((log, i) => [artifacts.names[i] ?? '', log.status().witnesses] as const);
  const known = [['certificates', witnesses] as const, ...(others ?? [])].flatMap(([name, status]) =>
    status === undefined ? [] : [{ name, status }],
  );
  if (known.length === 0) return [];
  const troubles = known.flatMap(({ name, status }) => {
    const failures = status.witnesses.flatMap(({ failure }) => failure ?? []);
    return [...(status.failure === undefined ? failures : [status.failure])].map(
      (text) => `${name}: ${text}`,
    );
  });
  const sizes = known.map(({ name, status }) => `${name}: ${status.witnessedSize} entries are cosigned`);
  const ok = troubles.length === 0;
  return [{ name: 'witnesses', ok, detail: (ok ? sizes : troubles).join('; ') }];
}

/** Of the certificate that is served. Where a proxy in front does not look at it, an old one serves as well as a new
 * one. */
export function tlsCheck(status: TlsStatus | undefined, clock: Clock): ReadinessCheck[] {
  if (status === undefined) return [];
  const { notAfter, failure } = status;
  const isOver = clock() >= notAfter;
  const details = [
    `the TLS certificate in use ${isOver ? 'ended' : 'ends'} on ${new Date(notAfter).toISOString()}`,
  ];
  if (failure !== undefined) details.push(`its files cannot be used: ${failure}`);
  return [{ name: 'tls', ok: !isOver && failure === undefined, detail: details.join('; ') }];
}

/** The others take the connections of a thread that ended. Without any of them nobody is answered. */
export function workersCheck(workers: ServiceSources['workers']): ReadinessCheck[] {
  if (workers === undefined) return [];
  const { wanted, running, failure } = workers.status();
  const counts = `${running} of ${wanted} workers take connections`;
  const detail = failure === undefined ? counts : `${counts}; the last one ended: ${failure}`;
  return [{ name: 'workers', ok: running === wanted, detail }];
}

/** Lines that another program removed from the audit file are lost for good. Refusing certificates now would not bring them
 * back. */
export function auditFileCheck(audit: Pick<Audit, 'status'> | undefined, clock: Clock): ReadinessCheck[] {
  const losses = audit?.status().destinations.flatMap(({ incidents }) => incidents?.lastLoss ?? []) ?? [];
  const [last] = losses.filter((at) => clock() - at < LOSS_MEMORY);
  if (last === undefined) return [];
  const when = new Date(last).toISOString();
  const detail = `another program truncated or deleted the audit file at ${when}; lines may be lost`;
  return [{ name: 'audit-file', ok: false, detail }];
}

/** Certificates are issued whether there are timestamps or not. */
export function timestampCheck(timestamps: TimestampSource | undefined, clock: Clock): ReadinessCheck[] {
  if (timestamps === undefined) return [];
  const trouble = timestamps.faultAt(clock()) ?? timestamps.warning();
  const end = new Date(timestamps.validity.notAfter).toISOString();
  const detail = trouble ?? `timestamps are granted until ${end}`;
  return [{ name: 'timestamps', ok: trouble === undefined, detail }];
}

/** Certificates are issued all the same: what verifiers make of them is theirs, and may change. */
export function trustCheck(trusted: ServiceSources['trusted'], clock: Clock): ReadinessCheck[] {
  const status = trusted?.status();
  if (status === undefined || status.parts.length === 0) return [];
  const troubles = trustTroubles(status, clock());
  const ok = troubles.length === 0;
  return [{ name: 'trust', ok, detail: ok ? 'verifiers trust the CA and the logs' : troubles.join('; ') }];
}

/** Of the TUF repository, where there is one. Clients refuse what has ended, all at once. */
export function tufCheck(status: TufStatus | undefined, clock: Clock): ReadinessCheck[] {
  if (status === undefined) return [];
  const { ends, failure, comparisonFailure, differences } = status;
  const now = clock();
  const ending = ends === undefined ? [] : ROLES.filter((role) => ends[role] - now < ATTENTION[role]);
  const details = ending.map((role) => {
    const end = ends?.[role] ?? 0;
    return `the ${role} ${end <= now ? 'ended' : 'ends'} on ${rfc3339(end)}`;
  });
  if (failure !== undefined) details.push(failure);
  if (comparisonFailure !== undefined)
    details.push(`what is to be exported cannot be read: ${comparisonFailure}`);
  if (differences.length > 0)
    details.push(`not as exported: ${differences.join(', ')}; run \`mayfly trust tuf stage\``);
  const ok = details.length === 0;
  return [
    {
      name: 'tuf',
      ok,
      detail: ok ? `the timestamp ends on ${rfc3339(ends?.timestamp ?? 0)}` : details.join('; '),
    },
  ];
}
