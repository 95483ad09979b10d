import { hostBlank, type Preset } from './preset.ts';

/** Jenkins with the plugin oidc-provider. */
export const jenkins: Preset = {
  name: 'jenkins',
  title: 'Jenkins',
  about: [
    'Builds on a Jenkins with the plugin "OpenID Connect Provider". The certificate names the URL of the job ("sub").',
    'A Jenkins that this service cannot reach: save its /oidc/jwks as a file and name it under mayfly as jwks-file. One with a certificate of a private CA: ca-cert. The claim templates of the plugin are set by its administrators and folders; rules here trust "sub" alone.',
  ],
  blanks: [
    hostBlank('host name (and path, if any) of your Jenkins', 'jenkins.acme.example'),
    {
      name: 'folder',
      about: 'folder whose jobs may sign, as in its URL: /job/FOLDER/',
      example: 'release',
    },
  ],
  issuer: 'https://%host%/oidc',
  type: 'uri',
  fields: { 'subject-domain': 'https://%host%' },
  claims: [
    ['sub', 'URL of the job; "Per-build" tokens of the plugin keep this form by default'],
    ['build_number', 'number of the build'],
  ],
  rules: [
    {
      name: 'our-folder',
      effect: 'allow',
      expression: 'claims.sub.startsWith("https://%host%/job/%folder%/")',
      why: 'With the slash at the end, else folders whose names begin alike are in.',
    },
  ],
  token:
    'a credential "OpenID Connect id token" with the audience %audience%, bound in the job: `withCredentials([string(credentialsId: "mayfly", variable: "SIGSTORE_ID_TOKEN")])`',
};
