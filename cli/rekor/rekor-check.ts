import { toBase64 } from '../../core/bytes.ts';
import { artifactLogsIn, type ArtifactLogPaths } from '../../instance/artifact-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { checkArtifactLog } from '../../rekor/check-artifact-log.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { findSearchFault } from '../log/search-file.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { apisOf, identityFacts, type ArtifactApiOptions } from './artifact-log-facts.ts';

interface CheckOptions extends ArtifactApiOptions {
  readonly data: string;
}

interface Verdict {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly line: string;
  readonly ok: boolean;
}

/** Reads every byte of the logs. Returns false when one is wrong; rejects when it cannot be judged. */
export async function check(options: CheckOptions, speak: Speaker): Promise<boolean> {
  const { paths } = await openDataDirectory(options.data);
  const logs = (await artifactLogsIn(paths)).filter(({ api }) => apisOf(options).includes(api));
  if (logs.length === 0) throw new CommandError('REFUSED', `${paths.root} has no such log of artifacts`);
  const verdicts: Verdict[] = [];
  for (const log of logs) verdicts.push(await verdictOn(log));
  const ok = verdicts.every((verdict) => verdict.ok);
  speak.answer({ ok, logs: verdicts.map(({ facts }) => facts) }, verdicts.map(({ line }) => line).join('\n'));
  return ok;
}

async function verdictOn({ name, api, directory }: ArtifactLogPaths): Promise<Verdict> {
  try {
    const { identity, size, root, redacted } = await checkArtifactLog(directory);
    const fault = await findSearchFault(directory, identity.logId);
    if (fault !== undefined) throw new LogError('LOG_CORRUPT', `${fault.where}: ${fault.message}`);
    const facts = { ok: true, name, ...identityFacts(identity), size, redacted, root: toBase64(root) };
    const without = redacted === 0 ? '' : `; ${redacted} redacted, proven by their hashes`;
    return {
      ok: true,
      facts,
      line: `ok: ${size} entries of ${identity.origin} agree with its head${without} (${name})`,
    };
  } catch (error) {
    if (!(error instanceof LogError) || !WRONG.has(error.code)) throw error;
    const facts = { ok: false, name, api: `v${api}`, problem: error.message };
    return { ok: false, facts, line: `WRONG: ${name}: ${error.message}` };
  }
}

/** What is the log's own fault, and not that of whom may read it. */
const WRONG: ReadonlySet<string> = new Set(['LOG_CORRUPT', 'LOG_ROLLED_BACK', 'LOG_MISSING']);
