import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { rfc3339 } from '../../core/clock.ts';
import { isMissing, readWhole } from '../../storage/read-whole.ts';
import { endOf, parseMetadata, type AnyMetadata } from '../../trust/tuf/metadata.ts';
import { readRepository } from '../../trust/tuf/repository.ts';
import { ROLES, type RoleName } from '../../trust/tuf/roles.ts';

/** When metadata of TUF ends. */
export interface TufEnd {
  readonly role: RoleName;
  readonly version: number;
  /** RFC 3339. */
  readonly end: string;
}

/** When the metadata in `directory` ends: of a data directory what it serves, of one of `mayfly trust fetch` what it saw last. Empty where there is none.
 * Rejects with TufError where it cannot be read. */
export async function tufEnds(directory: string): Promise<readonly TufEnd[]> {
  const folder = join(directory, 'tuf');
  const isThere = await stat(join(folder, 'timestamp.json')).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isThere) return [];
  const isFetched = !(await isMissing(join(folder, 'targets.json')));
  const repository = isFetched ? undefined : await readRepository(folder);
  const ends: TufEnd[] = [];
  for (const role of ROLES) {
    const metadata = repository?.[role] ?? (await readRole(folder, role));
    if (metadata !== undefined)
      ends.push({ role, version: metadata.signed.version, end: rfc3339(endOf(metadata)) });
  }
  return ends;
}

/** More than clients take of one file. */
const LIMIT = 500_000;

async function readRole(folder: string, role: RoleName): Promise<AnyMetadata | undefined> {
  const file = join(folder, `${role}.json`);
  return (await isMissing(file)) ? undefined : parseMetadata(role, await readWhole(file, { size: LIMIT }));
}
