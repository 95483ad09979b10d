/** Starts everything of `mayfly dev` in order, and ends it in reverse. */
import { discardUnfinished } from '../../instance/create-data-directory.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { DataDirectoryError } from '../../instance/data-directory-error.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { devConfig } from '../../config/presets/template.ts';
import type { Clock } from '../../core/clock.ts';
import { writeDevIssuer } from '../../dev/issuer-file.ts';
import { ensureIssuerKey } from '../../dev/issuer-key.ts';
import { startProvider } from '../../dev/provider.ts';
import { urlHost, type ListenAddress } from '../../server/http/listen-address.ts';
import type { TlsFiles } from '../../server/http/tls-certificate.ts';
import { createInstance, defaultOrigin } from '../../instance/create-instance.ts';
import { isArtifactLogHost } from '../../rekor/log-identity.ts';
import { ClosingStack } from '../closing-stack.ts';
import { openService, type RunningService } from '../open-service.ts';
import { stageIssuer } from './issuer-change.ts';

/** Of this machine alone, also where others may come to the other listeners. */
const ANY_PORT: ListenAddress = { host: '127.0.0.1', port: 0 };

/** What is started. */
export interface DevOptions {
  readonly listen: ListenAddress;
  readonly issuerListen: ListenAddress;
  readonly metricsListen: ListenAddress;
  /** Where gRPC is taken without TLS; default: where the configuration says, else any free port of this machine. */
  readonly grpcListen?: ListenAddress | undefined;
  /** Without it the service speaks plain HTTP; the provider does in any case. */
  readonly tls?: TlsFiles | undefined;
  readonly data: string;
  /** The name under which other machines may come. */
  readonly publicHost?: string | undefined;
  readonly clock: Clock;
  /** How a shell calls this program. */
  readonly program: string;
  /** Gets a sentence about what was made or changed. */
  readonly note: (text: string) => void;
}

/** Everything, answering. */
export interface RunningDev extends RunningService {
  /** URL of the OpenID provider, no slash at the end. */
  readonly issuerUrl: string;
  /** Finishes what is under way, and closes the service as `RunningService.close` does. */
  close(): Promise<void>;
}

/** Starts. Rejects with the typed error of what is wrong, and then nothing listens. */
export async function startDev(options: DevOptions): Promise<RunningDev> {
  const closing = new ClosingStack();
  try {
    return await start(options, closing);
  } catch (error) {
    await Promise.allSettled([closing.close()]);
    throw error;
  }
}

async function start(options: DevOptions, closing: ClosingStack): Promise<RunningDev> {
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
  closing.add(() => provider.close());
  const service = await startService(paths, provider.issuer, options);
  closing.add(() => service.close());
  await writeDevIssuer(paths.root, provider.issuer, service.url);
  return { ...service, issuerUrl: provider.issuer, close: () => closing.close() };
}

/** The service, with a configuration that trusts `issuer`. */
async function startService(paths: DataPaths, issuer: string, options: DevOptions): Promise<RunningService> {
  const configuration = await stageIssuer(paths, issuer, options.note);
  const development = { issuer, publicHost: options.publicHost, configuration };
  return openService({ ...options, defaultGrpcListen: ANY_PORT, development }).catch(
    async (error: unknown) => {
      await configuration.discard();
      throw error;
    },
  );
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

async function makeDirectory({
  data,
  listen,
  issuerListen,
  publicHost,
  clock,
  note,
}: DevOptions): Promise<void> {
  const host = publicHost ?? urlHost(issuerListen.host);
  const ownHost = publicHost ?? listen.host;
  note(`Making ${data}: a CA, a log and their keys, for development only.`);
  await createInstance({
    data,
    mode: 'dev',
    authority: { organization: 'Mayfly', commonName: 'Mayfly', keyType: 'p256', rootKey: 'keep' },
    origin: defaultOrigin(clock),
    sctExtensions: 'leaf_index',
    artifactHost: isArtifactLogHost(ownHost) ? ownHost : undefined,
    // The service signs the targets again when it knows its address.
    tuf: { rootKey: 'keep', urls: { publicUrl: `http://${host}` } },
    configText: devConfig({ issuerUrl: `http://${host}:${issuerListen.port}` }),
    clock,
  });
}
