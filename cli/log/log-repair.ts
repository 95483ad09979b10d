/** `mayfly log repair`, and what `mayfly rekor repair` has in common with it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { repairCtLog } from '../../ct-log/repair-log.ts';
import { dataPaths } from '../../instance/data-paths.ts';
import { LogReadError } from '../../tlog/core/log-error.ts';
import { directorySource, type RepairItem, type RepairReport } from '../../tlog/repair.ts';
import type { FileSource } from '../../tlog/tree/tile-survey.ts';
import type { Speaker } from '../program/command.ts';
import { isOneLog, logDirectory, urlSource, type LogNameOptions } from './log-target.ts';
import { findSearchFault } from './search-file.ts';

/** Options of the command. */
export interface RepairCommandOptions extends LogNameOptions {
  readonly data: string;
  readonly from?: string;
  readonly accessTokenFile?: string;
  readonly write?: boolean;
}

/** Returns false when something is damaged and was not put right; rejects when nothing can be derived at all. */
export async function repair(options: RepairCommandOptions, speak: Speaker): Promise<boolean> {
  const directory = await logDirectory(options.data, options);
  const report = await repairCtLog(directory, {
    others: options.from === undefined ? [] : [await copyOf(options.from, options)],
    certificates: await chainsIn(options.data),
    alsoDerived: (logId) => findSearchFault(directory, logId),
    isWriting: options.write === true,
    progress: progressTo(speak),
  });
  const { origin } = report.identity;
  speak.answer(factsOf(origin, report), textOf(origin, report, options.write === true));
  return report.left.length === 0;
}

/** For logs that take long. */
export const progressTo =
  (speak: Speaker): ((entries: number, size: number) => void) =>
  (entries, size) => {
    speak.progress(() => `looked at ${entries} of ${size} entries`);
  };

/** A copy of the log: its directory, a data directory that has it, an export or a mirror, or what a service or a web server has at a URL. */
async function copyOf(from: string, options: RepairCommandOptions): Promise<FileSource> {
  if (!/^https?:\/\//.test(from)) {
    const directory = (await isOneLog(from)) ? from : await logDirectory(from, options).catch(() => from);
    return directorySource(directory, 'the copy', 'data');
  }
  const { accessTokenFile, log } = options;
  const { source } = await urlSource(from, {
    ...(accessTokenFile === undefined ? {} : { accessTokenFile }),
    ...(log === undefined ? {} : { log }),
  });
  return {
    name: 'the copy',
    get: async (path) => {
      try {
        return await source.get(path);
      } catch (error) {
        if (error instanceof LogReadError && error.code === 'NOT_FOUND') return undefined;
        throw error;
      }
    },
  };
}

/** The certificates of the CA, in force and before; none where the directory is that of the log alone. */
async function chainsIn(data: string): Promise<readonly Uint8Array[]> {
  const { chain, formerChains } = dataPaths(data);
  const former = await readdir(formerChains).catch(() => []);
  const texts = await Promise.all(
    [chain, ...former.map((name) => join(formerChains, name))].map((path) =>
      readFile(path, 'utf8').catch((error: unknown) => {
        if (systemCode(error) === undefined) throw error;
        return '';
      }),
    ),
  );
  return texts.flatMap((text) => decodePem(text).map(({ bytes }) => bytes));
}

/** What `--json` prints of one log. */
export const factsOf = (
  origin: string,
  { size, items, left, asideIn }: RepairReport,
): Record<string, unknown> => ({
  ok: left.length === 0,
  origin,
  size,
  damaged: items.map((item) => shown(item, left)),
  ...(items.length > left.length ? { asideIn } : {}),
});

const shown = ({ path, kind, message, remedy, from }: RepairItem, left: readonly RepairItem[]): unknown => ({
  path,
  kind,
  message,
  remedy,
  ...(from === undefined ? {} : { from }),
  isRepaired: !left.some((one) => one.path === path),
});

/** What a person reads of one log. */
export function textOf(
  origin: string,
  { size, items, left, asideIn }: RepairReport,
  isWriting: boolean,
): string {
  if (items.length === 0) return `ok: nothing of the ${size} entries of ${origin} is damaged`;
  const lines = items.map((item) => `${item.path} ${item.message}\n  ${remedyOf(item, isWriting, left)}`);
  const isAll = left.length === 0;
  const end = isWriting
    ? `${isAll ? 'Everything' : 'What could be'} was put right. What was damaged is kept in ${asideIn} inside the log's directory; remove it when all is well.`
    : 'Nothing was written. Stop the service, then give the same command with --write.';
  return [`${items.length} of the files of ${origin} are damaged:`, ...lines, end].join('\n');
}

function remedyOf(
  { path, remedy, from = '' }: RepairItem,
  isWriting: boolean,
  left: readonly RepairItem[],
): string {
  const isDone = isWriting && !left.some((one) => one.path === path);
  if (remedy === 'write') return isDone ? `put right from ${from}` : `can be put right from ${from}`;
  if (remedy === 'renew')
    return isDone ? 'set aside: the service makes it anew' : 'can be set aside: the service makes it anew';
  return 'nothing here says what it was: restore it from a copy of the log, or give a copy with --from';
}
