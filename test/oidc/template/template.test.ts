import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { DefinitionError } from '../../../oidc/core/definition-error.ts';
import { MAX_RESULT_LENGTH } from '../../../oidc/template/evaluator.ts';
import { MAX_TEMPLATE_LENGTH } from '../../../oidc/template/lexer.ts';
import { INSTEAD } from '../../../oidc/template/refusal.ts';
import { compileTemplate } from '../../../oidc/template/template.ts';
import { vectorPath } from '../../support/vectors.ts';
import { runs } from '../../support/runs.ts';

interface Vector {
  readonly template: string;
  readonly family: 'chosen' | 'subset' | 'loose' | 'broken';
  readonly result?: string;
  readonly error?: string;
  readonly parseError?: string;
}

type Rows = [{ readonly data: Record<string, string> }, ...Vector[]];
const [{ data }, ...vectors] = JSON.parse(readFileSync(vectorPath('go-templates.json'), 'utf8')) as Rows;
const values = new Map(Object.entries(data));

/** The result of a template over the data; undefined when it is refused. */
function outcome(template: string): { result: string } | { error: string | undefined } | undefined {
  try {
    const value = compileTemplate(template)(([name]) => values.get(name));
    if (typeof value === 'string') return { result: value };
    return { error: value.reason === 'too long' ? undefined : value.goMessage };
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

/** What Go would fill in and is refused here all the same: the template, and a part of the reason. */
const OUTSIDE: readonly (readonly [template: string, reason: string])[] = [
  ...['{{.}}', '{{ . }}', '{{. | index}}', '{{index (.) "a"}}'].map(
    (text) => [text, 'all claims together'] as const,
  ),
  ...['{{index .}}', '{{index . .one}}', '{{index .a 0}}'].map(
    (text) => [text, 'whose name stands there'] as const,
  ),
  ...[
    '{{.1}}',
    '{{.5}}',
    '{{1.}}',
    '{{1.5}}',
    '{{1e3}}',
    '{{1i}}',
    '{{1+2i}}',
    '{{00}}',
    '{{007}}',
    '{{1_000}}',
  ]
    .concat('{{0x10}}', '{{0b11}}', '{{0o17}}')
    .map((text) => [text, 'plain decimal'] as const),
  ['{{9007199254740993}}', 'too large'],
  ["{{'a'}}", 'single quotes'],
  ['{{"\\xff"}}', 'backslash'],
  ['{{"\\377"}}', 'backslash'],
  ['{{eq .a "A" 1}}', 'cannot compare a text with a number'],
  ['{{eq .a nil}}', 'nil is not understood'],
  ['{{or .a eq}}', 'parentheses'],
  ['{{ .a | }}', 'something is missing'],
  ...['{{$}}', '{{$.a}}', '{{$x := .a}}{{$x}}'].map((text) => [text, 'variables'] as const),
  ['{{with .a}}{{.}}{{end}}', 'with'],
  ['{{define "x"}}y{{end}}', 'define'],
  ['{{block "x" .}}y{{end}}', 'block'],
  ['{{.a | print}}', 'print'],
  ...['{{print .a}}', '{{println .a}}', '{{printf "%s" .a}}'].map((text) => [text, 'print'] as const),
  ...['len .a', 'slice .a 0 1', 'html .b', 'js .b', 'urlquery .b', 'lt .a .b', 'ge 2 1'].map(
    (call) => [`{{${call}}}`, `${call.split(' ', 1).join('')} is not understood`] as const,
  ),
];

const REFUSED: readonly (readonly [template: string, column: number, reason: string, hint: string])[] = [
  ['a{{ .b', 2, 'never closed', 'Close it'],
  ['{{ .b }', 7, 'no meaning', 'An action holds'],
  ['{{ .b}', 4, 'one brace', 'Close it with two'],
  ['{{ }}', 4, 'something is missing', '{{ .claim }}'],
  ['{{ repository }}', 4, 'no function repository', '{{ .repository }}'],
  ['{{ if eq .ref_type branch }}', 20, 'no function branch', '"branch"'],
  ['{{ .job-id }}', 4, 'character that no name', '{{ index . "job-id" }}'],
  ['{{ (.a).b }}', 8, 'only a claim has members', '.claim.inner'],
  ['{{ if .a == "x" }}', 10, 'no ==', 'eq .claim "text"'],
  ['{{ if !.a }}', 7, 'these signs', 'not .claim'],
  ["{{ if eq .a 'x' }}", 13, 'single quotes', '"text"'],
  ['{{ if eq .a true }}', 7, 'cannot compare a text with true or false', '"true"'],
  ['{{ if eq (not .a) "" }}', 7, 'cannot compare true or false with a text', 'between quotes'],
  ['{{ ne .a }}', 4, 'ne wants 2 arguments and has 1', 'ne .claim "text"'],
  ['{{ not }}', 4, 'not wants 1 argument and has 0', 'not .claim'],
  ['{{ and eq .a "x" }}', 8, 'parentheses', '(eq .claim "text")'],
  ['{{ .a .b }}', 7, 'only functions', 'one claim'],
  ['{{ .a | .b }}', 9, 'behind a pipe', 'eq "text"'],
  ['{{ (.a }}', 8, 'not closed', ')'],
  ['{{ .a) }}', 6, 'no opening', 'Take it out'],
  ['{{ (.a)(.b) }}', 8, 'a blank is missing', 'blanks'],
  ['{{ "a }}', 4, 'never closed on its line', '"'],
  ['{{ `a }}', 4, 'never closed', '`'],
  ['{{ eq .a, "b" }}', 9, 'no comma', 'blanks'],
  ['{{/* a }}', 1, 'comment', '*/}}'],
  ['{{ end }}', 4, 'no if', 'Take it out'],
  ['{{ if .a }}x', 4, 'never ended', '{{ end }}'],
  ['{{ if .a }}{{ else }}{{ else }}{{ end }}', 25, 'else already', 'else if'],
  ['{{ if .a }}{{ else with .b }}{{ end }}', 20, 'behind else', 'else if'],
];

const PIECES = [
  ...[
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
    '.b',
    '{{.a}}',
    '{{- .a -}}',
    'é',
    '"',
    '`',
    '"x"',
  ],
  ...['(', ')', '|', 'eq', 'ne', 'and', 'or', 'not', 'index', '. ', 'true', '1', '-1', ' eq .a "A" ', '{{/*'],
  ...['{{if .a}}', '{{else if .b}}', '{{else}}', '{{end}}', '$x', ':=', '*/}}', '\0', '\ud800', '😀', '\\'],
];

/** Members of claims are ours: in Fulcio every claim is a text. */
const isOurs = (error: string | undefined): boolean =>
  error !== undefined && /can't evaluate field|cannot index|index of untyped/.test(error);

describe('A template over claims', () => {
  describe("beside Go's text/template", () => {
    it('has the same result, or the same error, wherever it is understood', () => {
      const understood = vectors.filter(
        ({ template, error }) => outcome(template) !== undefined && !isOurs(error),
      );
      expect(understood.length).to.be.greaterThan(1200);
      for (const { template, result, error } of understood) {
        const wanted = error === undefined ? { result } : { error };
        expect({ template, ...outcome(template) }).to.deep.equal({ template, ...wanted });
      }
    });

    it('understands all of the part that it promises', () => {
      const promised = vectors.filter(({ family }) => family === 'subset');
      expect(promised.length).to.be.greaterThan(900);
      expect(promised.filter(({ error }) => error !== undefined).length).to.be.greaterThan(100);
      for (const { template } of promised) expect(outcome(template), template).to.not.equal(undefined);
    });

    it('refuses what Go refuses to parse', () => {
      const bad = vectors.filter(({ parseError }) => parseError !== undefined);
      expect(bad.length).to.be.greaterThan(300);
      for (const { template } of bad) expect(outcome(template), template).to.equal(undefined);
    });

    it('refuses nothing that Go fills in, but for what it says it does not know', () => {
      const refused = vectors
        .filter(({ family, result }) => family === 'chosen' && result !== undefined)
        .map(({ template }) => template)
        .filter((template) => outcome(template) === undefined);
      expect(refused).to.have.members(OUTSIDE.map(([template]) => template));
      for (const [template, reason] of OUTSIDE) {
        expect(refusal(template).message, template).to.contain(reason);
      }
    });
  });

  describe('that is refused', () => {
    it('is refused with line, column and what to write instead', () => {
      const error = refusal('https://host/\n  {{ .a }}/{{ range .b }}x{{ end }}');
      expect(error.code).to.equal('TEMPLATE_INVALID');
      expect(error.message).to.equal('line 2, column 15 of the template: range is not understood here');
      expect(error.hint).to.contain('{{ .claim }}');
      expect(error.metadata).to.deep.equal({ line: '2', column: '15' });
    });

    for (const [template, column, reason, hint] of REFUSED) {
      it(`says so: ${JSON.stringify(template)}`, () => {
        const error = refusal(template);
        expect(error.message).to.contain(`line 1, column ${column} of the template: `);
        expect(error.message).to.contain(reason);
        expect(error.hint).to.contain(hint);
      });
    }

    it('says for each word of Go that is not understood what to write instead', () => {
      for (const [word, hint] of INSTEAD) {
        const error = refusal(`{{ ${word} .a }}`);
        expect(error.message).to.equal(`line 1, column 4 of the template: ${word} is not understood here`);
        expect(error.hint).to.equal(hint);
      }
    });

    it('is refused where it is longer or deeper than any that is needed', () => {
      const deep = 60;
      const tall = [
        `{{${'('.repeat(deep)}.a${')'.repeat(deep)}}}`,
        `{{if .a}}`.repeat(deep) + '{{end}}'.repeat(deep),
        `{{.a${' | not'.repeat(deep)}}}`,
        `{{${'not ('.repeat(2000)}.a${')'.repeat(2000)}}}`,
      ];
      for (const template of tall) expect(refusal(template).message).to.contain('nested more than 50 deep');
      expect(refusal(`{{.a}}${'x'.repeat(MAX_TEMPLATE_LENGTH)}`).message).to.contain('longer than');
    });
  });

  it('takes any number of else if, one after the other', () => {
    const template = `{{if .empty}}x${'{{else if .empty}}y'.repeat(500)}{{else}}z{{end}}`;
    expect(outcome(template)).to.deep.equal({ result: 'z' });
  });

  it('is a bare name when there is no brace pair in it', () => {
    expect(outcome('a')).to.deep.equal({ result: 'A' });
    expect(outcome('dotted.key/with-signs')).to.deep.equal({ result: 'D' });
    expect(compileTemplate('missing')(() => undefined)).to.deep.equal({
      reason: 'missing',
      name: 'missing',
      goMessage: undefined,
    });
  });

  it('never grows longer than its bound, whatever claims it repeats', () => {
    const template = compileTemplate('{{.a}}'.repeat(2000));
    expect(template(() => 'x'.repeat(32 * 1024))).to.deep.equal({ reason: 'too long' });
    expect(template(() => 'x')).to.equal('x'.repeat(2000));
    expect(compileTemplate('{{.a}}')(() => 'x'.repeat(MAX_RESULT_LENGTH))).to.have.length(MAX_RESULT_LENGTH);
  });

  it('never reads a value as a template', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(compileTemplate('<{{ .a }}>')(() => value)).to.equal(`<${value}>`);
        expect(compileTemplate('{{ index . "a" | or "" }}')(() => value)).to.equal(value);
      }),
    );
  });

  it('throws nothing but its own error when it is read, and nothing when it is filled in', () => {
    const pieces = fc.array(fc.constantFrom(...PIECES), { maxLength: 30 });
    fc.assert(
      fc.property(pieces, (words) => void outcome(words.join(''))),
      { numRuns: runs(3000) },
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void outcome(`{{${text}`)));
  });
});
