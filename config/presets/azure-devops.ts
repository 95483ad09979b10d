import type { Preset } from './preset.ts';

const DEFINITION = '{{ .url }}/{{ .prj_id }}/_build?definitionId={{ .def_id }}';

/** Azure Pipelines. */
export const azureDevops: Preset = {
  name: 'azure-devops',
  title: 'Azure DevOps',
  about: [
    'Runs of pipelines of one organisation on Azure DevOps.',
    'Its tokens have one fixed audience, which they share with federation into Azure: a service that is sent such a token for that can use it here, and the reverse. Keep it in the job that signs. All organisations share keys, so the rule compares the organisation too. Tokens of service connections (sc://...) lack these claims and are refused.',
  ],
  blanks: [
    { name: 'org', about: 'your organisation, as in https://dev.azure.com/ORG', example: 'acme' },
    {
      name: 'org-id',
      about: 'UUID of your organisation: "org_id" of a token, or the last part of its "iss"',
      example: '6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e',
    },
    {
      name: 'repository-id',
      about: 'UUID of the repository that may sign: `az repos show --repository NAME --query id`',
      example: '0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9',
    },
  ],
  issuer: 'https://vstoken.dev.azure.com/%org-id%',
  audiences: ['api://AzureADTokenExchange'],
  type: 'ci-provider',
  provider: {
    name: 'azure-devops-pipeline',
    pinned: new Map([['url', 'https://dev.azure.com/%org%']]),
    defaults: new Map(),
    subjectTemplate: DEFINITION,
    extensionTemplates: new Map([
      [9, DEFINITION],
      [12, 'rpo_uri'],
      [13, 'rpo_ver'],
      [14, 'rpo_ref'],
      [15, 'rpo_id'],
      [16, '{{ .url }}'],
      [17, 'org_id'],
      [18, DEFINITION],
      [21, '{{ .url }}/{{ .prj_id }}/_build/results?buildId={{ .run_id }}'],
    ]),
  },
  claims: [
    ['org_id', 'UUID of the organisation'],
    ['prj_id, def_id', 'UUID of the project and number of the pipeline: the name in the certificate'],
    ['rpo_id', 'UUID of the repository; stays through renames'],
    ['rpo_ref', 'what was checked out: refs/heads/BRANCH, refs/tags/TAG or refs/pull/N/merge'],
    ['sub', 'p://ORGANISATION/PROJECT/PIPELINE, names that can change'],
  ],
  rules: [
    {
      name: 'our-repository-main-branch',
      effect: 'allow',
      expression:
        'claims.org_id == "%org-id%" && claims.rpo_id == "%repository-id%" && claims.rpo_ref == "refs/heads/main"',
      why: 'By id, because names are given to others.',
    },
  ],
  token:
    'in a step with SYSTEM_ACCESSTOKEN in its env: `curl -s -X POST -H "Authorization: Bearer $SYSTEM_ACCESSTOKEN" -H "Content-Length: 0" "$SYSTEM_OIDCREQUESTURI?api-version=7.1" | jq -r .oidcToken`',
};
