/** Opens a data directory and its configuration as the parts of a service: what `serve` and `dev` have in common. */
import { readFile } from 'node:fs/promises';
import { loadAuthority, type Authority } from '../ca/authority.ts';
import { KeyFileError } from '../signers/key-error.ts';
import { loadKeyFile } from '../signers/key-file.ts';
import { onlyLog, openDataDirectory, type DataDirectory } from '../instance/data-directory.ts';
import { systemFault } from '../instance/data-directory-error.ts';
import type { Mode } from '../instance/data-marker.ts';
import type { ConfigFinding } from '../config/findings/findings.ts';
import { loadConfig, type LoadedConfig } from '../config/load/load.ts';
import type { Clock, SteadyClock } from '../core/clock.ts';
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { decodePem, encodePem } from '../core/pem.ts';
import type { DataPaths } from '../instance/data-paths.ts';
import { readFormerChains } from '../trust/collect.ts';
import { isMissing } from '../cli/program/input-file.ts';
import type { Signer } from '../signers/signer.ts';
import { prepareLog, type CtLog } from '../tlog/log.ts';
import { LivePolicy } from '../policy/live-policy.ts';
import { compilePolicy, type PolicyContext } from '../policy/snapshot.ts';
import type { LogAccessRule } from '../server/log/log-access.ts';
import { createRequestLog, type RequestLog } from '../server/operator/request-log.ts';
import { LazyReplayGuard } from './lazy-replay-guard.ts';
import { LogDestination } from './log-destination.ts';
import { loadSettled } from './reload/settled-load.ts';
import type { FileContent } from './reload/file-contents.ts';
import { readSecretFile, type Warn } from '../cli/program/secret-file.ts';

/** What to open. */
export interface InstanceOptions {
  readonly data: string;
  /** What the caller is for; a directory of the other mode is refused. */
  readonly mode: Mode;
  /** Instead of the directory's own `config.yaml`. */
  readonly configFile?: string | undefined;
  readonly passphrase?: string | undefined;
  readonly clock: Clock;
  /** What the clock is held to, so that a wrong one does not date the log; without it every time is trusted. */
  readonly steadyClock?: SteadyClock | undefined;
}

/** The opened parts. The log is locked for this process until it is closed. */
export interface Instance {
  readonly directory: DataDirectory;
  readonly config: LoadedConfig;
  readonly authority: Authority;
  /** See `ServiceValues.formerChains`. */
  readonly formerChains: readonly (readonly string[])[];
  readonly log: CtLog;
  /** What the files of the configuration held; the first is the configuration itself. */
  readonly contents: readonly FileContent[];
  readonly policy: LivePolicy;
  /** What a later configuration is compiled with. */
  readonly policyContext: Omit<PolicyContext, 'previous' | 'permittedAlgorithms'>;
  readonly replay: LazyReplayGuard;
  /** Where the service says what it did: on stderr. */
  readonly requestLog: RequestLog;
  /** What writes its lines. */
  readonly logDestination: LogDestination;
  readonly logAccess: LogAccessRule;
  /** The configuration file, as people know it. */
  readonly configFile: string;
  /** What is to be told of the configuration. */
  readonly findings: readonly ConfigFinding[];
  /** What else works but should be known, a line each. */
  readonly warnings: readonly string[];
}

/** Opens everything, the cheap and likely faults first, the log last; what is refused changed no file. The root key is
 * never touched. Rejects with the
 * typed error of whatever is wrong, and then nothing stays open. */
