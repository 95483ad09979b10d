/** The TUF clients of Python and Go, through everything that a repository goes through, and against everything that stands between. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../support/project-root.ts';
import { describeClients } from '../trust/tuf/support/attacks.ts';
import { scratchDirectory, type StockClient } from '../trust/tuf/support/repository.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

/** A program that is given URL, ROOT, CACHE and TARGET, and prints the target. */
function program(name: string, words: readonly string[], url: string, root: Uint8Array): StockClient {
  const scratch = scratchDirectory();
  const [rootFile, cache] = [join(scratch, 'root.json'), join(scratch, 'cache')];
  writeFileSync(rootFile, root);
  mkdirSync(cache);
  const [command = '', ...before] = words;
  return {
    name,
    fetch: async (target) =>
      run(command, [...before, url, rootFile, cache, target]).then(
        ({ stdout }) => stdout,
        (error: unknown) => {
          throw new Error((error as { stderr?: string }).stderr ?? 'it could not be run');
        },
      ),
  };
}

const JUDGES = [
  ['sigstore-python-4.5.1', [join(projectRoot, 'test/judges/tuf-python/judge.py')]],
  ['tuf-go-1.2.2', []],
] as const;

for (const [name, words] of JUDGES) {
  let found: string;
  describeClients(
    `judge: TUF client of ${name}`,
    (url, root) => [program(name, [found, ...words], url, root)],
    async (test) => {
      test.timeout(600_000);
      found = await needClient(test, name);
    },
  );
}
