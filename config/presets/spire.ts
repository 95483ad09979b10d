import { hostBlank, type Preset } from './preset.ts';

/** SPIRE. */
export const spire: Preset = {
  name: 'spire',
  title: 'SPIFFE (SPIRE)',
  about: [
    'Workloads of one trust domain, by their SPIFFE id (JWT-SVID).',
    'The SPIRE server needs `jwt_issuer` set to the URL below, where its OIDC discovery provider answers: without it the tokens do not say who issued them.',
  ],
  blanks: [
    hostBlank('host name of the OIDC discovery provider', 'oidc.acme.example'),
    { name: 'trust-domain', about: 'the trust domain', example: 'acme.example', unset: 'edit-me.example' },
    { name: 'namespace', about: 'namespace of the workloads that may sign', example: 'build' },
  ],
  issuer: 'https://%host%',
  type: 'spiffe',
  fields: { 'spiffe-trust-domain': '%trust-domain%' },
  claims: [['sub', 'the SPIFFE id; what its path says is decided by your registration entries']],
  rules: [
    {
      name: 'our-namespace',
      effect: 'allow',
      expression: 'claims.sub.startsWith("spiffe://%trust-domain%/ns/%namespace%/sa/")',
      why: 'With the slash at the end, else namespaces whose names begin alike are in.',
    },
  ],
  token: 'beside the workload: `spire-agent api fetch jwt -audience %audience%`',
};
