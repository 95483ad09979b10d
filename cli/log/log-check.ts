/** `mayfly log check`: every byte of a log against its head. */
import { toBase64 } from '../../core/bytes.ts';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { checkLog, type CheckOptions, type CheckResult } from '../../ct-log/check.ts';
import type { LogProblem } from '../../ct-log/check-failure.ts';
import type { Speaker } from '../program/command.ts';
import { headOf, type SeenHead } from './log-head.ts';
import { openTarget, type LogTarget, type TargetOptions } from './log-target.ts';
import { isLogVerdict } from './log-verdict.ts';

/** Returns false when the log is wrong; rejects when it cannot be judged. */
export async function check(options: TargetOptions, speak: Speaker): Promise<boolean> {
  const opened = await openChecked(options, speak);
  if ('problem' in opened) {
    const { where, message } = opened.problem;
    speak.answer({ ok: false, where, problem: message }, `WRONG: ${where}: ${message}`);
    return false;
  }
  const { log, head } = opened;
  const result = await runCheck(log, head, progressTo(speak, head.size));
  const { origin, size } = head;
  if (!result.ok) {
    const { where, message } = result.problem;
    speak.answer({ ok: false, origin, size, where, problem: message }, `WRONG: ${where}: ${message}`);
    return false;
  }
  const { entries, tiles, chainCertificates: issuers } = result;
  const summary = `${entries} entries, ${tiles} tiles and ${issuers} issuers of ${origin} agree with its head`;
  speak.answer({ ok: true, origin, size, root: toBase64(head.root), tiles, issuers }, `ok: ${summary}`);
  return true;
}

/** The log and its head; what is wrong with these already is found, too. */
async function openChecked(
  options: TargetOptions,
  speak: Speaker,
): Promise<{ log: LogTarget; head: SeenHead } | { problem: LogProblem }> {
  let where = options.url ?? options.data ?? '';
  try {
    const log = await openTarget(options, speak);
    where = 'checkpoint';
    return { log, head: await headOf(log) };
  } catch (error) {
    if (error instanceof Error && isLogVerdict(error)) return { problem: { where, message: error.message } };
    throw error;
  }
}

async function runCheck(
  log: LogTarget,
  head: SeenHead,
  progress: CheckOptions['progress'],
): Promise<CheckResult> {
  const { directory, source } = log;
  if (directory === undefined) {
    return checkLog(source, { head, headName: 'checkpoint', sctExtensions: undefined, progress });
  }
  return checkDirectory(directory, progress);
}

/** For logs that take long. */
function progressTo(speak: Speaker, size: number): (entries: number) => void {
  const started = Date.now();
  return (entries) => {
    speak.progress(() => {
      const left = Math.round(((Date.now() - started) / entries) * (size - entries) * 0.001);
      return `checked ${entries} of ${size} entries, about ${left} s to go`;
    });
  };
}
