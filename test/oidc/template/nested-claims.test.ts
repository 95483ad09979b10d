import { expect } from 'chai';
import type { CiProviderDefinition } from '../../../oidc/core/issuer-definition.ts';
import { compileTemplate } from '../../../oidc/template/template.ts';
import { TokenError } from '../../../oidc/core/token-error.ts';
import { ciProviderIssuer } from '../../../oidc/types/ci-provider-issuer.ts';
import { assumeVerified } from '../../../oidc/verify-token.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';

const CLAIMS = {
  sub: 'subject',
  'a.b': 'dotted',
  a: { b: 'nested', n: 7, t: true, list: ['x', { y: 'z' }], none: null },
  'https://sts.amazonaws.com/': { aws_account: '123456789012', principal_tags: { 'cost-center': 'build' } },
  text: 'plain',
};

/** The extension that a template makes; of a claim that is missing, its name in the refusal. */
function extensionOf(template: string, more: Partial<CiProviderDefinition> = {}): string | undefined {
  const ciProvider: CiProviderDefinition = {
    name: 'p',
    defaults: new Map(),
    subjectTemplate: '{{ .sub }}',
    extensionTemplates: new Map([[9, template]]),
    ...more,
  };
  const read = ciProviderIssuer(emailDefinition('https://ci.example', { type: 'ci-provider', ciProvider }));
  try {
    return read(assumeVerified('https://ci.example', CLAIMS)).extensions.get(9);
  } catch (error) {
    if (error instanceof TokenError) return `missing: ${error.metadata['claim'] ?? ''}`;
    throw error;
  }
}

describe('A template over members of claims', () => {
  const table: readonly (readonly [template: string, value: string | undefined])[] = [
    ['{{ .a.b }}', 'nested'],
    ['{{ .a.n }}-{{ .a.t }}', '7-true'],
    ['{{ index . "a" "b" }}', 'nested'],
    ['{{ index . "a.b" }}', 'dotted'],
    ['{{ index . "https://sts.amazonaws.com/" "aws_account" }}', '123456789012'],
    ['{{ index . "https://sts.amazonaws.com/" "principal_tags" "cost-center" }}', 'build'],
    ['{{ "b" | index . "a" }}', 'nested'],
    ['{{ .a.list.0 }}', undefined],
    ['{{ index . "a" "list" 0 }}{{ index . "a" "list" 1 "y" }}', 'xz'],
    ['{{ index . "a" "list" 2 }}', undefined],
    ['{{ index . "a" "absent" }}', undefined],
    ['{{ index . "text" "b" }}', undefined],
    ['{{ index . "absent" "b" }}', undefined],
    ['{{ index . "a" "constructor" }}', undefined],
    ['{{ if eq .a.b "nested" }}yes{{ end }}', 'yes'],
    ['{{ .a.absent }}', 'missing: a.absent'],
    ['{{ .text.b }}', 'missing: text.b'],
    ['{{ .a.none }}', '<nil>'],
  ];
  for (const [template, value] of table)
    it(`${template} is ${value ?? 'nothing'}`, () => {
      if (template === '{{ .a.list.0 }}') expect(() => compileTemplate(template)).to.throw('template');
      else expect(extensionOf(template)).to.equal(value);
    });

  it('takes a default and a pinned value under the names with dots between them', () => {
    expect(extensionOf('{{ .a.absent }}', { defaults: new Map([['a.absent', 'default']]) })).to.equal(
      'default',
    );
    expect(extensionOf('{{ .a.b }}', { defaults: new Map([['a.b', 'default']]) })).to.equal('nested');
    expect(extensionOf('{{ .a.b }}', { pinned: new Map([['a.b', 'pinned']]) })).to.equal('pinned');
  });

  it('refuses names that are no constants, and members of what is no claim', () => {
    for (const template of [
      '{{ index . .a }}',
      '{{ index . "a" .b }}',
      '{{ index . 0 "a" }}',
      '{{ index . "a" -1 }}',
      '{{ (.a).b }}',
    ])
      expect(() => compileTemplate(template), template).to.throw('of the template');
  });
});
