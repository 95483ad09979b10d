import { plainTrust, type AdmissionDocument, type AdmissionTrust } from './admission-trust.ts';

/** For Connaisseur: the part of its Helm values with a validator and the policy that names it. */
export function connaisseur(trust: AdmissionTrust): readonly AdmissionDocument[] {
  const { chains, roots, intermediates, logs, artifactLogs } = plainTrust(trust);
  const [rekorPubkey] = artifactLogs;
  return [
    {
      remark: 'Connaisseur knows one certificate log; this is the one in use.',
      content: {
        application: {
          validators: [
            {
              name: 'mayfly',
              type: 'cosign',
              host: {
                fulcioCert: chains.length === 1 ? chains.join('') : intermediates + roots,
                ctLogPubkey: logs[0],
                ...(rekorPubkey !== undefined && { rekor: trust.root.artifactLogs[0]?.baseUrl, rekorPubkey }),
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
                verifyInTransparencyLog: rekorPubkey !== undefined,
                verifySCT: true,
              },
            },
          ],
        },
      },
    },
  ];
}