export async function openInstance(options: InstanceOptions): Promise<Instance> {
  const { clock, passphrase } = options;
  const directory = await openDataDirectory(options.data, { mode: options.mode, write: true });
  const { paths } = directory;
  const configFile = options.configFile ?? paths.config;
  const { config, contents } = await loadSettled(configFile, loadConfig);
  const secretWarnings: string[] = [];
  const logAccess = await logAccessOf(config, (sentence) => {
    secretWarnings.push(sentence);
  });
  const chainPem = (await read(paths.chain)).toString();
  const signer = await issuingSigner(paths, chainPem, passphrase);
  const authority = await loadAuthority({ chainPem, signer, clock });
  const former = await readFormerChains(paths.formerChains, authority.chain);
  const { directory: logDirectory, ecdsaKey, ed25519Key } = onlyLog(directory);
  const signers = {
    treeHead: await readKey(ecdsaKey, passphrase),
    checkpoint: await readKey(ed25519Key, passphrase),
  };
  // What is refused leaves every file as it was: so nothing is opened for writing before the log was found right.
  const prepared = await prepareLog({
    ...{ directory: logDirectory, signers, issuers: authority.chain },
    ...{ clock, steadyClock: options.steadyClock },
  });
  const replay = new LazyReplayGuard(paths.replay, clock);
  const logDestination = new LogDestination();
  const requestLog = createRequestLog(logDestination, config.mayfly.logLevel);
  const policyContext: Instance['policyContext'] = {
    clock,
    openReplayGuard: () => replay.open(),
    warn: (warning) => {
      requestLog.note('warn', 'issuer warning', { ...warning });
    },
  };
  const policy = await openPolicy(config, policyContext, replay).catch(async (error: unknown) => {
    await prepared.close();
    throw error;
  });
  const log = await prepared.open().catch(async (error: unknown) => {
    await policy.close();
    throw error;
  });
  const faults = authority.faults.map(({ message, hint = '' }) => `${message}. ${hint}`);
  const warnings = [...directory.warnings, ...secretWarnings, ...faults, ...log.warnings];
  return {
    ...{ directory, config, contents, authority, log, policy, policyContext, logAccess, warnings },
    formerChains: former.map((chain) => chain.map((der) => encodePem('CERTIFICATE', der))),
    ...{ configFile, findings: config.findings, replay, requestLog, logDestination },
  };
}

async function openPolicy(
  { issuers, mayfly }: LoadedConfig,
  context: Instance['policyContext'],
  replay: LazyReplayGuard,
): Promise<LivePolicy> {
  const permittedAlgorithms = mayfly.clientSigningAlgorithms;
  const close = (): Promise<void> => replay.close();
  try {
    return new LivePolicy(await compilePolicy(issuers, { ...context, permittedAlgorithms }), close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function logAccessOf({ mayfly }: LoadedConfig, warn: Warn): Promise<LogAccessRule> {
  if (mayfly.logAccess !== 'token') return { kind: mayfly.logAccess };
  const token = await readSecretFile(mayfly.logAccessTokenFile, 'log access token', warn);
  return { kind: 'token', token: token ?? '' };
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw systemFault(path, 'read', error);
  }
}

/** The signer of the issuing CA. A renewal puts its chain in force first and its key into its place then: where it was
 * interrupted between the two, the key of the renewal is the one that issues. */
async function issuingSigner(
  paths: DataPaths,
  chainPem: string,
  passphrase: string | undefined,
): Promise<Signer> {
  const signer = await readKey(paths.intermediateKey, passphrase);
  if (isKeyOf(chainPem, signer) || (await isMissing(paths.nextIntermediateKey))) return signer;
  const next = await readKey(paths.nextIntermediateKey, passphrase);
  return isKeyOf(chainPem, next) ? next : signer;
}

/** What is wrong with a chain is for `loadAuthority` to say. */
function isKeyOf(chainPem: string, { publicKey }: Signer): boolean {
  try {
    const [first] = decodePem(chainPem);
    return first !== undefined && equalBytes(parseCertificate(first.bytes).spki, publicKey);
  } catch (error) {
    if (error instanceof FormatError) return true;
    throw error;
  }
}

/** The signer of one key file; a complaint names the file. */
export async function readKey(path: string, passphrase: string | undefined): Promise<Signer> {
  return loadKeyFile(await read(path), passphrase).catch((error: unknown) => {
    if (!(error instanceof KeyFileError)) throw error;
    throw new KeyFileError(error.code, `${path}: ${error.message}`, { hint: error.hint });
  });
}
