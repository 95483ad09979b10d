import { resolve } from 'node:path';
import type { AuditDefinition } from '../../audit/audit-definition.ts';
import { artifactLogConfigOf, type ArtifactLogConfig } from './artifact-log-config.ts';
import { auditDefinitionOf } from './audit-config.ts';
import { findUnusableFile } from './file-checks.ts';
import { grpcConfigOf, type GrpcConfig } from './grpc-config.ts';
import { keysConfigOf, type KeysConfig } from './keys-config.ts';
import { logConfigOf, outsideLogConfigOf, type LogConfig, type OutsideLogConfig } from './log-config.ts';
import type { MayflyValues } from '../schema/mayfly-schema.ts';
import { DEFAULT_RATE_LIMITS, rateLimitsOf, type RateLimits } from './rate-limits.ts';
import { timestampsConfigOf, type TimestampsConfig } from './timestamps-config.ts';
import { listenAddress } from '../schema/addresses.ts';
import type { Report } from '../findings/report.ts';

/** Who may read the log over HTTP. */
type LogAccess = 'public' | 'token' | 'loopback';

/** How much the service writes about itself. */
type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** What stands under `mayfly:`, with defaults filled in and paths made absolute. */
export interface MayflyConfig {
  /** Where clients reach the service; no slash at the end. */
  readonly publicUrl?: string | undefined;
  readonly logAccess: LogAccess;
  /** With access `token`: absolute path of the file whose first line is the token. */
  readonly logAccessTokenFile?: string | undefined;
  /** Undefined: certificates are logged in the own log. */
  readonly outsideLog?: OutsideLogConfig | undefined;
  /** Addresses and networks in CIDR form. */
  readonly trustedProxies: readonly string[];
  /** Names of `ca/signing-algorithms.ts`. */
  readonly clientSigningAlgorithms: readonly string[];
  /** Whether an issuer block without any allow rule refuses everybody. */
  readonly requireRules: boolean;
  /** For issuer blocks that do not set their own. */
  readonly rateLimits: RateLimits;
  readonly limits: Limits;
  /** Threads that take connections, or one for each core. */
  readonly workers: number | 'auto';
  /** Seconds between the signal to stop and the end of accepting. */
  readonly shutdownDelay: number;
  /** Undefined: decisions are written into the service log only. */
  readonly audit?: AuditDefinition | undefined;
  readonly timestamps: TimestampsConfig;
  readonly keys: KeysConfig;
  readonly artifactLog: ArtifactLogConfig;
  readonly log: LogConfig;
  /** Undefined: none. */
  readonly witness?: WitnessServerConfig | undefined;
  readonly grpc: GrpcConfig;
  readonly logLevel: LogLevel;
}

/** What the service takes on at once. */
interface Limits {
  /** Signing requests. */
  readonly maxInFlight: number;
  /** Reads of the log. */
  readonly readConcurrency: number;
  /** Milliseconds an idle connection is kept. */
  readonly idleTimeoutMs: number;
}

