import { toBase64 } from '../../core/bytes.ts';
import {
  plainTrust,
  type AdmissionDocument,
  type AdmissionTrust,
  type PlainTrust,
} from './admission-trust.ts';

/** For Kyverno: a ClusterPolicy with the keys themselves; with a TUF repository an ImageValidatingPolicy too. */
export const kyverno = (trust: AdmissionTrust): readonly AdmissionDocument[] => [
  { content: clusterPolicy(trust) },
  ...(trust.tuf === undefined
    ? []
    : [
        {
          remark:
            'The same for the newer kind of policy. It follows the TUF repository; apply one of the two.',
          content: imageValidatingPolicy(trust, trust.tuf),
        },
      ]),
];

function clusterPolicy(trust: AdmissionTrust): Record<string, unknown> {
  const plain = plainTrust(trust);
  return {
    apiVersion: 'kyverno.io/v1',
    kind: 'ClusterPolicy',
    metadata: { name: 'mayfly', annotations: { 'pod-policies.kyverno.io/autogen-controllers': 'none' } },
    spec: {
      webhookConfiguration: { failurePolicy: 'Fail', timeoutSeconds: 30 },
      background: false,
      rules: [
        {
          name: 'signed-through-mayfly',
          match: { any: [{ resources: { kinds: ['Pod'] } }] },
          verifyImages: [
            {
              imageReferences: ['*'],
              failureAction: 'Enforce',
              type: 'Cosign',
              attestors: [{ count: 1, entries: attestors(plain, trust) }],
            },
          ],
        },
      ],
    },
  };
}

/** One for each pair of a log and a timestamp authority, since an attestor has room for one of each. */
function attestors(plain: PlainTrust, trust: AdmissionTrust): readonly Record<string, unknown>[] {
  const chains = plain.timestampChains.length === 0 ? [undefined] : plain.timestampChains;
  return plain.logs.flatMap((log) =>
    chains.map((tsaCertChain) => ({
      keyless: {
        subject: trust.identity,
        issuer: trust.issuer,
        roots: plain.intermediates + plain.roots,
        rekor: rekorOf(plain, trust),
        ctlog: { pubkey: log, ...(tsaCertChain !== undefined && { tsaCertChain }) },
      },
    })),
  );
}

/** Kyverno wants a URL, even of a Rekor that it is not to ask. */
const rekorOf = ({ artifactLogs: [pubkey] }: PlainTrust, { root, publicUrl }: AdmissionTrust): object =>
  pubkey === undefined
    ? { url: publicUrl, ignoreTlog: true }
    : { url: root.artifactLogs[0]?.baseUrl, pubkey };

function imageValidatingPolicy(
  trust: AdmissionTrust,
  tuf: NonNullable<AdmissionTrust['tuf']>,
): Record<string, unknown> {
  const {
    timestampChains: [tsaCertChain],
    artifactLogs,
  } = plainTrust(trust);
  return {
    apiVersion: 'policies.kyverno.io/v1',
    kind: 'ImageValidatingPolicy',
    metadata: { name: 'mayfly' },
    spec: {
      failurePolicy: 'Fail',
      validationActions: ['Deny'],
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: [''],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['pods', 'pods/ephemeralcontainers'],
          },
        ],
      },
      matchImageReferences: [{ glob: '*' }],
      // The digest that was judged takes the place of the tag, which may move.
      validationConfigurations: { mutateDigest: true, verifyDigest: true, required: true },
      attestors: [
        {
          name: 'mayfly',
          cosign: {
            tuf: { mirror: tuf.mirror, root: { data: toBase64(tuf.root) } },
            keyless: { identities: [{ issuer: trust.issuer, subject: trust.identity }] },
            ctlog: {
              url: trust.root.artifactLogs[0]?.baseUrl ?? trust.publicUrl,
              ...(artifactLogs.length === 0 && { insecureIgnoreTlog: true }),
              ...(tsaCertChain !== undefined && { tsaCertChain }),
            },
          },
        },
      ],
      validations: [
        {
          expression:
            '(images.containers + images.initContainers + images.ephemeralContainers).all(image, verifyImageSignatures(image, [attestors.mayfly]) > 0)',
          message: `not signed by ${trust.identity}`,
        },
      ],
    },
  };
}
