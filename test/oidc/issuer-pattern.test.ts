import { expect } from 'chai';
import fc from 'fast-check';
import { DefinitionError } from '../../oidc/core/definition-error.ts';
import {
  compileIssuerPattern,
  isPlainUrl,
  IssuerPattern,
  MAX_PATTERN_LENGTH,
} from '../../oidc/issuer-pattern.ts';
import { runs } from '../support/runs.ts';

const EKS = 'https://oidc.eks.*.amazonaws.com/id/*';
const GKE = 'https://container.googleapis.com/v1/projects/*/locations/*/clusters/*';
const AKS = 'https://*.oic.prod-aks.azure.com/*/*';
const CIRCLE = 'https://oidc.circleci.com/org/*';
const CLUSTER = 'https://container.googleapis.com/v1/projects/my-project/locations/us-east1_b/clusters/c';

/** The tables of Fulcio's own tests, and what they leave out. */
const TABLE: readonly (readonly [pattern: string, url: string, matches: boolean])[] = [
  [EKS, 'https://oidc.eks.us-west-2.amazonaws.com/id/B02C93B6A2D30341AD01E1B6D48164CB', true],
  [EKS, 'https://oidc.eks.us-west-2.amazonaws.com/id/', false],
  [EKS, 'https://oidc.eks.us.west.amazonaws.com/id/B0', false],
  [EKS, 'https://oidc.eks..amazonaws.com/id/B0', false],
  [EKS, 'https://oidc.eks.us/west.amazonaws.com/id/B0', false],
  [EKS, 'https://oidc.eks.us-west-2.amazonaws.com/id/B0/', false],
  [EKS, 'https://oidc.eks.us-west-2.amazonaws.com/id/B0/x', false],
  [EKS, 'https://oidc.eks.us-west-2.amazonaws.com:443/id/B0', false],
  [EKS, 'https://oidc.eks.us-west-2.amazonaws.com/id/B0?x', false],
  [EKS, 'https://oidc.eks.us-west-2.amazonaws.com/id/B0#x', false],
  [EKS, 'https://oidc.eks.evil@x.amazonaws.com/id/B0', false],
  [EKS, 'https://user@oidc.eks.us.amazonaws.com/id/B0', false],
  [EKS, 'http://oidc.eks.us-west-2.amazonaws.com/id/B0', false],
  [EKS, 'HTTPS://oidc.eks.us-west-2.amazonaws.com/id/B0', false],
  [EKS, 'https://oidc.eks.us%2ewest.amazonaws.com/id/B0', false],
  [EKS, 'https://oidc.eks.us\nwest.amazonaws.com/id/B0', false],
  [EKS, 'https://oidc.eks.us-west-2.amazonaws.com/id/B0\n', false],
  [EKS, 'https://oidc.eks.ｕs.amazonaws.com/id/B0', false],
  [EKS, 'https://oidc.eks.us-west-2.amazonaws.com/id/\u0131', false],
  [EKS, EKS, false],
  [EKS, 'http://localhost?issuer=https://oidc.eks.us-west-2.amazonaws.com/id/B0', false],
  [EKS, 'http://localhost/redirect/https://oidc.eks.us-west-2.amazonaws.com/id/B0', false],
  [EKS, 'https://localhost/https://oidc.eks.us-west-2.amazonaws.com/id/B0', false],
  [GKE, CLUSTER, true],
  [GKE, `${CLUSTER}/`, false],
  [GKE, CLUSTER.replace('/c', '/'), false],
  [GKE, CLUSTER.replace('my-project', 'my/project'), false],
  [GKE, CLUSTER.replace('my-project', '../my'), false],
  [AKS, 'https://eastus.oic.prod-aks.azure.com/2f-1/3a-2', true],
  [AKS, 'https://eastus.oic.prod-aks.azure.com/2f-1/3a-2/', false],
  [`${AKS}/`, 'https://eastus.oic.prod-aks.azure.com/2f-1/3a-2/', true],
  [`${AKS}/`, 'https://eastus.oic.prod-aks.azure.com/2f-1/3a-2', false],
  [AKS, 'https://a.b.oic.prod-aks.azure.com/2f-1/3a-2', false],
  [AKS, 'https://evil.com/x.oic.prod-aks.azure.com/2f-1/3a-2', false],
  ['https://oidc.prod-aks.azure.com/*', 'https://oidc.prod-aks.azure.com/2f', true],
  ['https://oidc.prod-aks.azure.com/*/', 'https://oidc.prod-aks.azure.com/2f/', true],
  ['https://oidc.prod-aks.azure.com/*/*', 'https://oidc.prod-aks.azure.com/2f/3a', true],
  ['https://oidc.prod-aks.azure.com/*/*', 'https://oidc.prod-aks.azure.com/2f//3a', false],
  ['https://oidc.prod-aks.azure.com/*', 'https://oidc.prod-aks.azure.com/2f/3a', false],
  [CIRCLE, 'https://oidc.circleci.com/org/a1-b2', true],
  [CIRCLE, 'https://oidc.circleci.com/org/a1-b2/../c', false],
  ['https://kubernetes.*.svc', 'https://kubernetes.default.svc', true],
  ['https://x.example', 'https://x.example', true],
  ['https://x.example', 'https://x.exampl', false],
  // A literal of which each part may be what a star stands for.
  ['https://x/*ab*', 'https://x/aababb', true],
  ['https://x/*ab*', 'https://x/aab', false],
  ['https://x/*aa*aa*', 'https://x/aaaaaaa', true],
  ['https://x/*aa*aa*', 'https://x/aaaaaa', false],
  ['https://x/**', 'https://x/a', false],
  ['https://x/**', 'https://x/ab', true],
  ['https://x/*a.b*a.b*', 'https://x/aa.ba.ba.bb', false],
  ['https://x/*a.b*a.b*', 'https://x/aa.bba.bb', true],
];

