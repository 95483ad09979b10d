import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { DefinitionError } from '../../oidc/definition-error.ts';
import { compileTemplate } from '../../oidc/template.ts';
import { vectorPath } from '../support/vectors.ts';

interface Vector {
  readonly template: string;
  readonly result?: string;
  readonly error?: string;
  readonly parseError?: string;
}

type Rows = [{ readonly data: Record<string, string> }, ...Vector[]];
const [{ data }, ...vectors] = JSON.parse(readFileSync(vectorPath('go-templates.json'), 'utf8')) as Rows;
const values = new Map(Object.entries(data));

/** What a template gives over the data; undefined when it is refused. */
function outcome(template: string): { result: string } | { error: string | undefined } | undefined {
  try {
    const value = compileTemplate(template)((name) => values.get(name));
    return typeof value === 'string' ? { result: value } : { error: value.goMessage };
  } catch (error) {
    expect(error).to.be.instanceOf(DefinitionError);
    return undefined;
  }
}

function refusal(template: string): DefinitionError {
  try {
    compileTemplate(template);
  } catch (error) {
    if (error instanceof DefinitionError) return error;
    throw error;
  }
  throw new Error(`${template} was taken`);
}

describe('A template over claims', () => {
  // A text without an opening brace pair is no template but a name.
  const templates = vectors.filter(({ template }) => template.includes('{{'));

  it("gives what Go's text/template gives, wherever it is understood", () => {
    const understood = templates.filter(({ template }) => outcome(template) !== undefined);
    expect(understood.length).to.be.greaterThan(25);
    for (const { template, result, error } of understood) {
      const wanted = error === undefined ? { result } : { error };
      expect({ template, ...outcome(template) }).to.deep.equal({ template, ...wanted });
    }
  });

  it('understands every template that holds only fields and text', () => {
    const fieldsOnly = /^(?:[^{]|\{(?!\{)|\{\{(?:- )?\s*\.[a-zé_][a-zé_0-9]*\s*(?: -)?\}\})*$/;
    for (const { template, result } of templates.filter(({ template }) => fieldsOnly.test(template))) {
      if (result !== undefined) expect(outcome(template), template).to.deep.equal({ result });
    }
  });

  it('refuses what Go refuses to parse', () => {
    const bad = templates.filter(({ parseError }) => parseError !== undefined);
    expect(bad.length).to.be.greaterThan(10);
    for (const { template } of bad) expect(outcome(template), template).to.equal(undefined);
  });

  it('says where the part stands that it does not understand, and that it comes later', () => {
    const error = refusal('https://host/\n  {{ .a }}/{{ if .b }}x{{ end }}');
    expect(error.message).to.contain('line 2, column 12');
    expect(error.message).to.contain('come later');
    expect(error.metadata).to.deep.equal({ line: '2', column: '12' });
  });

  it('says that an action was never closed', () => {
    expect(refusal('a{{ .b').message).to.equal(
      'line 1, column 2 of the template: the action is never closed with }}',
    );
  });

  it('is a bare name when there is no brace pair in it', () => {
    expect(outcome('a')).to.deep.equal({ result: 'A' });
    expect(compileTemplate('missing')(() => undefined)).to.deep.equal({
      missing: 'missing',
      goMessage: undefined,
    });
  });

  it('throws nothing but its own error', () => {
    const piece = fc.constantFrom(
      '{{',
      '}}',
      '{',
      '}',
      '-',
      ' ',
      '\n',
      '.',
      'a',
      '.a',
      '{{.a}}',
      '{{- .a -}}',
      'é',
      '"',
    );
    fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => void outcome(pieces.join(''))));
  });

  it('never reads a value as a template', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(compileTemplate('<{{ .a }}>')(() => value)).to.equal(`<${value}>`);
      }),
    );
  });
});
