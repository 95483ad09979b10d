/** The procedures of the documentation, for tests that follow them to the letter. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

/** The blocks of code in a section of docs/keys-and-backups.md, in their order; commands of several lines in one. */
export async function commandsOf(section: string): Promise<readonly string[]> {
  const text = await readFile(join(projectRoot, 'docs/keys-and-backups.md'), 'utf8');
  const [, said = ''] = new RegExp(`^## ${section}\\n([^]*?)(?:^## |$(?![^]))`, 'm').exec(text) ?? [];
  const blocks = [...said.matchAll(/^```\n([^]*?)^```$/gm)].map(([, block = '']) => block);
  return blocks.map((block) => block.replaceAll('\\\n', ' ').trim());
}
