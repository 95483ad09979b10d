/** The commands of a page of the documentation, run as they stand there. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { projectRoot } from './project-root.ts';

const isBuilt = import.meta.url.endsWith('.js');
const entry = fileURLToPath(new URL(`cli-entry.${isBuilt ? 'js' : 'ts'}`, import.meta.url));

/** The blocks of commands in a section of `docs/PAGE`, in their order, also those of a list. */
export async function documentedBlocks(page: string, section: string): Promise<readonly string[]> {
  const text = await readFile(join(projectRoot, 'docs', page), 'utf8');
  const [, body = ''] = text.split(`\n## ${section}\n`);
  const [said = ''] = body.split('\n## ');
  return [...said.matchAll(/^ *```(?:sh)?\n([^]*?)^ *```$/gm)].map(([, block = '']) =>
    block.replaceAll(/^ +/gm, ''),
  );
}

/** Runs a block in a shell in `cwd`, with other values in the place of those of the page. Rejects with what a command printed that
 * failed. */
export async function runBlock(
  block: string,
  cwd: string,
  values: Readonly<Record<string, string>> = {},
): Promise<string> {
  let text = block;
  for (const [said, value] of Object.entries(values)) text = text.replaceAll(said, value);
  const shell = `mayfly() { "$MAYFLY_NODE" "$MAYFLY_ENTRY" "$@"; }\n${text}`;
  const env = { PATH: process.env['PATH'], HOME: cwd, MAYFLY_NODE: process.execPath, MAYFLY_ENTRY: entry };
  const { stdout } = await promisify(execFile)('/bin/sh', ['-ec', shell], { cwd, env });
  return stdout;
}
