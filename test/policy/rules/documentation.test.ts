import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { overloadsOf } from '../../../policy/rules/functions.ts';
import { ruleWarnings } from '../../../policy/rules/warnings.ts';
import { compileRules } from '../../../policy/rules/rules.ts';
import { projectRoot } from '../../support/project-root.ts';

/** An issuer that nobody knows. */
const ANY = { url: 'https://issuer.example', isMeta: false, type: 'email' } as const;

interface Written {
  readonly name: string;
  readonly allow?: string;
  readonly deny?: string;
}

describe('docs/rules.md', () => {
  const text = readFileSync(join(projectRoot, 'docs/rules.md'), 'utf8');

  it('has only rules that can be used, and of which no warning is due', () => {
    const blocks = [...text.matchAll(/^```yaml\n(?<yaml>[^]*?)^```$/gm)].map(
      (match) => match.groups?.['yaml'] ?? '',
    );
    const rules = blocks.flatMap((block) => rulesIn(parse(block)));
    expect(rules.length).to.be.greaterThan(8);
    for (const { name, allow, deny } of rules) {
      const rule = {
        name,
        effect: allow === undefined ? 'deny' : 'allow',
        expression: allow ?? deny ?? '',
      } as const;
      expect(compileRules([rule]).names).to.deep.equal([name]);
      expect(ruleWarnings(rule, ANY), name).to.deep.equal([]);
    }
  });

  it('names only functions that are there', () => {
    const [, said = ''] = /## What a rule can say\n([^]*?)\n\nEverything/.exec(text) ?? [];
    const names = [...said.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([a-zA-Z]+)`/g)].map(([, name = '']) => name),
    );
    const macros = ['all', 'exists', 'filter', 'map'];
    expect(names.length).to.be.greaterThan(20);
    for (const name of names)
      expect(macros.includes(name) || overloadsOf(name).length > 0, name).to.equal(true);
  });
});

function rulesIn(value: unknown): Written[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    key === 'rules' ? (inner as Written[]) : rulesIn(inner),
  );
}
