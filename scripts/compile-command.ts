/** The compiled code of the bundles of commands, as `bin/mayfly.js` takes it. */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** Of the engine, in a process that serves. Plain JavaScript, which the compiler has no types of. */
const { SHUT, TUNED } = (await import(new URL('../bin/flags.js', import.meta.url).href)) as {
  readonly SHUT: string;
  readonly TUNED: readonly string[];
};

/** Files that the samples read. */
export const SAMPLES = join(import.meta.dirname, 'samples');

/** A run of a command, whose code is kept: of what such a run calls, and no other. */
interface Sample {
  readonly words: readonly string[];
  /** Of the engine, in each run of the command: the code is of these. */
  readonly flags: readonly string[];
  /** Called when it is over. */
  readonly end: () => void;
}

/** Makes the sample of each command that has one. Of every other command the code of all functions is kept. */
const MAKERS: Readonly<Record<string, (program: string) => Sample>> = { verify, serve };

function verify(): Sample {
  const file = (name: string): string => join(SAMPLES, 'verify', name);
  const words = [
    ...['verify', 'bundle', file('bundle.json'), '--artifact', file('artifact')],
    ...['--trusted-root', file('trusted_root.json'), '--any-identity'],
  ];
  return { words, flags: [], end: () => undefined };
}

/** A service with all that `mayfly init` makes, which is asked to end as soon as it is ready. */
function serve(program: string): Sample {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-build-'));
  const data = join(folder, 'data');
  const made = ['--data', data, '--origin', '127.0.0.1/log/build', '--keep-root-key'];
  execFileSync(process.execPath, [program, 'init', ...made], { stdio: ['ignore', 'ignore', 'pipe'] });
  copyFileSync(join(SAMPLES, 'serve/config.yaml'), join(data, 'config.yaml'));
  const anywhere = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
  return {
    words: ['serve', '--data', data, ...anywhere, '--json'],
    flags: [...TUNED, SHUT],
    end: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Writes the code of the bundle `file` of that command beside it, by `program`, the launcher. Rejects with what the command said where its sample fails. */
export async function compileCommand(command: string, file: string, program: string): Promise<void> {
  const sample = MAKERS[command]?.(program);
  try {
    await compiled(file, sample);
  } finally {
    sample?.end();
  }
}

/** In a process with the flags that a run of the program has. */
async function compiled(file: string, sample: Sample | undefined): Promise<void> {
  const module = new URL('../bin/compiled.js', import.meta.url).href;
  const given = JSON.stringify(sample === undefined ? [file] : [file, sample.words]);
  const script = `import { compile } from ${JSON.stringify(module)}; await compile(...${given});`;
  const words = [...(sample?.flags ?? []), '--input-type=module', '-e', script];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  // What serves says so, and runs until it is asked to end.
  child.stdout.on('data', (said: Buffer) => {
    if (said.includes('"ready"')) child.kill('SIGTERM');
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const complaint = await text(child.stderr);
  const status = await ended;
  if (status !== 0) throw new Error(`${file} cannot be compiled (${String(status)}): ${complaint}`);
}
