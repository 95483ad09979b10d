import { OWN_PATHS } from './public-urls.ts';
import type { InstanceTrust } from './ledger.ts';
import type { SigningConfig, SigningService } from './format/signing-config.ts';

/** A log of signatures that somebody else runs. */
export interface OutsideLog {
  /** No slash at the end. */
  readonly url: string;
  readonly majorApiVersion: number;
  readonly operator: string;
}

/** Where the services of an instance are for clients. */
export interface ServiceUrls {
  /** No slash at the end. */
  readonly publicUrl: string;
  /** The OpenID provider at which people log in; without it, clients bring a token. */
  readonly openidProvider?: string | undefined;
  /** Whether timestamps are granted, where there is a key for them; default true. */
  readonly grantsTimestamps?: boolean | undefined;
  /** Where clients log signatures, too. */
  readonly outsideLog?: OutsideLog | undefined;
}

/** The services with which clients sign: what is in force alone, so that nobody signs with a successor before its time. */
export function signingConfigOf(
  { root, inForce }: InstanceTrust,
  { publicUrl, openidProvider, grantsTimestamps = true, outsideLog }: ServiceUrls,
): SigningConfig {
  const [authority] = inForce.certificateAuthorities;
  const hasTimestamps = grantsTimestamps && inForce.timestampAuthorities.length > 0;
  // Not the start of the CA in force: with a new one, no client whose clock is late is to find no CA at all.
  const start = Math.min(...root.certificateAuthorities.map(({ window }) => window.start));
  const service = (url: string): SigningService => ({
    url,
    majorApiVersion: 1,
    window: { start },
    operator: authority?.organization ?? '',
  });
  return {
    certificateAuthorities: [service(publicUrl)],
    openidProviders: openidProvider === undefined ? [] : [service(openidProvider)],
    ...(outsideLog === undefined
      ? { artifactLogs: [] }
      : { artifactLogs: [{ ...outsideLog, window: { start } }], artifactLogSelection: { selector: 'ANY' } }),
    ...(hasTimestamps
      ? {
          timestampAuthorities: [service(`${publicUrl}${OWN_PATHS.timestampAuthority}`)],
          timestampSelection: { selector: 'ANY' },
        }
      : { timestampAuthorities: [] }),
  };
}

/** A configured issuer, as far as it matters here. */
interface ConfiguredProvider {
  readonly url: string;
  readonly isMeta: boolean;
  readonly type: string;
}

/** The URL of the first issuer at which people log in: machines bring a token. Undefined where there is none. */
export const providerForPeople = (issuers: readonly ConfiguredProvider[]): string | undefined =>
  issuers.find(({ isMeta, type }) => !isMeta && type === 'email')?.url;
