/** Starts everything of `mayfly dev` in order, and ends it in reverse. */
import { discardUnfinished } from '../../../instance/create-data-directory.ts';
import { DataDirectoryError } from '../../../instance/data-directory-error.ts';
import { openDataDirectory } from '../../../instance/data-directory.ts';
import { devConfig } from '../../../config/presets/template.ts';
import type { DataPaths } from '../../../instance/data-paths.ts';
import type { Clock } from '../../../core/clock.ts';
import { ensureIssuerKey } from '../../../dev/issuer-key.ts';
import { startProvider, type RunningProvider } from '../../../dev/provider.ts';
import { urlHost, type ListenAddress } from '../../../server/http/listen-address.ts';
import { createInstance, defaultOrigin } from '../create-instance.ts';
import { openInstance, type Instance } from '../../../service/open-instance.ts';
import { openService } from '../../../service/open-service.ts';
import { prepareIssuer } from './issuer-change.ts';
import { ownHosts } from './own-hosts.ts';

/** What is started. */
export interface DevOptions {
  readonly listen: ListenAddress;
  readonly issuerListen: ListenAddress;
  readonly metricsListen: ListenAddress;
  readonly data: string;
  /** The name under which other machines may come. */
  readonly publicHost?: string | undefined;
  readonly clock: Clock;
  readonly version: string;
  /** Told what was made or changed. */
  readonly note: (text: string) => void;
}

/** Everything, answering. URLs are without a slash at the end. */
export interface RunningDev {
  readonly url: string;
  readonly metricsUrl: string;
  readonly logUrl: string;
  readonly issuerUrl: string;
  /** HOST:PORT of the listeners of the service. */
  readonly listen: string;
  readonly metricsListen: string;
  /** Entries in the log at the start. */
  readonly logSize: number;
  /** Finishes what is under way. */
  close(): Promise<void>;
}

/** Starts. Rejects with the typed error of whatever is wrong, and then nothing listens. */
export async function startDev(options: DevOptions): Promise<RunningDev> {
  if (await isMissing(options.data)) await makeDirectory(options);
  const { paths } = await openDataDirectory(options.data, { mode: 'dev', write: true });
  // The provider before the service: with port 0 only its listener knows the address that the configuration needs.
  const provider = await startProvider({
    ...options.issuerListen,
    publicHost: options.publicHost,
    key: await ensureIssuerKey(paths.root),
    onFault: (error) => {
      options.note(`the development issuer failed: ${error.message}`);
    },
  });
  try {
    const instance = await openWith(paths, provider.issuer, options);
    return await startService(instance, provider, options);
  } catch (error) {
    await provider.close();
    throw error;
  }
}

/** The instance, with a configuration that trusts `issuer`. */
async function openWith(paths: DataPaths, issuer: string, options: DevOptions): Promise<Instance> {
  const change = await prepareIssuer(paths, issuer, options.note);
  const { configFile } = change;
  let instance: Instance | undefined;
  try {
    instance = await openInstance({ data: options.data, mode: 'dev', configFile, clock: options.clock });
    await change.commit();
  } catch (error) {
    await change.discard();
    await Promise.allSettled([instance?.log.close(), instance?.policy.close()]);
    throw error;
  }
  // The file is at its own place now, and is followed there.
  const [, ...others] = instance.contents;
  const contents = instance.contents.slice(0, 1).map((file) => ({ ...file, path: paths.config }));
  return { ...instance, contents: [...contents, ...others], configFile: paths.config };
}

async function startService(
  instance: Instance,
  provider: RunningProvider,
  options: DevOptions,
): Promise<RunningDev> {
  const { clock, listen, metricsListen, version } = options;
  const logSize = instance.log.status().size;
  const service = await openService(forTrying(instance, options, provider.issuer), {
    listen,
    metricsListen,
    clock,
    version,
    acceptHost: ownHosts(options),
  });
  const { url, metricsUrl, logUrl } = service;
  return {
    ...{ url, metricsUrl, logUrl, logSize, listen: service.listen, metricsListen: service.metricsListen },
    issuerUrl: provider.issuer,
    close: async () => {
      await service.close();
      await provider.close();
    },
  };
}

/**
 * What differs from a service in earnest.
 *
 * On a loopback address "public" means this machine.
 *
 * That other services share the audience of the development issuer is no news: nobody else trusts that issuer.
 */
function forTrying(instance: Instance, { publicHost }: DevOptions, issuer: string): Instance {
  const { logAccess } = instance;
  const isLocal = publicHost === undefined && logAccess.kind === 'public';
  return {
    ...instance,
    logAccess: isLocal ? { kind: 'loopback' } : logAccess,
    findings: instance.findings.filter(({ path }) => !path.endsWith(`.${JSON.stringify(issuer)}.client-id`)),
  };
}

/** Also when an earlier start was ended while it made the directory: nothing was issued from what it left. */
async function isMissing(directory: string): Promise<boolean> {
  try {
    await openDataDirectory(directory);
    return false;
  } catch (error) {
    if (!(error instanceof DataDirectoryError)) throw error;
    if (error.code === 'DIRECTORY_MISSING') return true;
    if (error.code === 'DIRECTORY_UNFINISHED' && (await discardUnfinished(directory))) return true;
    throw error;
  }
}

async function makeDirectory({ data, issuerListen, publicHost, clock, note }: DevOptions): Promise<void> {
  const host = publicHost ?? urlHost(issuerListen.host);
  note(`Making ${data}: a CA, a log and their keys, for trying only.`);
  await createInstance({
    data,
    mode: 'dev',
    authority: { organization: 'Mayfly', commonName: 'Mayfly', keyType: 'p256', rootKey: 'keep' },
    origin: defaultOrigin(clock),
    sctExtensions: 'leaf_index',
    configText: devConfig({ issuerUrl: `http://${host}:${issuerListen.port}` }),
    clock,
  });
}
