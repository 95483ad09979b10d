import { expect } from 'chai';
import { parseConfig } from '../../../config/load/load.ts';
import { PRESETS } from '../../../config/presets/all.ts';
import type { ClaimKind } from '../../../policy/providers/claim-shape.ts';
import { providerOf, PROVIDERS, shapeOf } from '../../../policy/providers/providers.ts';
import { ruleWarnings } from '../../../policy/rules/warnings.ts';
import { filledPreset } from '../../support/filled-preset.ts';
import { PROVIDER_CASES } from '../../support/provider-claims/all.ts';

function kindOf(value: unknown): ClaimKind {
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return 'a number';
  if (typeof value === 'boolean') return 'a bool';
  return Array.isArray(value) ? 'a list' : 'a map';
}

/** The claims of a token with those inside of them, by their names. */
function* claimsIn(value: object, above: readonly string[] = []): Generator<[readonly string[], unknown]> {
  for (const [name, claim] of Object.entries(value)) {
    if (claim === null || claim === undefined) continue;
    yield [[...above, name], claim];
    if (kindOf(claim) === 'a map') yield* claimsIn(claim as object, [...above, name]);
  }
}

const issuerOf = (preset: string): Parameters<typeof providerOf>[0] =>
  parseConfig(filledPreset(preset)).issuers[0]?.definition ?? expect.fail();

describe('policy/providers', () => {
  it('knows the provider of every preset by its entry', () => {
    const known = PRESETS.map(({ name }) => providerOf(issuerOf(name))?.preset);
    expect(known).not.to.include(undefined);
    expect(new Set(known)).to.have.keys(PROVIDERS.map(({ preset }) => preset));
    expect(PRESETS.map(({ name }) => name)).to.include.members(PROVIDERS.map(({ preset }) => preset));
  });

  it('names first a type by which its preset works', () => {
    for (const { name } of PRESETS) {
      const issuer = issuerOf(name);
      expect(providerOf(issuer)?.types, name).to.include(issuer.type);
    }
  });

  it('takes every claim of tokens as they really are', () => {
    for (const { preset, claims } of PROVIDER_CASES) {
      const provider = providerOf(issuerOf(preset));
      for (const [names, value] of claimsIn(claims)) {
        const shape = shapeOf(provider, names);
        if (shape === undefined) continue;
        const words = `${preset}: ${names.join('.')}: ${JSON.stringify(value)}`;
        expect(shape.kinds, words).to.include(kindOf(value));
        if (typeof value !== 'string' || shape.form === undefined) continue;
        expect(shape.form.fits(value), words).to.equal(true);
        for (let length = 0; length <= value.length; length++)
          expect(shape.form.begins(value.slice(0, length)), `${words}, ${length}`).to.equal(true);
      }
    }
  });

  it('knows the claims that stand in those tokens', () => {
    for (const { preset, claims } of PROVIDER_CASES) {
      const provider = providerOf(issuerOf(preset));
      // Some of the tokens try to move a template's address, which no provider lets them.
      const unknown = Object.keys(claims).filter(
        (name) => name !== 'url' && shapeOf(provider, [name]) === undefined,
      );
      // What an operator of Jenkins, Keycloak, Okta or Entra adds is nobody else's to know.
      if (provider?.types[0] === 'ci-provider' && preset !== 'entra')
        expect(unknown, preset).to.deep.equal([]);
    }
  });

  it('warns of no comparison of a claim with the value that it has', () => {
    for (const { preset, claims } of PROVIDER_CASES) {
      const issuer = issuerOf(preset);
      for (const [names, value] of claimsIn(claims)) {
        if (typeof value === 'object') continue;
        const path = names.map((name) => `[${JSON.stringify(name)}]`).join('');
        const expression = `claims${path} == ${JSON.stringify(value)}`;
        const messages = ruleWarnings({ name: 'r', effect: 'deny', expression }, issuer)
          .map(({ message }) => message)
          .filter((message) => !/can change hands|made of names/.test(message));
        expect(messages, `${preset}: ${expression}`).to.deep.equal([]);
      }
    }
  });
});
