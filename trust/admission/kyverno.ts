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

/** One for each choice of a log, a timestamp authority and a Rekor, since an attestor has room for one of each. Its anchors are the issuing CAs alone: below a
 * root it would believe every CA that a signer puts into the signature, also one that has ended. */
function attestors(plain: PlainTrust, trust: AdmissionTrust): readonly Record<string, unknown>[] {
  return plain.logs.flatMap((log) =>
    oneOrNone(plain.timestampChains).flatMap((tsaCertChain) =>
      oneOrNone(plain.artifactLogs).map((rekor) => ({
        keyless: {
          subject: trust.identity,
          issuer: trust.issuer,
          roots: plain.issuing,
          // Kyverno wants a URL, even of a Rekor that it is not to ask.
          rekor:
            rekor === undefined
              ? { url: trust.publicUrl, ignoreTlog: true }
              : { url: rekor.url, pubkey: rekor.key },
          ctlog: { pubkey: log, ...(tsaCertChain !== undefined && { tsaCertChain }) },
        },
      })),
    ),
  );
}

const oneOrNone = <T>(all: readonly T[]): readonly (T | undefined)[] =>
  all.length === 0 ? [undefined] : all;

function imageValidatingPolicy(
  trust: AdmissionTrust,
  tuf: NonNullable<AdmissionTrust['tuf']>,
): Record<string, unknown> {
  const plain = plainTrust(trust);
  const named = oneOrNone(plain.timestampChains).map((tsaCertChain, index) => ({
    name: index === 0 ? 'mayfly' : `mayfly${index + 1}`,
    cosign: followingTuf(trust, tuf, { ctlog: tlogOf(plain, trust), tsaCertChain }),
  }));
  // The function counts those that are satisfied.
  const list = named.map(({ name }) => `attestors.${name}`).join(', ');
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
      attestors: named,
      validations: [
        {
          expression: `(images.containers + images.initContainers + images.ephemeralContainers).all(image, verifyImageSignatures(image, [${list}]) > 0)`,
          message: `not signed by ${trust.identity}`,
        },
      ],
    },
  };
}

const followingTuf = (
  trust: AdmissionTrust,
  tuf: NonNullable<AdmissionTrust['tuf']>,
  { ctlog, tsaCertChain }: { readonly ctlog: object; readonly tsaCertChain: string | undefined },
): Record<string, unknown> => ({
  tuf: { mirror: tuf.mirror, root: { data: toBase64(tuf.root) } },
  keyless: { identities: [{ issuer: trust.issuer, subject: trust.identity }] },
  ctlog: { ...ctlog, ...(tsaCertChain !== undefined && { tsaCertChain }) },
});

/** Kyverno wants URL and key, even of a Rekor that it is not to ask: without a key it looks for one in the TUF repository, and lets in nothing where that
 * has none. The key of the certificate log is one by which no entry of a Rekor was ever signed. */
function tlogOf({ artifactLogs: [rekor], logs: [log] }: PlainTrust, { publicUrl }: AdmissionTrust): object {
  if (rekor !== undefined) return { url: rekor.url };
  return { url: publicUrl, rekorPubKey: log, insecureIgnoreTlog: true };
}
