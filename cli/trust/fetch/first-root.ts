import { hash } from 'node:crypto';
import { messageOf } from '../../../core/errors.ts';
import { parseStrictJson } from '../../../core/strict-json.ts';
import { CommandError } from '../../program/command.ts';
import type { BoundedFetcher } from './bounded-fetcher.ts';

/** How many older roots are looked through for one with the fingerprint: as many as one fetch can follow. */
const MAX_ROOTS = 256;

/** The root of the repository at `mirror` whose SHA-256 is `fingerprint`, hexadecimal: the newest, or one of before, from which the newest follows. Nothing
 * else of what the server says counts. Rejects with {@link CommandError}. */
export async function firstRoot(
  fetcher: BoundedFetcher,
  mirror: string,
  fingerprint: string,
): Promise<Uint8Array> {
  const newest = await fetcher.bytesOf(`${mirror}/root.json`);
  if (newest === undefined)
    throw new CommandError('FAILED', `there is no TUF repository at ${mirror}`, {
      hint: 'Name the base URL of the service, or of a repository.',
    });
  if (sha256(newest) === fingerprint) return newest;
  const last = versionIn(newest);
  const first = Math.max(1, last - MAX_ROOTS);
  for (let version = last - 1; version >= first; version--) {
    const root = await fetcher.bytesOf(`${mirror}/${version}.root.json`);
    if (root !== undefined && sha256(root) === fingerprint) return root;
  }
  if (first > 1)
    throw new CommandError(
      'REFUSED',
      `none of the last ${MAX_ROOTS + 1} roots at ${mirror} has this fingerprint, and older ones cannot be followed`,
      { hint: 'Ask the operator for the fingerprint of the newest root, over a channel that you trust.' },
    );
  throw new CommandError(
    'REFUSED',
    `the root at ${mirror} is another one: its SHA-256 is ${sha256(newest)}, not ${fingerprint}`,
    {
      hint: 'Do not trust it. Ask the operator for the fingerprint once more, over a channel that you trust.',
    },
  );
}

const sha256 = (bytes: Uint8Array): string => hash('sha256', bytes);

/** Not trusted: it only says how far to look. */
function versionIn(root: Uint8Array): number {
  try {
    const json = parseStrictJson(new TextDecoder().decode(root), { length: 1 << 20, depth: 12 });
    const { signed } = json as { signed?: { version?: unknown } };
    return Number.isSafeInteger(signed?.version) ? Number(signed?.version) : 0;
  } catch (error) {
    throw new CommandError('FAILED', `what is served as root.json is none: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