/** What the values of the section mean; reports and warns of what does not fit together. */
export function mayflyConfigOf(values: MayflyValues, directory: string, report: Report): MayflyConfig {
  const tokenFile = values['log-access-token-file'];
  checkLogAccess(values, directory, report);
  checkProxies(values, report);
  checkPublicUrl(values, report);
  const timestamps = timestampsConfigOf(values.timestamps);
  const outsideLog = outsideLogConfigOf(values, directory, report);
  if (outsideLog !== undefined && values.log.shards !== undefined)
    report.finding(
      'NO_EFFECT',
      ['mayfly', 'log', 'shards'],
      'has no effect: certificates go to the log of ct-log-url',
    );
  const log = logConfigOf(values.log, directory, report);
  const surroundings = { directory, grantsTimestamps: timestamps.enabled };
  return {
    publicUrl: values['public-url']?.replace(/(?<!\/)\/+$/, ''),
    logAccess: values['log-access'],
    logAccessTokenFile: tokenFile === undefined ? undefined : resolve(directory, tokenFile),
    ...(outsideLog === undefined ? {} : { outsideLog }),
    trustedProxies: values['trusted-proxies'],
    clientSigningAlgorithms: [...new Set(values['client-signing-algorithms'])],
    requireRules: values['require-rules'],
    rateLimits: rateLimitsOf(values['rate-limit'], DEFAULT_RATE_LIMITS),
    limits: {
      maxInFlight: values.limits['max-in-flight'],
      readConcurrency: values.limits['read-concurrency'],
      idleTimeoutMs: values.limits['idle-timeout'] * 1000,
    },
    workers: values.workers,
    shutdownDelay: values['shutdown-delay'],
    ...(values.audit === undefined
      ? {}
      : { audit: auditDefinitionOf(values.audit, log.commits, directory, report) }),
    timestamps,
    keys: keysConfigOf(values.keys, directory, report),
    artifactLog: artifactLogConfigOf(values['artifact-log'], surroundings, report),
    log,
    ...(values.witness === undefined ? {} : { witness: witnessServerOf(values.witness, directory, report) }),
    grpc: grpcConfigOf(values.grpc),
    logLevel: values['log-level'],
  };
}

/** A witness of the logs of others. */
export interface WitnessServerConfig {
  /** Absolute paths. */
  readonly directory: string;
  readonly passphraseFile?: string | undefined;
  /** IPv6 without brackets. */
  readonly listen: { readonly host: string; readonly port: number };
}

function witnessServerOf(
  { directory: own, listen, 'passphrase-file': file }: NonNullable<MayflyValues['witness']>,
  directory: string,
  report: Report,
): WitnessServerConfig {
  const passphraseFile = file === undefined ? undefined : resolve(directory, file);
  if (passphraseFile !== undefined)
    findUnusableFile(passphraseFile, 'the passphrase', ['mayfly', 'witness', 'passphrase-file'], report);
  return {
    directory: resolve(directory, own),
    ...(passphraseFile === undefined ? {} : { passphraseFile }),
    // The schema takes nothing else.
    listen: listenAddress(listen) ?? { host: '127.0.0.1', port: 0 },
  };
}

function checkLogAccess(values: MayflyValues, directory: string, report: Report): void {
  const file = values['log-access-token-file'];
  const hasFile = file !== undefined;
  if (hasFile && values['log-access'] === 'token')
    findUnusableFile(resolve(directory, file), 'the token', ['mayfly', 'log-access-token-file'], report);
  if (values['log-access'] === 'token' && !hasFile)
    report.problem(
      ['mayfly', 'log-access'],
      'token needs log-access-token-file',
      'Write a long random token into a file of mode 0600 and name it there.',
    );
  if (values['log-access'] !== 'token' && hasFile)
    report.finding(
      'NO_EFFECT',
      ['mayfly', 'log-access-token-file'],
      `has no effect: log-access is "${values['log-access']}"`,
      { hint: 'Set log-access to token if readers must show it.' },
    );
}

function checkProxies(values: MayflyValues, report: Report): void {
  values['trusted-proxies'].forEach((network, index) => {
    if (network.endsWith('/0'))
      report.finding(
        'PROXIES_UNLIMITED',
        ['mayfly', 'trusted-proxies', index],
        `"${network}" trusts every address`,
        { hint: 'Any client can then choose the address that limits and logs see.' },
      );
  });
}

function checkPublicUrl(values: MayflyValues, report: Report): void {
  const url = values['public-url'];
  if (url === undefined) return;
  if (!['', '/'].includes(new URL(url).pathname))
    report.finding('PUBLIC_URL_PATH', ['mayfly', 'public-url'], 'has a path', {
      hint: 'sigstore-python asks at the root of the host only; give the service a host name of its own.',
    });
}