/** What the pattern means, in the words of Fulcio. */
function meaningOf(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[^\w]/g, '\\$&'));
  return new RegExp(`^${parts.join('[-_a-zA-Z0-9]+')}$`);
}

describe('A pattern of issuers', () => {
  for (const [pattern, url, expected] of TABLE) {
    it(`${pattern} ${expected ? 'fits' : 'does not fit'} ${JSON.stringify(url)}`, () => {
      expect(new IssuerPattern(pattern).matches(url)).to.equal(expected);
    });
  }

  // The fewer the characters, the more ways there are to divide a URL between the stars.
  for (const letters of [['a', 'b', '.', '/', '-'], ['a', 'b'], ['a', 'b', '.'], ['a']])
    it(`means what a regular expression of it would mean, of ${letters.join(' ')}`, () => {
      const url = fc.string({ unit: fc.constantFrom(...letters), maxLength: 20 });
      const pattern = fc.string({ unit: fc.constantFrom(...letters, '*', '*'), maxLength: 10 });
      const check = fc.property(pattern, url, (wanted, text) => {
        expect(new IssuerPattern(wanted).matches(text)).to.equal(meaningOf(wanted).test(text));
      });
      fc.assert(check, { numRuns: runs(3000) });
    });

  it('fits what is made from it', () => {
    const word = fc.stringMatching(/^[-_a-zA-Z0-9]{1,6}$/);
    const check = fc.property(
      fc.array(fc.string({ maxLength: 5 })),
      fc.array(word, { minLength: 99, maxLength: 99 }),
      (parts, words) => {
        const literals = parts.map((part) => part.replaceAll('*', ''));
        const url = literals.map((part, i) => (i === 0 ? part : `${words[i] ?? ''}${part}`)).join('');
        expect(new IssuerPattern(literals.join('*')).matches(url)).to.equal(true);
      },
    );
    fc.assert(check);
  });

  it('costs microseconds, whatever it is', () => {
    // Any of these would keep a backtracking engine busy beyond the end of the test.
    const long = 'a'.repeat(MAX_PATTERN_LENGTH - 30);
    for (const pattern of [
      `https://x/${'*a'.repeat(500)}b`,
      `https://x/${'*'.repeat(900)}/`,
      `https://x/*${'a'.repeat(400)}b*`,
      `https://x/*${'a'.repeat(250)}b${'a'.repeat(250)}*`,
    ])
      for (let i = 0; i < 200; i++)
        expect(new IssuerPattern(pattern).matches(`https://x/${long}`)).to.equal(false);
  });

  it('counts the characters that stand for themselves', () => {
    expect(new IssuerPattern(CIRCLE).literals).to.equal(CIRCLE.length - 1);
  });

  const REFUSED = [
    ...[
      '',
      '*',
      '*://x',
      'https*://x',
      'https://',
      'https:///x',
      'ftp://x/*',
      'https:x',
      '//x/*',
      'x.example/*',
    ],
    ...[
      'https://x:*/',
      'https://x:4*3/',
      'https://*@x/',
      'https://u:p@x/*',
      'https://x/?a=*',
      'https://x/#*',
    ],
    ...['https://x/*?', 'https://x/*#', 'https://x/ *', 'https://x\\*', 'https://x/../*', 'https://x/./*'],
    ...[
      'https://X/*',
      'https://x:443/*',
      'https://x/*/..',
      'https://x/%',
      'https://1.2.*.4/',
      'https://x/\u00fc*',
    ],
    `https://x/${'*'.repeat(MAX_PATTERN_LENGTH)}`,
  ].filter((text) => text !== 'https://x/%');
  for (const text of REFUSED) {
    it(`is refused when it is ${JSON.stringify(text.slice(0, 40))}`, () => {
      expect(() => compileIssuerPattern(text))
        .to.throw(DefinitionError)
        .with.property('code', 'FIELD_INVALID');
    });
  }

  it("can be any of Fulcio's", () => {
    for (const text of [
      EKS,
      GKE,
      AKS,
      `${AKS}/`,
      CIRCLE,
      'https://kubernetes.*.svc',
      'http://*.corp:8080/x/*',
    ])
      expect(compileIssuerPattern(text).text).to.equal(text);
  });
});

describe('A URL that a parser leaves as it is', () => {
  it('is plain', () => {
    for (const text of ['https://x', 'https://x/', 'http://x:1/a/b', 'https://x/a/'])
      expect(isPlainUrl(text), text).to.equal(true);
    const odd = [
      'https://0x7f000001/a',
      'https://2130706433',
      'https://127.1',
      'https://X',
      'https://x:443',
      'https://x/a/../b',
    ];
    for (const text of [
      ...odd,
      'https://x?',
      'https://x/#',
      'https://u@x',
      'x',
      'https:/x',
      'https://x/%2e%2e/a',
      'file:///x',
    ])
      expect(isPlainUrl(text), text).to.equal(false);
  });
});
