import { resolve } from 'node:path';
import type { MayflyEntry } from './mayfly-schema.ts';
import type { Shaper } from './shape.ts';

/** Who may read the log over HTTP. */
export type LogAccess = 'public' | 'token' | 'loopback';

/** How much the service writes about itself. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** What stands under `mayfly:`, with defaults filled in and paths made absolute. */
export interface MayflyConfig {
  /** Where clients reach the service; no slash at the end. */
  readonly publicUrl?: string | undefined;
  readonly logAccess: LogAccess;
  /** With access `token`: absolute path of the file whose first line is the token. */
  readonly logAccessTokenFile?: string | undefined;
  /** Addresses and networks in CIDR form. */
  readonly trustedProxies: readonly string[];
  /** Names of `ca/signing-algorithms.ts`. */
  readonly clientSigningAlgorithms: readonly string[];
  readonly limits: Limits;
  readonly logLevel: LogLevel;
}

/** What the service takes on at once. */
export interface Limits {
  /** Signing requests. */
  readonly maxInFlight: number;
  /** Reads of the log. */
  readonly readConcurrency: number;
}

/** The values of an entry; reports and warns of what does not fit together. */
export function mayflyConfigOf(entry: MayflyEntry, directory: string, shaper: Shaper): MayflyConfig {
  const tokenFile = entry['log-access-token-file'];
  checkLogAccess(entry, shaper);
  checkProxies(entry, shaper);
  checkPublicUrl(entry, shaper);
  return {
    publicUrl: entry['public-url']?.replace(/\/+$/, ''),
    logAccess: entry['log-access'],
    logAccessTokenFile: tokenFile === undefined ? undefined : resolve(directory, tokenFile),
    trustedProxies: entry['trusted-proxies'],
    clientSigningAlgorithms: [...new Set(entry['client-signing-algorithms'])],
    limits: {
      maxInFlight: entry.limits['max-in-flight'],
      readConcurrency: entry.limits['read-concurrency'],
    },
    logLevel: entry['log-level'],
  };
}

function checkLogAccess(entry: MayflyEntry, shaper: Shaper): void {
  const hasFile = entry['log-access-token-file'] !== undefined;
  if (entry['log-access'] === 'token' && !hasFile)
    shaper.problem(
      ['mayfly', 'log-access'],
      'token needs log-access-token-file',
      'Write a long random token into a file of mode 0600 and name it there.',
    );
  if (entry['log-access'] !== 'token' && hasFile)
    shaper.warning(
      ['mayfly', 'log-access-token-file'],
      `has no effect: log-access is "${entry['log-access']}"`,
      'Set log-access to token if readers must show it.',
    );
}

function checkProxies(entry: MayflyEntry, shaper: Shaper): void {
  entry['trusted-proxies'].forEach((network, index) => {
    if (network.endsWith('/0'))
      shaper.warning(
        ['mayfly', 'trusted-proxies', index],
        `"${network}" trusts every address`,
        'Any client can then choose the address that limits and logs see.',
      );
  });
}

function checkPublicUrl(entry: MayflyEntry, shaper: Shaper): void {
  const url = entry['public-url'];
  if (url === undefined) return;
  if (!['', '/'].includes(new URL(url).pathname))
    shaper.warning(
      ['mayfly', 'public-url'],
      'has a path',
      'sigstore-python asks at the root of the host only; give the service a host name of its own.',
    );
}
