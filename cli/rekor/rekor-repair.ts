/** `mayfly rekor repair`: what is damaged of the logs of artifacts is put right. */
import { join } from 'node:path';
import { artifactLogsIn } from '../../instance/artifact-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { dataPaths } from '../../instance/data-paths.ts';
import { repairArtifactLog } from '../../rekor/repair-artifact-log.ts';
import { directorySource } from '../../tlog/repair.ts';
import { factsOf, progressTo, textOf } from '../log/log-repair.ts';
import { isOneLog } from '../log/log-target.ts';
import { findSearchFault } from '../log/search-file.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { apisOf, type ArtifactApiOptions } from './artifact-log-facts.ts';

interface RepairOptions extends ArtifactApiOptions {
  readonly data: string;
  readonly from?: string;
  readonly write?: boolean;
}

/** Returns false when something is damaged and was not put right; rejects when nothing of a log can be derived at all. */
export async function repair(options: RepairOptions, speak: Speaker): Promise<boolean> {
  const { paths } = await openDataDirectory(options.data);
  const isWriting = options.write === true;
  const logs = (await artifactLogsIn(paths)).filter(({ api }) => apisOf(options).includes(api));
  if (logs.length === 0) throw new CommandError('REFUSED', `${paths.root} has no such log of artifacts`);
  const facts: Record<string, unknown>[] = [];
  const texts: string[] = [];
  for (const { name, directory } of logs) {
    const report = await repairArtifactLog(directory, {
      others:
        options.from === undefined
          ? []
          : [directorySource(await copyOf(options.from, name), 'the copy', 'entries')],
      alsoDerived: (logId) => findSearchFault(directory, logId),
      isWriting,
      progress: progressTo(speak),
    });
    facts.push({ name, ...factsOf(report.identity.origin, report) });
    texts.push(textOf(report.identity.origin, report, isWriting));
  }
  const ok = facts.every((one) => one['ok'] === true);
  speak.answer({ ok, logs: facts }, texts.join('\n'));
  return ok;
}

/** The directory of that log in a copy, which is a data directory or that of the log itself. */
async function copyOf(from: string, name: string): Promise<string> {
  return (await isOneLog(from)) ? from : join(dataPaths(from).artifacts, name);
}
