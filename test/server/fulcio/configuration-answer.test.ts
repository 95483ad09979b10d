import { expect } from 'chai';
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import { configurationJson } from '../../../server/fulcio/configuration-answer.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { OPEN_POLICY } from '../../support/test-service.ts';

function shown(url: string, changes: Partial<IssuerDefinition>): unknown {
  const definition = emailDefinition(url, changes);
  const { issuers } = JSON.parse(configurationJson([{ definition, policy: OPEN_POLICY }])) as {
    issuers: readonly unknown[];
  };
  return issuers[0];
}

const NOTHING = { spiffeTrustDomain: '', subjectDomain: '', skipEmailVerification: false };

describe('server: what the configuration call shows of an issuer', () => {
  it('is the pattern under a name of its own, and no issuerUrl, for a meta issuer', () => {
    expect(shown('https://*.example.com/*', { isMeta: true, type: 'kubernetes' })).to.deep.equal({
      ...NOTHING,
      wildcardIssuerUrl: 'https://*.example.com/*',
      audience: 'sigstore',
      challengeClaim: 'sub',
      issuerType: 'kubernetes',
    });
  });

  it('is the configured claim before that of the type', () => {
    const changes = { challengeClaim: 'upn', skipEmailVerification: true };
    expect(shown('https://a.example', changes)).to.deep.equal({
      ...NOTHING,
      issuerUrl: 'https://a.example',
      audience: 'sigstore',
      challengeClaim: 'upn',
      issuerType: 'email',
      skipEmailVerification: true,
    });
  });

  it('is the trust domain as it was written', () => {
    const changes = { type: 'spiffe', spiffeTrustDomain: 'spiffe://example.org' } as const;
    expect(shown('https://a.example', changes)).to.include({ spiffeTrustDomain: 'spiffe://example.org' });
  });
});
