/** The logs that a command is asked about, each at its newest head. */
import { endIn, parseUrl, requireSafeTransport, type CommandEnd } from '../certificate/http.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readAccessToken } from '../program/input-file.ts';
import { timeoutOf, type LogTarget, type TargetOptions } from './log-target.ts';
import { followArtifactsAt, followArtifactsIn } from './watch/artifact-logs.ts';
import { followCertificates } from './watch/certificate-log.ts';
import { apiOf, type FollowedLog } from './watch/followed-log.ts';

/** Those that were opened; they are to be closed. */
export interface OpenedLogs {
  /** Of artifacts first: every certificate that was used by then is in what is read of the certificate log behind them. */
  readonly logs: readonly FollowedLog[];
  /** The certificate log, where it is wanted. */
  readonly certificates: LogTarget | undefined;
}

/** Whether `name` is one of those that `wanted` names, all of them where it names none: `v1` are all logs for the first API, those before the one in use, too. */
export function isWantedLog(name: string, wanted: readonly string[]): boolean {
  const kind = name === 'certificates' ? name : 'artifacts';
  return wanted.length === 0 || [name, apiOf(name), kind].some((one) => wanted.includes(one));
}

/** Opens the logs that are wanted. Rejects with {@link CommandError} and LogError. */
export async function openLogs(
  options: TargetOptions,
  isWanted: (name: string) => boolean,
  speak: Speaker,
): Promise<OpenedLogs> {
  const artifacts = await artifactsOf(options, isWanted);
  if (!isWanted('certificates')) return { logs: artifacts, certificates: undefined };
  const { target, log } = await followCertificates(options, speak);
  return { logs: [...artifacts, log], certificates: target };
}

async function artifactsOf(
  options: TargetOptions,
  isWanted: (name: string) => boolean,
): Promise<readonly FollowedLog[]> {
  const { data, url = '', trust, accessTokenFile } = options;
  if (data !== undefined) return followArtifactsIn(data, isWanted);
  if (trust === undefined)
    throw new CommandError('USAGE', '--url needs --trust: what a log says of its own key proves nothing', {
      hint: 'Name the directory of `mayfly trust export`.',
    });
  const base = parseUrl(url, '--url');
  const token = await readAccessToken(accessTokenFile, 'log access token');
  if (token !== undefined) requireSafeTransport(base, 'the log');
  return followArtifactsAt(base.href.replace(/(?<!\/)\/+$/, ''), token, trust, isWanted, endOf(options));
}

/** The end of the whole command, counted from now; undefined for any time. */
function endOf(options: TargetOptions): CommandEnd | undefined {
  const seconds = timeoutOf(options);
  return seconds === undefined ? undefined : endIn(seconds);
}
