import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { readTrustDomain, trustDomainOf } from '../../../oidc/types/spiffe-id.ts';
import { vectorPath } from '../../support/vectors.ts';

interface Vector {
  readonly input: string;
  readonly idTrustDomain?: string;
  readonly configuredTrustDomain?: string;
}

const vectors = JSON.parse(readFileSync(vectorPath('go-spiffe.json'), 'utf8')) as readonly Vector[];

describe('The grammar of SPIFFE IDs', () => {
  it('has vectors of both kinds', () => {
    const good = vectors.filter(({ idTrustDomain }) => idTrustDomain !== undefined);
    expect(good.length)
      .to.be.greaterThan(50)
      .and.lessThan(vectors.length - 200);
  });

  it("is go-spiffe's", () => {
    for (const { input, idTrustDomain } of vectors) {
      expect(trustDomainOf(input), JSON.stringify(input)).to.equal(idTrustDomain);
    }
  });

  it("is go-spiffe's for the trust domain of a configuration", () => {
    for (const { input, configuredTrustDomain } of vectors) {
      expect(readTrustDomain(input), JSON.stringify(input)).to.equal(configuredTrustDomain);
    }
  });
});
