import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ConfigError } from './config-error.ts';
import { joinParts, type LoadPart } from './load-parts.ts';
import type { LoadedConfig } from './load.ts';

/** What Node before 22.18 needs to run sources. */
const FOR_SOURCES: readonly string[] = ['--experimental-strip-types', '--experimental-transform-types'];

/** How much the process gives way to the one that answers requests, where both want the same core: it gets about a
 * tenth. Much less would let a busy service wait for a rule that denies. */
const NICENESS = 10;

/** As `loadConfig`, in a process of its own: a big file takes a second of a core, and requests would have to wait for
 * it. A thread would not do: what the engine compiles and collects for it is done by threads of the whole process,
 * which have as much right to the core as the one that answers. And a file that eats all memory of a process of its own
 * ends no service. Throws {@link ConfigError}. */
export async function loadConfigApart(path: string): Promise<LoadedConfig> {
  const child = start(path);
  try {
    const ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the process that loads ${path} ended with ${String(code ?? signal)}`);
    });
    ended.catch(() => undefined);
    const next = async (): Promise<LoadPart> => {
      // Reading a part takes a while too: those who ask get their turn in between.
      await delay(1);
      child.send('next');
      const [part] = (await Promise.race([once(child, 'message'), ended])) as [LoadPart];
      return part;
    };
    return await joinParts(next, (code, problems) => new ConfigError(code, path, problems));
  } finally {
    child.kill('SIGKILL');
  }
}

function start(path: string): ChildProcess {
  // The compiler rewrites imports but not URLs. The process's own flags (an inspector's port) are not for this one.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const forSources = extension === 'ts' ? process.execArgv.filter((flag) => FOR_SOURCES.includes(flag)) : [];
  const env = { ...process.env, NODE_OPTIONS: '' };
  // In the same session: Linux may weigh sessions against each other, whatever the priorities in them.
  const child = fork(fileURLToPath(new URL(`./load-process.${extension}`, import.meta.url)), [path], {
    // The engine's helpers would have the priority of this process.
    execArgv: [...forSources, '--single-threaded'],
    env,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  // What it sends when nobody listens any more is no reason to end.
  child.on('error', () => undefined);
  giveWay(child);
  return child;
}

/** Before it has threads: they get the priority that it has then. */
function giveWay({ pid }: ChildProcess): void {
  // It could not be started, and will say so.
  if (pid === undefined) return;
  try {
    setPriority(pid, NICENESS);
  } catch {
    // Where the system does not allow that, the reload is only less polite.
  }
}
