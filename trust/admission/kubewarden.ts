import type { AdmissionDocument, AdmissionTrust } from './admission-trust.ts';

/** For Kubewarden: its PolicyServer takes the client trust config whole. */
export const kubewarden = (trust: AdmissionTrust): readonly AdmissionDocument[] => [
  {
    content: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'mayfly-trust', namespace: 'kubewarden' },
      data: { 'sigstore-trust-config': trust.clientTrustConfig },
    },
  },
  {
    remark:
      'Kubewarden reads the trust from 1.33 on; an older one leaves it unread and trusts the public Sigstore. Put the versions of your release in the place of these two, no older ones.',
    content: {
      apiVersion: 'policies.kubewarden.io/v1',
      kind: 'PolicyServer',
      metadata: { name: 'mayfly' },
      spec: {
        image: 'ghcr.io/kubewarden/policy-server:v1.33.0',
        replicas: 1,
        sigstoreTrustConfig: 'mayfly-trust',
      },
    },
  },
  {
    content: {
      apiVersion: 'policies.kubewarden.io/v1',
      kind: 'ClusterAdmissionPolicy',
      metadata: { name: 'mayfly' },
      spec: {
        policyServer: 'mayfly',
        module: 'registry://ghcr.io/kubewarden/policies/verify-image-signatures:v0.3.0',
        rules: [
          { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE', 'UPDATE'] },
        ],
        mutating: true,
        settings: {
          signatures: [{ image: '*', keyless: [{ issuer: trust.issuer, subject: trust.identity }] }],
        },
      },
    },
  },
];
