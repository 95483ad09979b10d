import { readFile } from 'node:fs/promises';
import { AuthorityError } from '../ca/authority-error.ts';
import { readTimestampChain } from '../ca/timestamp-chain.ts';
import type { TimestampsConfig } from '../config/settings/timestamps-config.ts';
import type { Clock, SteadyClock } from '../core/clock.ts';
import { MayflyError } from '../core/errors.ts';
import { DataDirectoryError, systemFault } from '../instance/data-directory-error.ts';
import type { DataPaths } from '../instance/data-paths.ts';
import type { OpenedKeys } from '../instance/opened-keys.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { TimestampSource } from '../server/operator/service-sources.ts';
import { KeyFileError } from '../signers/key-error.ts';
import { SignerError } from '../signers/signer-error.ts';
import { isMissing } from '../storage/read-whole.ts';
import { TimeServers } from '../tsa/time-servers.ts';
import { TimestampAuthority } from '../tsa/timestamp-authority.ts';
import { TimestampClock, type ClockWitness } from '../tsa/timestamp-clock.ts';
import { signerOfChain } from './open-authority.ts';
import type { ShutdownOrder } from './shutdown-order.ts';
import { isAuthority } from './trusted-parts.ts';
import { TrustedWindow } from './trusted-window.ts';

/** The timestamp authority of a service, and what the operator sees of it. */
export interface OpenedTimestamps
  extends TimestampSource, Pick<TimestampsConfig, 'rateLimit' | 'logsGrants'> {
  readonly authority: TimestampAuthority;
}

/** What it is opened with. */
interface TimestampsOptions {
  readonly clock: Clock;
  readonly steadyClock?: SteadyClock | undefined;
  readonly keys: OpenedKeys;
  /** Why the log does not trust the clock, a sentence; undefined when it does. */
  readonly witness?: (() => string | undefined) | undefined;
}

/** Opens the timestamp authority; undefined where the configuration turns it off, or the data directory has no certificate for
 * it. Rejects with AuthorityError, DataDirectoryError KeyFileError or SignerError; each names the file or the key, and says how to start without timestamps. */
export async function openTimestamps(
  options: TimestampsOptions,
  paths: DataPaths,
  config: TimestampsConfig,
  serviceLog: ServiceLog,
  shutdown: ShutdownOrder,
): Promise<OpenedTimestamps | undefined> {
  if (!config.enabled || (await isMissing(paths.timestampChain))) return undefined;
  try {
    return await open(options, paths, config, serviceLog, shutdown);
  } catch (error) {
    throw withWayOut(error, paths);
  }
}

/** A defect of timestamps need not keep the CA from issuing: that is the operator's to say. */
function withWayOut(error: unknown, { timestampChain }: DataPaths): unknown {
  if (!(error instanceof MayflyError)) return error;
  const { message, cause } = error;
  const hint =
    `${error.hint ?? ''} To start without timestamps: \`mayfly.timestamps.enabled: false\`.`.trimStart();
  if (error instanceof AuthorityError)
    return new AuthorityError(error.code, `${timestampChain}: ${message}`, { hint, cause });
  if (error instanceof KeyFileError) return new KeyFileError(error.code, message, { hint, cause });
  if (error instanceof SignerError) return new SignerError(error.code, message, { hint, cause });
  if (error instanceof DataDirectoryError)
    return new DataDirectoryError(error.code, message, { hint, cause });
  return error;
}

async function open(
  options: TimestampsOptions,
  paths: DataPaths,
  config: TimestampsConfig,
  serviceLog: ServiceLog,
  shutdown: ShutdownOrder,
): Promise<OpenedTimestamps> {
  const chainPem = await readFile(paths.timestampChain, 'utf8').catch((error: unknown) => {
    throw systemFault(paths.timestampChain, 'read', error);
  });
  const { keys } = options;
  const signer = await signerOfChain(chainPem, keys.timestamps(paths), keys);
  if (signer.algorithm.startsWith('rsa')) serviceLog.note('warn', 'warning', { sentence: SLOW_KEY });
  const [{ der }] = readTimestampChain(chainPem, {}).certificates;
  const window = new TrustedWindow(
    paths.trustedRoot,
    ({ timestampAuthorities }) => timestampAuthorities.find(isAuthority(der))?.window,
  );
  shutdown.stores.add(() => {
    window.close();
  });
  await window.read();
  const servers = startTimeServers(options.clock, config, serviceLog);
  shutdown.stores.add(() => servers?.close());
  const witnesses = [
    saying(options.witness, ASK_LOG),
    saying(config.timeServers?.stops === true ? () => servers?.fault : undefined, ASK_SERVERS),
  ];
  const clock = new TimestampClock({ ...options, witnesses });
  shutdown.stores.add(() => {
    clock.close();
  });
  const { policy, accuracySeconds } = config;
  const trustEnd = (): number | undefined => window.window?.end;
  const authority = await TimestampAuthority.open({
    chainPem,
    signer,
    clock,
    policy,
    accuracySeconds,
    trustEnd,
  });
  return {
    authority,
    rateLimit: config.rateLimit,
    logsGrants: config.logsGrants,
    faultAt: (now) => authority.faultAt(now),
    warning: () => servers?.fault ?? window.fault,
    get validity() {
      return authority.validity;
    },
    clockOffset: () => servers?.offset,
  };
}

/** A witness with what can be done where it does not trust the clock. */
const saying =
  (faultOf: (() => string | undefined) | undefined, hint: string): ClockWitness =>
  () => {
    const sentence = faultOf?.();
    return sentence === undefined ? undefined : { sentence, hint };
  };

const ASK_LOG =
  'Set the clock right: log and timestamps go on at once. docs/troubleshooting.md, "Clock problems", says how to go on sooner with a new time that is right.';
const ASK_SERVERS =
  'Set the clock right: timestamps go on within a quarter of a minute. If the servers are wrong: `on-difference: warn`, or name others.';

const SLOW_KEY =
  'the key for timestamps is RSA: each timestamp holds the service for some milliseconds, and everybody may ask for one. ' +
  '`mayfly tsa renew` makes a P-256 key; docs/timestamps.md, "Limits", says more';

function startTimeServers(
  clock: Clock,
  { timeServers }: TimestampsConfig,
  serviceLog: ServiceLog,
): TimeServers | undefined {
  if (timeServers === undefined) return undefined;
  const servers = new TimeServers({
    ...timeServers,
    clock,
    onSilence: (sentence) => {
      serviceLog.note('warn', 'no time server answers', { sentence });
    },
  });
  void servers.compare();
  return servers;
}
