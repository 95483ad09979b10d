import { isAtHost, OWN_PATHS } from './public-urls.ts';
import type { InstanceTrust } from './ledger.ts';
import type { SigningConfig, SigningService } from './format/signing-config.ts';

/** A log of signatures that somebody else runs. */
export interface OutsideLog {
  /** No slash at the end. */
  readonly url: string;
  readonly majorApiVersion: number;
  readonly operator: string;
}

/** Which of the own logs of artifacts clients sign with. */
export interface ArtifactLogChoice {
  /** Whether the log of that API is served, where there is one. */
  readonly v1: boolean;
  readonly v2: boolean;
  /** The APIs that clients are given; undefined: the first of those that are served. The second is given to nobody where there are no timestamps. */
  readonly clients?: readonly (1 | 2)[] | undefined;
}

/** Where the services of an instance are for clients. */
export interface ServiceUrls {
  /** No slash at the end. */
  readonly publicUrl: string;
  /** The OpenID provider at which people log in; without it, clients bring a token. */
  readonly openidProvider?: string | undefined;
  /** Whether timestamps are granted, where there is a key for them; default true. */
  readonly grantsTimestamps?: boolean | undefined;
  /** Undefined: none of the own logs of artifacts. */
  readonly artifactLogs?: ArtifactLogChoice | undefined;
  /** Where clients log signatures instead. */
  readonly outsideLog?: OutsideLog | undefined;
}

/** The services with which clients sign: what is in force alone, so that nobody signs with a successor before its time. */
export function signingConfigOf(
  trust: Pick<InstanceTrust, 'root' | 'inForce' | 'artifactLogs'>,
  urls: ServiceUrls,
): SigningConfig {
  const { root, inForce } = trust;
  const { publicUrl, openidProvider, grantsTimestamps = true } = urls;
  const [authority] = inForce.certificateAuthorities;
  const hasTimestamps = grantsTimestamps && inForce.timestampAuthorities.length > 0;
  // Not the start of the CA in force: with a new one, no client whose clock is late is to find no CA at all.
  const start = Math.min(...root.certificateAuthorities.map(({ window }) => window.start));
  const service = (url: string, majorApiVersion = 1): SigningService => ({
    url,
    majorApiVersion,
    window: { start },
    operator: authority?.organization ?? '',
  });
  return {
    certificateAuthorities: [service(publicUrl)],
    openidProviders: openidProvider === undefined ? [] : [service(openidProvider)],
    ...selectingAny(
      urls.outsideLog === undefined
        ? apisForClients(trust, urls)
            // Entries of the second API have no time: with a certificate, nobody could verify what has no timestamp either.
            .filter((api) => api === 1 || hasTimestamps)
            .map((api) => service(publicUrl, api))
        : [{ ...urls.outsideLog, window: { start } }],
    ),
    ...(hasTimestamps
      ? {
          timestampAuthorities: [service(`${publicUrl}${OWN_PATHS.timestampAuthority}`)],
          timestampSelection: { selector: 'ANY' },
        }
      : { timestampAuthorities: [] }),
  };
}

/** Which one they take is theirs: they begin with the highest version that they know. */
const selectingAny = (
  artifactLogs: readonly SigningService[],
): Pick<SigningConfig, 'artifactLogs' | 'artifactLogSelection'> =>
  artifactLogs.length === 0 ? { artifactLogs } : { artifactLogs, artifactLogSelection: { selector: 'ANY' } };

/** The APIs of the own logs that clients sign with: of those that are named as the URL says, which alone are served. */
function apisForClients(
  { artifactLogs }: Pick<InstanceTrust, 'artifactLogs'>,
  { artifactLogs: choice, publicUrl }: ServiceUrls,
): readonly (1 | 2)[] {
  if (choice === undefined) return [];
  const served = artifactLogs
    .filter(({ api, host }) => choice[`v${api}`] && isAtHost(publicUrl, host))
    .map(({ api }) => api);
  const { clients } = choice;
  return clients === undefined ? served.slice(0, 1) : served.filter((api) => clients.includes(api));
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
