/** `mayfly dev` as a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { cliWords } from './run-cli.ts';

/** The first line of `mayfly dev --json`. */
export interface ReadyLine {
  readonly event: 'ready';
  readonly url: string;
  readonly metricsUrl: string;
  readonly logUrl: string;
  readonly issuerUrl: string;
}

/** A running child. */
export interface DevInstance extends ReadyLine {
  readonly data: string;
  readonly child: ChildProcess;
  /** What it said on stderr so far. */
  stderr(): string;
  /** Asks it to end; the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts it on free ports with the directory `data`, and waits until it is ready. `words` are the words of the
 * runtime before the options, by default this code. Rejects with what it said when it ends instead. */
export async function startDevInstance(
  data: string,
  more: readonly string[] = [],
  words: readonly string[] = cliWords([]),
): Promise<DevInstance> {
  const ports = [
    '--listen',
    '127.0.0.1:0',
    '--issuer-listen',
    '127.0.0.1:0',
    '--metrics-listen',
    '127.0.0.1:0',
  ];
  const child = spawn(process.execPath, [...words, 'dev', ...ports, '--data', data, '--json', ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), ended.then(() => undefined)]);
  const line = first?.[0] as string | undefined;
  const ready = line === undefined ? undefined : (JSON.parse(line) as Partial<ReadyLine>);
  if (ready?.event !== 'ready') {
    await ended;
    throw new Error(`mayfly dev is not ready: ${line ?? ''} ${stderr}`);
  }
  return {
    ...(ready as ReadyLine),
    data,
    child,
    stderr: () => stderr,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return ((await ended) as [number | null])[0];
    },
  };
}
