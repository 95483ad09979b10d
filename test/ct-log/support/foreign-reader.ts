import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const READ = `
  const { DatabaseSync } = require('node:sqlite');
  const db = new DatabaseSync(process.argv[1], { readOnly: true });
  console.log(db.prepare('SELECT size FROM head').get().size);
  process.stdin.resume().on('end', () => process.exit());
`;

/** Another process that has a commit store open, as a `sqlite3` shell has: it reads nothing and holds no transaction. */
export interface ForeignReader {
  /** The entries that it saw. */
  readonly size: number;
  /** Ends it. */
  close(): Promise<void>;
}

/** Opens the database at `path` in a process of its own, and returns when that has read from it. */
export async function foreignReader(path: string): Promise<ForeignReader> {
  const child = spawn(process.execPath, ['--no-warnings', '-e', READ, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    size: Number(line),
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
