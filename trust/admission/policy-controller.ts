import { toBase64, utf8 } from '../../core/bytes.ts';
import type { TrustedAuthority, TrustedLogInstance, TrustedRoot } from '../format/trusted-root.ts';
import {
  certificates,
  key,
  withoutEnded,
  type AdmissionDocument,
  type AdmissionTrust,
} from './admission-trust.ts';

/** For Sigstore's policy-controller: a TrustRoot with the keys themselves, and a ClusterImagePolicy that asks for it. */
export function policyController(trust: AdmissionTrust): readonly AdmissionDocument[] {
  const root = withoutEnded(trust);
  const authority = (name: string, format?: 'bundle'): Record<string, unknown> => ({
    name,
    ...(format && { signatureFormat: format }),
    keyless: {
      url: trust.publicUrl,
      trustRootRef: NAME,
      identities: [{ issuer: trust.issuer, subject: trust.identity }],
    },
    ...timeOf(root),
  });
  return [
    {
      content: {
        apiVersion: 'policy.sigstore.dev/v1alpha1',
        kind: 'TrustRoot',
        metadata: { name: NAME },
        spec: {
          sigstoreKeys: {
            certificateAuthorities: root.certificateAuthorities.map(authorityOf),
            ctLogs: root.certificateLogs.map(logOf),
            ...(root.artifactLogs.length > 0 && { tLogs: root.artifactLogs.map(logOf) }),
            ...(root.timestampAuthorities.length > 0 && {
              timestampAuthorities: root.timestampAuthorities.map(authorityOf),
            }),
          },
        },
      },
    },
    {
      remark:
        'Judged are namespaces with the label policy.sigstore.dev/include=true alone.\nOne of the two authorities has to be satisfied: cosign 2 signs images in one form, cosign 3 in the other, which releases up to 0.13.1 do not read.',
      content: {
        apiVersion: 'policy.sigstore.dev/v1beta1',
        kind: 'ClusterImagePolicy',
        metadata: { name: NAME },
        spec: {
          images: [{ glob: '**' }],
          authorities: [authority('signature'), authority('bundle', 'bundle')],
        },
      },
    },
  ];
}

const NAME = 'mayfly';

/** Beside a timestamp authority it would demand no entry in the log. */
function timeOf({ artifactLogs: [log], timestampAuthorities }: TrustedRoot): Record<string, unknown> {
  if (log !== undefined) return { ctlog: { url: log.baseUrl, trustRootRef: NAME } };
  return timestampAuthorities.length > 0 ? { rfc3161timestamp: { trustRootRef: NAME } } : {};
}

const authorityOf = ({
  organization,
  commonName,
  uri,
  chain,
}: TrustedAuthority): Record<string, unknown> => ({
  subject: { organization, commonName },
  uri,
  certChain: toBase64(utf8(certificates(chain))),
});

const logOf = ({ baseUrl, publicKey }: TrustedLogInstance): Record<string, unknown> => ({
  baseURL: baseUrl,
  hashAlgorithm: 'sha-256',
  publicKey: toBase64(utf8(key(publicKey))),
});
