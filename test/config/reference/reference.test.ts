import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { configReference } from '../../../config/reference/reference.ts';
import { parseConfig } from '../../../config/load/load.ts';
import { projectRoot } from '../../support/project-root.ts';

describe('docs/configuration.md', () => {
  const text = readFileSync(join(projectRoot, 'docs/configuration.md'), 'utf8');

  it('describes every key', () => {
    for (const line of configReference().split('\n'))
      if (line.startsWith('| `')) expect(line, line).not.to.match(/\| *\|$/);
  });

  it('shows examples that load', () => {
    const examples = [...text.matchAll(/```yaml\n([^]*?)```/g)].map((match) => match[1] ?? '');
    expect(examples).to.have.length.above(1);
    for (const example of examples) expect(parseConfig(example).issuers).to.have.length.above(0);
  });

  it('explains every code of a warning', () => {
    const table = /^## What is warned of\n([^]*?)^## /m.exec(text)?.[1] ?? '';
    const codes = [...table.matchAll(/^\| `([A-Z_]+)`/gm)].map((match) => match[1]);
    const source = readFileSync(join(projectRoot, 'config/findings/findings.ts'), 'utf8');
    const known = [...source.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map((match) => match[1]);
    expect(known).to.have.length.above(20);
    expect(codes).to.have.members(known);
  });

  it('shows the message that really comes', () => {
    const file = [
      'oidc-issuers:',
      '  https://login.example.com:',
      '    type: emial',
      '    client-id: sigstore',
      'mayfly:',
      '  public-ulr: https://ca.example.com',
    ].join('\n');
    const shown = /```\nmayfly: ([^]*?)```/.exec(text)?.[1]?.trim();
    expect(() => parseConfig(file))
      .to.throw()
      .with.property('message', shown);
  });
});
