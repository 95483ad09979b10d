import type { RateLimit } from '../../policy/issuer-policy-definition.ts';
import { timeServerAddress } from '../schema/addresses.ts';
import type { TimestampsValues } from '../schema/timestamps-schema.ts';

/** What stands under `mayfly.timestamps`. */
export interface TimestampsConfig {
  readonly enabled: boolean;
  /** Dotted object identifier. */
  readonly policy: string;
  readonly accuracySeconds: number;
  /** For each client; undefined: none. */
  readonly rateLimit?: RateLimit | undefined;
  /** Whether each timestamp has a line in the service log. */
  readonly logsGrants: boolean;
  /** Undefined: no time server is asked. */
  readonly timeServers?: TimeServersConfig | undefined;
}

/** Which time servers are asked, and what follows. Times in milliseconds. */
interface TimeServersConfig {
  /** IPv6 without brackets. */
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  readonly intervalMs: number;
  readonly maxOffsetMs: number;
  readonly stops: boolean;
}

/** What the values mean. */
export function timestampsConfigOf(values: TimestampsValues): TimestampsConfig {
  const bucket = values['rate-limit'];
  const servers = values['time-servers'];
  return {
    enabled: values.enabled,
    policy: values.policy,
    // Whole seconds are cut off, and the clock may differ besides.
    accuracySeconds: values.accuracy ?? 1 + (servers?.['max-offset'] ?? 0),
    rateLimit:
      bucket === 'off'
        ? undefined
        : { perMinute: bucket['per-minute'], burst: bucket.burst ?? bucket['per-minute'] },
    logsGrants: values['log-grants'],
    timeServers: servers && {
      servers: servers.servers.map(timeServerAddress).filter((address) => address !== undefined),
      intervalMs: servers.interval * 1000,
      maxOffsetMs: servers['max-offset'] * 1000,
      stops: servers['on-difference'] === 'stop',
    },
  };
}
