import { ONE_LOG, plainTrust, type AdmissionDocument, type AdmissionTrust } from './admission-trust.ts';

/** For Ratify: a ConfigMap with the keys, the values of its chart that put them where its cosign looks, and a Verifier. */
export function ratify(trust: AdmissionTrust): readonly AdmissionDocument[] {
  const { chains, roots, intermediates, logs, artifactLogs } = plainTrust(trust);
  const [rekor] = artifactLogs;
  const files = {
    'chain.pem': chains.length === 1 ? chains.join('') : intermediates + roots,
    'log.pub.pem': logs.slice(0, 1).join(''),
    ...(rekor !== undefined && { 'rekor.pub.pem': rekor.key }),
  };
  return [
    {
      content: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'mayfly-trust', namespace: 'gatekeeper-system' },
        data: files,
      },
    },
    {
      remark: [
        ...mounting(rekor !== undefined),
        `Ratify knows one certificate log; this is the one in use. ${ONE_LOG}`,
      ].join('\n'),
      content: {
        apiVersion: 'config.ratify.deislabs.io/v1beta1',
        kind: 'Verifier',
        metadata: { name: 'verifier-cosign' },
        spec: {
          name: 'cosign',
          artifactTypes: 'application/vnd.dev.cosign.artifact.sig.v1+json',
          parameters: { trustPolicies: [trustPolicy(trust, rekor?.url)] },
        },
      },
    },
  ];
}

const mounting = (hasRekor: boolean): readonly string[] => [
  'Before you apply what follows, mount the ConfigMap above at /mayfly in the container of Ratify, and set in the values of its chart:',
  '  env:',
  '    - {name: SIGSTORE_ROOT_FILE, value: /mayfly/chain.pem}',
  '    - {name: SIGSTORE_CT_LOG_PUBLIC_KEY_FILE, value: /mayfly/log.pub.pem}',
  ...(hasRekor ? ['    - {name: SIGSTORE_REKOR_PUBLIC_KEY, value: /mayfly/rekor.pub.pem}'] : []),
  'Without them Ratify trusts the public Sigstore, and lets in what that says is signed by the identity below.',
];

const trustPolicy = (trust: AdmissionTrust, rekorUrl: string | undefined): Record<string, unknown> => ({
  version: '1.0.0',
  name: 'mayfly',
  scopes: ['*'],
  keyless: {
    ctLogVerify: true,
    certificateIdentity: trust.identity,
    certificateOIDCIssuer: trust.issuer,
  },
  tLogVerify: rekorUrl !== undefined,
  ...(rekorUrl !== undefined && { rekorURL: rekorUrl }),
});
