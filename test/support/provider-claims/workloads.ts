import type { ProviderCase } from './provider-case.ts';

const onCluster = (preset: string): ProviderCase => ({
  preset,
  claims: {
    sub: 'system:serviceaccount:build:signer',
    jti: '0c8f6b1c-0a4e-4d52-8f1b-2c3d4e5f6071',
    'kubernetes.io': {
      namespace: 'build',
      serviceaccount: { name: 'signer', uid: '4f1e2d3c-4b5a-4697-8889-7a6b5c4d3e2f' },
      pod: { name: 'sign-7c9', uid: '5a1e2d3c-4b5a-4697-8889-7a6b5c4d3e2f' },
      node: { name: 'n1', uid: '6b1e2d3c-4b5a-4697-8889-7a6b5c4d3e2f' },
      warnafter: 1790003000,
    },
  },
  san: 'https://kubernetes.io/namespaces/build/serviceaccounts/signer',
  extensions: {},
  others: {
    'another namespace': {
      sub: 'system:serviceaccount:sandbox:signer',
      'kubernetes.io': { namespace: 'sandbox', serviceaccount: { name: 'signer', uid: 'x' } },
    },
    'another service account': {
      sub: 'system:serviceaccount:build:default',
      'kubernetes.io': { namespace: 'build', serviceaccount: { name: 'default', uid: 'x' } },
    },
  },
});

/** Clusters and SPIRE. */
export const workloadCases: readonly ProviderCase[] = [
  ...['kubernetes', 'eks', 'gke', 'aks'].map(onCluster),
  {
    preset: 'spire',
    claims: { sub: 'spiffe://acme.example/ns/build/sa/signer' },
    san: 'spiffe://acme.example/ns/build/sa/signer',
    extensions: {},
    others: {
      'another namespace': { sub: 'spiffe://acme.example/ns/sandbox/sa/signer' },
      'a namespace whose name begins alike': { sub: 'spiffe://acme.example/ns/build-evil/sa/signer' },
    },
  },
];
