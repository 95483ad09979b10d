import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../support/project-root.ts';

const schema = JSON.parse(readFileSync(join(projectRoot, 'docs/audit.schema.json'), 'utf8')) as object;
const validate = new Ajv2020({ allErrors: true, strict: false }).compile(schema);

/** What a line says; fails unless the line is one, in ASCII, and fits docs/audit.schema.json. */
export function auditLine(text: string): Readonly<Record<string, unknown>> {
  expect(text).to.match(/^[\x20-\x7e]+$/);
  const value = JSON.parse(text) as Readonly<Record<string, unknown>>;
  expect(validate(value), `${text}\n${JSON.stringify(validate.errors)}`).to.equal(true);
  return value;
}

/** The lines of a text whose last one is whole. */
export function auditLines(text: string): Readonly<Record<string, unknown>>[] {
  const lines = text.split('\n');
  expect(lines.pop()).to.equal('');
  return lines.map(auditLine);
}
