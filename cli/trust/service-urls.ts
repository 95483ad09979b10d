import { readDevService } from '../../dev/issuer-file.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { isLocalToMachine } from '../../core/loopback.ts';
import { ConfigError } from '../../config/findings/config-error.ts';
import type { Inspection } from '../../config/load/inspect.ts';
import { loadConfig, type LoadedConfig } from '../../config/load/load.ts';
import type { InstanceTrust } from '../../trust/ledger.ts';
import { providerForPeople, type ServiceUrls } from '../../trust/signing-services.ts';
import { usualPublicUrl } from '../../trust/usual-public-url.ts';
import { parseUrl } from '../certificate/http.ts';
import { CommandError, type Speaker } from '../program/command.ts';

/** The options that say where clients find the services. */
export interface ServiceUrlOptions {
  readonly config?: string;
  readonly publicUrl?: string;
  readonly oidcIssuer?: string;
}

/** What is known without them. */
interface Known {
  /** Where the directory is, and its own configuration. */
  readonly paths: Pick<DataPaths, 'root' | 'config'>;
  readonly isDevelopment: boolean;
  readonly trust: InstanceTrust;
  readonly speak: Speaker;
}

/** What a configuration says that says nothing of it. */
const ALL_LOGS = { v1: true, v2: true };

/** Where `mayfly dev` listens by default: it has not been started yet, or was last by an older version. */
const DEVELOPMENT_URL = 'http://127.0.0.1:5555';

/** Where the services are for clients: what the options say, else the configuration, else the origin of the log; warns when that is of use
 * on this machine alone. Rejects with {@link CommandError} or ConfigError. */
export async function serviceUrls(options: ServiceUrlOptions, known: Known): Promise<ServiceUrls> {
  const config = await readConfig(options.config, known);
  const given = options.publicUrl === undefined ? undefined : publicUrlOf(options.publicUrl);
  const publicUrl = given ?? config?.mayfly.publicUrl ?? (await guessedUrl(known));
  // As it is written: clients compare it with what the issuer says of itself.
  if (options.oidcIssuer !== undefined) parseUrl(options.oidcIssuer, '--oidc-issuer');
  const urls = configuredUrls(publicUrl, config);
  if (!known.isDevelopment && isLocalToMachine(new URL(publicUrl).hostname))
    known.speak.note(
      `warning: the files send clients to ${publicUrl}, which is this machine alone. Give --public-url URL, or set mayfly.public-url in the configuration.`,
    );
  return { ...urls, openidProvider: options.oidcIssuer ?? urls.openidProvider };
}

/** Where the services are for clients by a configuration, or without one. */
export function configuredUrls(
  publicUrl: string,
  config: Pick<Inspection, 'issuers' | 'mayfly'> | undefined,
): ServiceUrls {
  const { timestamps, artifactLog = ALL_LOGS } = config?.mayfly ?? {};
  return {
    publicUrl,
    openidProvider: providerForPeople(config?.issuers.map(({ definition }) => definition) ?? []),
    grantsTimestamps: timestamps?.enabled,
    artifactLogs: artifactLog,
  };
}

/** Undefined where the directory's own one is wrong: certificates and keys do not wait for it to be fixed. */
async function readConfig(
  file: string | undefined,
  { paths: { config: configFile }, speak }: Known,
): Promise<LoadedConfig | undefined> {
  if (file !== undefined) return loadConfig(file);
  try {
    return await loadConfig(configFile);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    speak.note(
      `warning: the URLs are taken from the log's origin, for the configuration is wrong: ${error.message}`,
    );
    return undefined;
  }
}

function publicUrlOf(text: string): string {
  const url = parseUrl(text, '--public-url');
  if (url.search === '' && url.hash === '' && url.username === '' && url.password === '')
    return url.href.replace(/(?<!\/)\/+$/, '');
  throw new CommandError('USAGE', '--public-url has more than a host and a path', {
    hint: 'It looks like https://ca.example.com.',
  });
}

async function guessedUrl({ isDevelopment, trust, paths }: Known): Promise<string> {
  if (isDevelopment) return (await readDevService(paths.root)) ?? DEVELOPMENT_URL;
  const [log] = trust.logs;
  return log === undefined ? DEVELOPMENT_URL : usualPublicUrl(log);
}
