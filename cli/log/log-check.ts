/** `mayfly log check`: every byte of a log against its head. */
import { toBase64 } from '../../core/bytes.ts';
import { checkAnchor } from '../../ct-log/check-anchor.ts';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { checkLog, type CheckOptions, type CheckResult } from '../../ct-log/check.ts';
import type { LogProblem } from '../../ct-log/check-failure.ts';
import type { DirectorySource } from '../../ct-log/directory-source.ts';
import { checkMirror } from '../../ct-log/mirror-log.ts';
import type { MirrorRecord } from '../../ct-log/mirror-record.ts';
import { WrongFile } from '../../ct-log/proven-tiles.ts';
import { findIdentitiesFault } from '../../ct-log/submission/entry-identities.ts';
import { TILE_LEAVES } from '../../ct-log/tile-leaves.ts';
import type { DerivedFault } from '../../tlog/derived-faults.ts';
import { tilePath } from '../../tlog/format/tile.ts';
import { readStorePlaces } from '../../tlog/store/store-places.ts';
import { readEntries } from '../../tlog/tree/entry-bundle.ts';
import type { Speaker } from '../program/command.ts';
import { headOf, type SeenHead } from './log-head.ts';
import { copyIn, openTarget, type LogTarget, type TargetOptions } from './log-target.ts';
import { isLogVerdict } from './log-verdict.ts';
import { findSearchFault } from './search-file.ts';
import { cosignersOf, readWitnessPolicy } from './witness-quorum.ts';

/** Returns false when the log is wrong; rejects when it cannot be judged. */
export async function check(options: TargetOptions, speak: Speaker): Promise<boolean> {
  const record = options.data === undefined ? undefined : await copyIn(options.data);
  if (options.data !== undefined && record?.bundle === 'entries')
    return checkCopy(options.data, record, options, speak);
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
  const anchor = log.directory === undefined ? undefined : await anchorLine(log.directory);
  if (anchor?.problem !== undefined) {
    const { where, message } = anchor.problem;
    speak.answer({ ok: false, origin, size, where, problem: message }, `WRONG: ${where}: ${message}`);
    return false;
  }
  const { entries, tiles, chainCertificates: issuers } = result;
  const summary = `${entries} entries, ${tiles} tiles and ${issuers} issuers of ${origin} agree with its head`;
  const { cosignedBy } = head;
  const facts = { ok: true, origin, size, root: toBase64(head.root), tiles, issuers, cosignedBy };
  const witnesses = cosignedBy === undefined ? '' : `; cosigned by ${cosignedBy.join(', ')}`;
  speak.answer(
    { ...facts, ...(anchor === undefined ? {} : { anchor: anchor.facts }) },
    [`ok: ${summary}${witnesses}`, ...(anchor === undefined ? [] : [`anchor: ${anchor.words}`])].join('\n'),
  );
  return true;
}

interface AnchorLine {
  readonly facts: Readonly<Record<string, unknown>> | null;
  readonly words: string;
  readonly problem: LogProblem | undefined;
}

/** What the directory's log is held to, so that a copy of it is noticed. */
async function anchorLine(directory: DirectorySource): Promise<AnchorLine> {
  const anchor = await checkAnchor(directory);
  if (anchor === undefined)
    return {
      facts: null,
      words: (await isInDatabase(directory.name))
        ? 'none (level database): the history is in a database, which notices another server in its place'
        : 'none: without witnesses, of copies of this log only files that were copied to another machine are noticed',
      problem: undefined,
    };
  const { mode, at, size, unanswered, problem } = anchor;
  const holds = size === undefined ? 'holds no head of this log' : `holds its head of ${size} entries`;
  const words = `${mode}, ${at} ${unanswered === undefined ? holds : `does not answer: ${unanswered}`}`;
  return { facts: { mode, at, size: size ?? null }, words, problem };
}

const isInDatabase = async (directory: string): Promise<boolean> =>
  (await readStorePlaces(directory)).commits !== undefined;

/** Of a mirror of a log whose entries are no certificates: what they are is not judged. */
async function checkCopy(
  data: string,
  record: MirrorRecord,
  { witnessPolicy }: TargetOptions,
  speak: Speaker,
): Promise<boolean> {
  const { origin } = record;
  const policy = await readWitnessPolicy(witnessPolicy);
  try {
    const { head, checkpoint, tiles, withheld } = await checkMirror(data, record, (entries) => {
      speak.progress(() => `checked ${entries} entries`);
    });
    const cosignedBy = policy === undefined ? undefined : cosignersOf(checkpoint, policy);
    const { size, root } = head;
    const more = withheld === 0 ? '' : `; ${withheld} entries are withheld, proven by their hashes`;
    speak.answer(
      { ok: true, origin, size, root: toBase64(root), tiles, withheld, cosignedBy },
      `ok: ${size} entries and ${tiles} tiles of ${origin} agree with its head${more}${cosignedBy === undefined ? '' : `; cosigned by ${cosignedBy.join(', ')}`}`,
    );
    return true;
  } catch (error) {
    if (!(error instanceof Error) || !isLogVerdict(error)) throw error;
    const where = error instanceof WrongFile ? error.path : 'checkpoint';
    speak.answer({ ok: false, origin, where, problem: error.message }, `WRONG: ${where}: ${error.message}`);
    return false;
  }
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
  const result = await checkDirectory(directory, progress);
  const { name, identity } = directory;
  if (!result.ok) return result;
  const fault = (await findSearchFault(name, identity.logId)) ?? (await identitiesFault(directory));
  return fault === undefined ? result : { ok: false, problem: fault };
}

const identitiesFault = (source: DirectorySource): Promise<DerivedFault | undefined> =>
  findIdentitiesFault(source.name, source.identity.logId, source.head.size, async (n, width) =>
    readEntries(TILE_LEAVES, await source.tile(tilePath({ level: 'data', n, width })), width),
  );

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
