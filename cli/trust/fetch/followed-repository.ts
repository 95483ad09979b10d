/** A TUF repository, followed by its rules. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Updater } from 'tuf-js';
import { printable } from '../../../core/printable.ts';
import { parseMetadata, requireDistinctSigners } from '../../../trust/tuf/metadata.ts';
import { CommandError } from '../../program/command.ts';
import type { BoundedFetcher } from './bounded-fetcher.ts';
import { refusal } from './fetch-refusal.ts';
import { STATE } from './fetched-directory.ts';

/** The name of the folder of targets. */
export const TARGETS = 'targets';

/** Names of targets that may be names of files. */
const NAME = /^[A-Za-z0-9][\w.-]{0,127}$/;

/** Where an updater works: the metadata that it begins from, and below {@link TARGETS} what it gets. */
export interface FollowWork {
  readonly scratch: string;
  readonly mirror: string;
  readonly fetcher: BoundedFetcher;
}

/** Follows the repository at `mirror` by the rules of TUF and gets every target: name → bytes. Rejects with {@link CommandError}. */
export async function followRepository({
  scratch,
  mirror,
  fetcher,
}: FollowWork): Promise<ReadonlyMap<string, Uint8Array>> {
  try {
    const updater = new Updater({
      metadataDir: scratch,
      metadataBaseUrl: mirror,
      targetDir: join(scratch, TARGETS),
      targetBaseUrl: `${mirror}/${TARGETS}`,
      fetcher,
    });
    const first = await readFile(join(scratch, 'root.json'));
    await updater.refresh();
    requireDistinctSigners(first, fetcher.roots);
    // Before anything is written: what this program cannot read, it could not follow from the next time.
    for (const role of ['root', 'snapshot', 'timestamp'] as const)
      parseMetadata(role, await readFile(join(scratch, `${role}.json`)));
    const targets = parseMetadata('targets', await readFile(join(scratch, 'targets.json'))).signed.targets;
    const names = Object.keys(targets);
    for (const name of names) {
      if (!NAME.test(name) || name.toLowerCase() === STATE) throw badName(mirror, name);
      const info = await updater.getTargetInfo(name);
      if (info === undefined) throw new Error(`there is no target ${name}`);
      await updater.downloadTarget(info, join(scratch, TARGETS, name));
    }
    return await targetsIn(scratch, names);
  } catch (error) {
    throw fetcher.fault ?? refusal(error, mirror);
  }
}

const badName = (mirror: string, name: string): CommandError =>
  new CommandError(
    'REFUSED',
    `the repository at ${mirror} is refused: "${printable(name.slice(0, 80))}" is a name that no file may have`,
    { hint: 'Nothing was changed. Ask the operator, over a channel that you trust.' },
  );

async function targetsIn(
  scratch: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const targets = new Map<string, Uint8Array>();
  for (const name of names) targets.set(name, await readFile(join(scratch, TARGETS, name)));
  return targets;
}
