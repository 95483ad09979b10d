/**
 * For tests of what a user may not do. Nothing is out of root's reach, and containers run tests as root: there such a
 * test takes the part of an ordinary user, the one that systems call nobody.
 */
import { spawnSync } from 'node:child_process';
import { chown, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';
import { skipUnless } from './skipped.ts';

/** A user and a group by number, as `child_process` takes them. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

const NOBODY: User = { uid: 65534, gid: 65534 };

/** Whom to run as so that rights count: undefined means that the user who runs the tests will do. */
export const ordinaryUser: User | undefined = process.getuid?.() === 0 ? NOBODY : undefined;

/** Skips `test`, aloud, where no program can be run as the ordinary user. */
export function needOrdinaryUser(test: Mocha.Context): void {
  const obstacle = whyNoOrdinaryUser();
  skipUnless(test, obstacle === undefined, obstacle ?? '');
}

function whyNoOrdinaryUser(): string | undefined {
  const script = `require('node:fs').accessSync(${JSON.stringify(join(projectRoot, 'package.json'))})`;
  const { status, error, stderr } = spawnSync(process.execPath, ['-e', script], {
    ...ordinaryUser,
    encoding: 'utf8',
  });
  if (status === 0) return undefined;
  return `a program cannot run as user ${ordinaryUser?.uid ?? 'of the tests'}: ${error?.message ?? stderr}`;
}

/** Makes `path` and everything below it belong to the ordinary user. */
export async function giveToOrdinaryUser(path: string): Promise<void> {
  if (ordinaryUser === undefined) return;
  const { uid, gid } = ordinaryUser;
  const below = await readdir(path, { recursive: true });
  for (const each of [path, ...below.map((name) => join(path, name))]) await chown(each, uid, gid);
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** What a call threw. */
export interface Thrown {
  readonly code: string;
  readonly message: string;
}

/** Calls `name` of the project's module `path` (no extension) with `args`, as the ordinary user in a process of its
 * own: not even `seteuid` changes the user that `access` asks about. Answers what it threw, undefined for nothing. */
export function refusalAsOrdinaryUser(
  path: string,
  name: string,
  ...args: readonly unknown[]
): Thrown | undefined {
  const url = new URL(`../../${path}.${extension}`, import.meta.url).href;
  const script = `import(${JSON.stringify(url)})
    .then((module) => module[${JSON.stringify(name)}](...${JSON.stringify(args)}))
    .then(() => ({}), ({ code, message }) => ({ thrown: { code, message } }))
    .then((result) => console.log(JSON.stringify(result)))`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    ...ordinaryUser,
    encoding: 'utf8',
  });
  if (stdout === '') throw new Error(stderr);
  return (JSON.parse(stdout) as { thrown?: Thrown }).thrown;
}
