import { expect } from 'chai';
import { coversCluster, isAskedInCluster } from '../../../oidc/keys/kubernetes-cluster.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';

const CLUSTER = 'https://kubernetes.default.svc';

describe('Whether a configuration speaks of the cluster around it', () => {
  const covers = (url: string, isMeta = false): boolean => coversCluster([emailDefinition(url, { isMeta })]);

  it('is said by the name that every cluster has for itself', () => {
    expect(covers(CLUSTER)).to.equal(true);
    for (const url of [`${CLUSTER}/`, `${CLUSTER}.cluster.local`, 'https://kubernetes.*.svc', 'https://x']) {
      expect(covers(url), url).to.equal(false);
    }
  });

  it('is said by a pattern that fits this name', () => {
    expect(covers('https://kubernetes.*.svc', true)).to.equal(true);
    expect(covers('https://*.default.svc', true)).to.equal(true);
    for (const url of [
      'https://*',
      'https://kubernetes.*',
      'https://kubernetes.*.svc/',
      'https://kubernetes*svc',
    ])
      expect(covers(url, true), url).to.equal(false);
  });

  it('is not said by nothing', () => {
    expect(coversCluster([])).to.equal(false);
  });
});

describe('An issuer that is asked in the cluster', () => {
  const kubernetes = emailDefinition(CLUSTER, { type: 'kubernetes' });

  it('is one of type kubernetes that was named exactly, or the cluster itself', () => {
    expect(isAskedInCluster(kubernetes, CLUSTER, true)).to.equal(true);
    expect(isAskedInCluster(kubernetes, CLUSTER, false)).to.equal(true);
    expect(isAskedInCluster(kubernetes, 'https://k3s.example:6443', true)).to.equal(true);
    expect(isAskedInCluster(kubernetes, 'https://kubernetes.other.svc', false)).to.equal(false);
    expect(isAskedInCluster(emailDefinition(CLUSTER), CLUSTER, true)).to.equal(false);
  });
});
