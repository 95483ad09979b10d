import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PRESETS } from '../../../config/presets/all.ts';
import { presetSection } from '../../../config/presets/preset-docs.ts';
import { projectRoot } from '../../support/project-root.ts';

/** Without what the formatter does to tables and emphasis. */
const plain = (markdown: string): string => markdown.replace(/ +/g, ' ').replace(/-{3,}/g, '---').trim();

describe('docs/providers.md', () => {
  it('says of each preset what the preset says (else: node scripts/write-providers.ts && npm run format)', () => {
    const text = readFileSync(join(projectRoot, 'docs/providers.md'), 'utf8');
    expect(plain(text)).to.include(plain(PRESETS.map(presetSection).join('\n\n')));
  });
});
