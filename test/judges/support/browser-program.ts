/** A program that clients start as the user's browser: it leaves the address that it was given in a file. */
import type { ChildProcess } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** It, ready to be started. */
export interface BrowserProgram {
  /** For the variable BROWSER. */
  readonly path: string;
  /** The address that the client started it with; rejects when the client ends before. */
  address(client: ChildProcess): Promise<string>;
}

/** Writes it into the folder. */
export async function browserProgram(folder: string): Promise<BrowserProgram> {
  const [path, opened] = [join(folder, 'browser'), join(folder, 'opened')];
  await writeFile(path, `#!/bin/sh\nprintf %s "$1" >'${opened}.new' && mv '${opened}.new' '${opened}'\n`);
  await chmod(path, 0o755);
  return {
    path,
    address: async (client) => {
      while (client.exitCode === null) {
        const address = await readFile(opened, 'utf8').catch(() => '');
        if (address !== '') return address;
        await setTimeout(50);
      }
      throw new Error('the client ended without a browser');
    },
  };
}
