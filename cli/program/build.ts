/** What this program is: its version, the commit that it was built from, and the runtime under it. */
import { readFileSync } from 'node:fs';
import { VERSION } from '../../core/version.ts';

/** For machines; `commit` has 40 hexadecimal digits, and ends in `-dirty` when it was built from a changed tree. It is
 * null when nobody knows: run from its sources, or built outside of a checkout of git. */
interface Build {
  readonly version: string;
  readonly commit: string | null;
  readonly runtime: { readonly name: 'node'; readonly version: string };
}

/** Reads what `npm run build` left beside the program. */
export function readBuild(file = new URL('../../build.json', import.meta.url)): Build {
  return {
    version: VERSION,
    commit: commitIn(file),
    runtime: { name: 'node', version: process.versions.node },
  };
}

function commitIn(file: URL): string | null {
  try {
    const { commit } = JSON.parse(readFileSync(file, 'utf8')) as { commit?: unknown };
    return typeof commit === 'string' && /^[0-9a-f]{40}(-dirty)?$/.test(commit) ? commit : null;
  } catch {
    return null;
  }
}

/** One line for people: `mayfly 1.2.3 (commit 0123abc, Node 24.21.0)`. */
export function buildLine({ version, commit, runtime }: Build): string {
  const short = commit?.replace(/^(.{7})[^-]*/, '$1') ?? 'unknown';
  return `mayfly ${version} (commit ${short}, Node ${runtime.version})`;
}
