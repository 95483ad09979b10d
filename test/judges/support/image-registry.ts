/** A registry of images that crane serves, and images in it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../../bench/free-port.ts';

const run = promisify(execFile);

/** A running registry. */
export interface ImageRegistry {
  /** Pushes a new image; returns its reference by digest. */
  push(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts it with crane's program; its images lie in memory. */
export async function startRegistry(crane: string, scratch: string): Promise<ImageRegistry> {
  const host = `127.0.0.1:${await freePort()}`;
  const child = spawn(crane, ['registry', 'serve', '--address', host], { stdio: 'ignore' });
  const ended = once(child, 'close');
  while (!(await isUp(host))) await Promise.race([setTimeout(50), ended]);
  return {
    push: async (name) => {
      const file = join(scratch, `${name}.txt`);
      await writeFile(file, `image ${name}`);
      const layer = join(scratch, `${name}.tar`);
      await run('tar', ['-cf', layer, '-C', scratch, `${name}.txt`]);
      const { stdout } = await run(crane, ['append', '--new_layer', layer, '--new_tag', `${host}/${name}:1`]);
      return stdout.trim();
    },
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}

const isUp = (host: string): Promise<boolean> =>
  fetch(`http://${host}/v2/`).then(
    ({ ok }) => ok,
    () => false,
  );
