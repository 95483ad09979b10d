import { ONE_LOG, plainTrust, type AdmissionDocument, type AdmissionTrust } from './admission-trust.ts';

/** For Connaisseur: the part of its Helm values with a validator and the policy that names it. */
export function connaisseur(trust: AdmissionTrust): readonly AdmissionDocument[] {
  const { chains, roots, intermediates, logs, artifactLogs } = plainTrust(trust);
  const [rekor] = artifactLogs;
  return [
    {
      remark: `Connaisseur knows one certificate log; this is the one in use. ${ONE_LOG}`,
      content: {
        application: {
          validators: [
            {
              name: 'mayfly',
              type: 'cosign',
              host: {
                fulcioCert: chains.length === 1 ? chains.join('') : intermediates + roots,
                ctLogPubkey: logs[0],
                ...(rekor !== undefined && { rekor: rekor.url, rekorPubkey: rekor.key }),
              },
              trustRoots: [{ name: 'default', keyless: { issuer: trust.issuer, subject: trust.identity } }],
            },
          ],
          policy: [
            {
              pattern: '*:*',
              validator: 'mayfly',
              with: {
                trustRoot: 'default',
                verifyInTransparencyLog: rekor !== undefined,
                verifySCT: true,
              },
            },
          ],
        },
      },
    },
  ];
}
