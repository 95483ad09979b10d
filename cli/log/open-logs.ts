/** The logs that a command is asked about, each at its newest head. */
import { endIn, parseUrl, requireSafeTransport, type CommandEnd } from '../certificate/http.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readAccessToken } from '../program/input-file.ts';
import { timeoutOf, type TargetOptions } from './log-target.ts';
import { artifactsIn, type LogOpener } from './watch/artifact-logs.ts';
import { followCertificates, formerCertificateLogs } from './watch/certificate-log.ts';
import { apiOf, type FollowedLog } from './watch/followed-log.ts';
import { artifactsAt } from './watch/served-artifacts.ts';

/** Whether `name` is one of those that `wanted` names, all of them where it names none: `v1` are all logs for the first API, those before the one in use, too, and `certificates` all certificate logs. */
export function isWantedLog(name: string, wanted: readonly string[]): boolean {
  const kind = apiOf(name) === 'certificates' ? 'certificates' : 'artifacts';
  return wanted.length === 0 || [name, apiOf(name), kind].some((one) => wanted.includes(one));
}

/** Which logs are to be opened. */
export interface WantedLogs {
  readonly isWanted: (name: string) => boolean;
  /** Each of these has to be there: names of logs, of APIs, `artifacts` or `certificates`. */
  readonly named: readonly string[];
  /** Called with why a log of artifacts, or a former certificate log, cannot be opened; the others are. Default: the first such rejects. */
  readonly failed?: (error: unknown) => void;
}

/** Opens the logs that are wanted; they are to be closed. Those of artifacts come first: every certificate that was used by then is in what is read of the certificate log behind them. Rejects with {@link CommandError}, `USAGE` for one that is named and not there, and LogError. */
export async function openLogs(
  options: TargetOptions,
  wanted: WantedLogs,
  speak: Speaker,
): Promise<readonly FollowedLog[]> {
  const { isWanted, named, failed } = wanted;
  const former = [...named, 'certificates'].some((name) => apiOf(name) === 'certificates' && isWanted(name))
    ? await formerCertificateLogs(options, speak)
    : [];
  const openers = [...(await artifactsOf(options, wanted)), ...former.filter(({ name }) => isWanted(name))];
  const names = [...openers.map(({ name }) => name), ...(isWanted('certificates') ? ['certificates'] : [])];
  for (const name of named)
    if (!names.some((there) => isWantedLog(there, [name]))) throw noLog(name, options);
  const logs: FollowedLog[] = [];
  try {
    for (const { open } of openers)
      try {
        logs.push(await open());
      } catch (error) {
        if (failed === undefined) throw error;
        failed(error);
      }
    return isWanted('certificates') ? [...logs, await followCertificates(options, speak)] : logs;
  } catch (error) {
    for (const log of logs) await log.close();
    throw error;
  }
}

const noLog = (name: string, { data, url = '' }: TargetOptions): CommandError =>
  new CommandError(
    'USAGE',
    name === 'artifacts'
      ? `there is no log of artifacts at ${data ?? url}`
      : `there is no log ${name} at ${data ?? url}`,
    {
      hint:
        data === undefined
          ? 'Of a service there are v1 and v2, and after the first ones v1-2, v2-2 and so on, as in its directory.'
          : '`mayfly rekor show` lists the logs of artifacts of a directory.',
    },
  );

async function artifactsOf(
  options: TargetOptions,
  { isWanted, named }: WantedLogs,
): Promise<readonly LogOpener[]> {
  const { data, url = '', trust, accessTokenFile } = options;
  if (data !== undefined) {
    const isAnyWanted = ['v1', 'v2', ...named].some(
      (name) => apiOf(name) !== 'certificates' && isWanted(name),
    );
    // A copy of certificate logs need not be of a whole directory.
    return isAnyWanted ? artifactsIn(data, isWanted) : [];
  }
  if (trust === undefined)
    throw new CommandError('USAGE', '--url needs --trust: what a log says of its own key proves nothing', {
      hint: 'Name the directory of `mayfly trust export`.',
    });
  const base = parseUrl(url, '--url');
  const token = await readAccessToken(accessTokenFile, 'log access token');
  if (token !== undefined) requireSafeTransport(base, 'the log');
  const service = { url: base.href.replace(/(?<!\/)\/+$/, ''), token, trust, end: endOf(options) };
  return artifactsAt(service, isWanted, named);
}

/** The end of the whole command, counted from now; undefined for any time. */
function endOf(options: TargetOptions): CommandEnd | undefined {
  const seconds = timeoutOf(options);
  return seconds === undefined ? undefined : endIn(seconds);
}
