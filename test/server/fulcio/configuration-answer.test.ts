import { expect } from 'chai';
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import type { PolicySnapshot } from '../../../policy/snapshot.ts';
import { configurationAnswers } from '../../../server/fulcio/configuration-answer.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { OPEN_POLICY } from '../../support/test-service.ts';

const snapshotOf = (definition: IssuerDefinition): PolicySnapshot =>
  ({ issuers: [{ definition, policy: OPEN_POLICY }] }) as unknown as PolicySnapshot;

const shown = (url: string, changes: Partial<IssuerDefinition>): unknown =>
  configurationAnswers({ current: snapshotOf(emailDefinition(url, changes)) }, (issuers) => issuers[0])();

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

  it('is made anew for another configuration, and not before', () => {
    const policy = { current: snapshotOf(emailDefinition('https://a.example')) };
    let made = 0;
    const answer = configurationAnswers(policy, ([issuer]) => `${issuer?.issuerUrl ?? ''} ${++made}`);
    expect([answer(), answer()]).to.deep.equal(['https://a.example 1', 'https://a.example 1']);
    policy.current = snapshotOf(emailDefinition('https://b.example'));
    expect([answer(), answer()]).to.deep.equal(['https://b.example 2', 'https://b.example 2']);
  });
});
