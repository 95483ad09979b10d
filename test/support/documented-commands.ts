import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

/** The lines of the code blocks below a heading of a page of docs, up to the next heading of any level. Throws when there is no such
 * heading. */
export async function documentedCommands(page: string, heading: string): Promise<readonly string[]> {
  const text = await readFile(join(projectRoot, 'docs', page), 'utf8');
  const [, section] = text.split(`\n${heading}\n`);
  if (section === undefined) throw new Error(`${page} has no heading "${heading}"`);
  const [body = ''] = section.split(/^#+ /m);
  return body
    .split(/^```$/m)
    .filter((_, at) => at % 2 === 1)
    .flatMap((block) => block.trim().split('\n'));
}
