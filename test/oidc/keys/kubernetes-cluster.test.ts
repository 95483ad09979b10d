import { expect } from 'chai';
import { CLUSTER_ISSUERS, isAskedInCluster } from '../../../oidc/keys/kubernetes-cluster.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';

describe('An issuer that may be that of the cluster around the service', () => {
  const kubernetes = emailDefinition('https://x', { type: 'kubernetes' });

  it('is one of type kubernetes that was named exactly, or the cluster by a name that all have', () => {
    for (const url of [...CLUSTER_ISSUERS, 'https://k3s.example:6443'])
      expect(isAskedInCluster(kubernetes, url, true), url).to.equal(true);
    for (const url of CLUSTER_ISSUERS) {
      expect(isAskedInCluster(kubernetes, url, false), url).to.equal(true);
      expect(isAskedInCluster(emailDefinition(url), url, true), url).to.equal(false);
    }
  });

  it('is none of those that a pattern admits under other names', () => {
    for (const url of [
      'https://kubernetes.other.svc',
      `${CLUSTER_ISSUERS[0]}/`,
      `${CLUSTER_ISSUERS[0]}.evil.example`,
    ])
      expect(isAskedInCluster(kubernetes, url, false), url).to.equal(false);
  });
});
