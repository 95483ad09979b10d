/** Machines that commands think they run on. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Writes into `folder` what shows a process another machine, with that id in /etc/machine-id and systemd, or a container without one; resolves with the environment for the process. */
export function machineEnvironment(folder: string, id: string | undefined): Readonly<Record<string, string>> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `machine-${id ?? 'container'}.mjs`);
  writeFileSync(
    file,
    `import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const id = ${JSON.stringify(id ?? null)};
const { existsSync, readFileSync } = fs;
const marks = ['/run/systemd/container', '/.dockerenv', '/run/.containerenv', '/run/machine-id'];
fs.existsSync = (path) => path === '/run/systemd/system' ? id !== null : marks.includes(path) ? id === null : existsSync(path);
fs.readFileSync = (path, ...rest) => path === '/etc/machine-id' ? id + '\\n' : readFileSync(path, ...rest);
syncBuiltinESMExports();
`,
  );
  return { NODE_OPTIONS: `--import=${pathToFileURL(file).href}` };
}
