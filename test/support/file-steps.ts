import { constants, cpSync, type PathLike } from 'node:fs';
import fs from 'node:fs';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { relative } from 'node:path';

/** Called after each step, while `work` waits. */
type AfterStep = (step: string) => void;

/**
 * What is done below `root` while `work` runs, each when it is done: `mkdir a`, `create a`, `write a`, `sync a`,
 * `rename a b`, and what `work` says with `mark`. A part of a name that differs each time is `*`. What SQLite does is not
 * seen, nor what is done with files that were opened before. Steps are made one at a time, so that each leaves the directory as a process does that is killed after it.
 */
export async function fileSteps(
  root: string,
  work: (mark: (text: string) => void) => unknown,
  afterStep: AfterStep = () => undefined,
): Promise<string[]> {
  const steps: string[] = [];
  const note = (act: string, ...paths: PathLike[]): void => {
    const names = paths.map((path) => relative(root, String(path)).replace(RANDOM, '*') || '.');
    if (names.some((name) => name.startsWith('..'))) return;
    const step = [act, ...names].join(' ');
    steps.push(step);
    afterStep(step);
  };
  const alone = oneAtATime();
  const restore = [await watchHandles(root, note, alone), watchNames(note, alone)];
  syncBuiltinESMExports();
  try {
    await work((text) => steps.push(text));
    return steps;
  } finally {
    for (const undo of restore) undo();
    syncBuiltinESMExports();
  }
}

/** Does `work`; returns copies of the directory `root`, which lie at `copyAt`, as it was after each of its {@link fileSteps}. A process that is killed leaves one of them. */
export async function copiesAfterSteps(
  root: string,
  copyAt: (count: number) => string,
  work: () => Promise<unknown>,
): Promise<[step: string, copy: string][]> {
  const copies: [string, string][] = [];
  await fileSteps(root, work, (step) => {
    const copy = copyAt(copies.length);
    cpSync(root, copy, { recursive: true });
    copies.push([step, copy]);
  });
  if (copies.length <= 5) throw new Error(`no more than ${copies.length} steps were seen`);
  return copies;
}

/** Does one step after the other, those that are begun at once, too. */
function oneAtATime(): <T>(step: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (step) => {
    const done = last.then(step, step);
    last = done;
    return done;
  };
}

type Alone = ReturnType<typeof oneAtATime>;

/** Random letters of temporary files and of directories being made, and the time in the name of rotated files. */
const RANDOM = /[0-9a-f]{12}(?=\.tmp$)|(?<=^(?:.*\/)?\.\w+-)\w{6}(?=\/|$)|\d{8}T\d{9}Z/g;

type Note = (act: string, ...paths: PathLike[]) => void;

const replace = (target: object, changes: object): (() => void) => {
  const before = Object.fromEntries(Object.keys(changes).map((name) => [name, Reflect.get(target, name)]));
  Object.assign(target, changes);
  return () => {
    Object.assign(target, before);
  };
};

function watchNames(note: Note, alone: Alone): () => void {
  const { open, mkdir, rename } = promises;
  const { openSync, fsyncSync } = fs;
  const descriptors = new Map<number, PathLike>();
  const undo = [
    replace(promises, {
      open: (path: PathLike, flags: string | number = 'r', ...more: [number?]) =>
        alone(async () => {
          const handle = await open(path, flags, ...more);
          PATHS.set(handle, path);
          if (flags === 'wx' || (typeof flags === 'number' && (flags & constants.O_CREAT) !== 0))
            note('create', path);
          return handle;
        }),
      mkdir: (path: PathLike, ...more: []) =>
        alone(async () => {
          await mkdir(path, ...more);
          note('mkdir', path);
        }),
      rename: (from: PathLike, to: PathLike) =>
        alone(async () => {
          await rename(from, to);
          note('rename', from, to);
        }),
    }),
    replace(fs, {
      openSync: (path: PathLike, ...more: [string]) => {
        const descriptor = openSync(path, ...more);
        descriptors.set(descriptor, path);
        return descriptor;
      },
      fsyncSync: (descriptor: number) => {
        fsyncSync(descriptor);
        note('sync', descriptors.get(descriptor) ?? '');
      },
    }),
  ];
  return () => {
    for (const one of undo) one();
  };
}

const PATHS = new WeakMap<FileHandle, PathLike>();

async function watchHandles(root: string, note: Note, alone: Alone): Promise<() => void> {
  const handle = await promises.open(root, 'r');
  await handle.close();
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  const noted = (act: string, method: 'writeFile' | 'write' | 'sync' | 'datasync'): unknown => {
    const own = Reflect.get(prototype, method) as (...words: unknown[]) => Promise<unknown>;
    return function (this: FileHandle, ...words: unknown[]) {
      return alone(async () => {
        const result = await own.apply(this, words);
        const path = PATHS.get(this);
        if (path !== undefined) note(act, path);
        return result;
      });
    };
  };
  return replace(prototype, {
    writeFile: noted('write', 'writeFile'),
    write: noted('write', 'write'),
    sync: noted('sync', 'sync'),
    datasync: noted('sync', 'datasync'),
  });
}
