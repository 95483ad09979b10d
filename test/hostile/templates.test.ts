/** Attacks on templates: a claim is text, whatever it looks like, and a certificate has a largest size. */
import { expect } from 'chai';
import * as x509 from '../../ca/x509.ts';
import { GITHUB_PROVIDER } from '../../oidc/types/github-provider.ts';
import { githubClaims } from '../support/github-claims.ts';
import { githubDefinition } from '../support/issuer-definitions.ts';
import { bodyV2, clientKey, post, refusalOf } from '../support/test-service.ts';
import { issuerBlock, startWorld, type World } from './support/world.ts';

const PROVIDER = {
  ...GITHUB_PROVIDER,
  defaults: new Map([['url', 'https://github.com']]),
  pinned: new Map([['host', 'https://ci.example']]),
  subjectTemplate: '{{ .host }}/{{ .job_workflow_ref }}',
  extensionTemplates: new Map([
    ...GITHUB_PROVIDER.extensionTemplates,
    [23, '{{ if eq .a "x" }}{{ .a }}{{ else }}no{{ end }}'],
  ]),
};

/** Changes to the claims, and the name in the certificate, or the reason. */
const ROWS: readonly (readonly [
  what: string,
  changes: Readonly<Record<string, unknown>>,
  outcome: string,
])[] = [
  ['an action', { job_workflow_ref: '{{ .sub }}' }, 'https://ci.example/%7B%7B%20.sub%20%7D%7D'],
  ['half an action', { job_workflow_ref: '{{' }, 'https://ci.example/%7B%7B'],
  ['an action that ends ours', { job_workflow_ref: '}}x{{' }, 'https://ci.example/%7D%7Dx%7B%7B'],
  ['a path upwards', { job_workflow_ref: '../../evil.example' }, 'https://ci.example/../../evil.example'],
  ['another host', { job_workflow_ref: '@evil.example/a' }, 'https://ci.example/@evil.example/a'],
  ['the pinned value', { host: 'https://evil.example', job_workflow_ref: 'a' }, 'https://ci.example/a'],
  [
    'the prototype of the values',
    { __proto__: null, job_workflow_ref: 'a', constructor: 'x' },
    'https://ci.example/a',
  ],
  ['a line break', { job_workflow_ref: 'a\nb' }, 'IDENTITY_REFUSED'],
  ['a NUL', { job_workflow_ref: 'a\0b' }, 'IDENTITY_REFUSED'],
  ['half an escape', { job_workflow_ref: 'a%' }, 'IDENTITY_REFUSED'],
  ['15 KB', { job_workflow_ref: 'a'.repeat(15_000) }, 'IDENTITY_TOO_LARGE'],
  ['15 KB in another claim', { repository: 'a'.repeat(15_000) }, 'IDENTITY_TOO_LARGE'],
  ['a list', { job_workflow_ref: ['a', 'b'] }, 'TEMPLATE_FAILED'],
  ['an object', { job_workflow_ref: { b: 1, a: [null] } }, 'TEMPLATE_FAILED'],
  ['null', { job_workflow_ref: null }, 'TEMPLATE_FAILED'],
  ['no text', { job_workflow_ref: '' }, 'TEMPLATE_FAILED'],
  ['15 levels', { job_workflow_ref: JSON.parse(`${'['.repeat(14)}${']'.repeat(14)}`) }, 'TEMPLATE_FAILED'],
  ['a number of 300 digits', { job_workflow_ref: 1e300 }, 'TEMPLATE_FAILED'],
  ['a number that JSON rounds', { job_workflow_ref: 2 ** 53 }, 'TEMPLATE_FAILED'],
  ['a number', { job_workflow_ref: 2 ** 53 - 1 }, 'https://ci.example/9007199254740991'],
  ['an escape for a letter', { job_workflow_ref: 'rel%C3%A4' }, 'IDENTITY_REFUSED'],
  ['the letter', { job_workflow_ref: 'relä' }, 'https://ci.example/rel%C3%A4'],
  ['nothing', { job_workflow_ref: undefined }, 'TEMPLATE_FAILED'],
  ['nothing in a comparison', { a: undefined }, 'TEMPLATE_FAILED'],
];

describe('hostile: claims in templates', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      issuers: (url) => [issuerBlock(githubDefinition(url, { ciProvider: PROVIDER }))],
    });
  });
  after(() => world.close());

  for (const [what, changes, outcome] of ROWS) {
    it(`${what}: ${outcome.slice(0, 80)}`, async () => {
      const claims = githubClaims({ a: 'a', ...changes });
      const body = bodyV2(await world.issuer.sign(claims), clientKey(String(claims['sub'])));
      const response = await post(`${world.service.url}/api/v2/signingCert`, body);
      if (response.status !== 200) {
        expect((await refusalOf(response)).details[0].reason).to.equal(outcome);
        return;
      }
      const answer = (await response.json()) as {
        signedCertificateEmbeddedSct: { chain: { certificates: [string] } };
      };
      const [pem] = answer.signedCertificateEmbeddedSct.chain.certificates;
      const names = new x509.X509Certificate(pem).getExtension(x509.SubjectAlternativeNameExtension)?.names;
      expect(names?.toJSON()).to.deep.equal([{ type: 'url', value: outcome }]);
    });
  }
});
