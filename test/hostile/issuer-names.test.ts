/** Attacks on who the issuer is: an `iss` is the URL of an issuer block to the letter, or nothing is fetched. */
import { expect } from 'chai';
import { createDocumentFetcher, type DocumentFetcher } from '../../oidc/keys/fetch-document.ts';
import { IssuerFault } from '../../oidc/keys/issuer-fault.ts';
import { emailDefinition } from '../support/issuer-definitions.ts';
import { rawToken } from '../support/raw-token.ts';
import { attack, itRefuses, outcomeOf, shown, type Attack } from './support/attack.ts';
import { issuerBlock, startWorld, type World } from './support/world.ts';

/** Entries beside the one that answers. */
const EXACT = 'https://issuer.example.com/tenant';
/** The patterns of Fulcio's public instance, and one with a port. */
const PATTERNS = [
  'https://oidc.eks.*.amazonaws.com/id/*',
  'https://*.oic.prod-aks.azure.com/*/*',
  'https://token.actions.githubusercontent.com/*',
  'http://*.internal.example:8080/*',
  'https://*.*.*.*.*.*',
];

const HEADER = { alg: 'ES256', kid: 'k' };
const named = (iss: unknown): string => rawToken(HEADER, { iss, aud: 'sigstore' });

/** Other spellings of {@link EXACT}, or URLs that some parser would take for it. */
const SPELLINGS: readonly string[] = [
  ...[
    `${EXACT}/`,
    `${EXACT}//`,
    `${EXACT}?`,
    `${EXACT}#`,
    `${EXACT}?a=b`,
    `${EXACT}#a`,
    ` ${EXACT}`,
    `${EXACT} `,
  ],
  ...[
    `${EXACT}\n`,
    `${EXACT}\0`,
    `${EXACT}/.`,
    `${EXACT}/../tenant`,
    `${EXACT};x`,
    `${EXACT}%00`,
    `\ufeff${EXACT}`,
  ],
  'https://user@issuer.example.com/tenant',
  'https://user:password@issuer.example.com/tenant',
  'https://issuer.example.com@evil.example/tenant',
  'https://evil.example#@issuer.example.com/tenant',
  'https://evil.example\\@issuer.example.com/tenant',
  'https://evil.example/https://issuer.example.com/tenant',
  'https://issuer.example.com:443/tenant',
  'https://issuer.example.com:/tenant',
  'https://issuer.example.com:8443/tenant',
  'https://issuer.example.com./tenant',
  'https://issuer.example.com.evil.example/tenant',
  'https://evil-issuer.example.com/tenant',
  'https://Issuer.example.com/tenant',
  'HTTPS://issuer.example.com/tenant',
  'https://issuer.example.com/Tenant',
  'https://issuer.example.com/%74enant',
  'https://issuer.example.com%2ftenant',
  'https:\\\\issuer.example.com\\tenant',
  'https:/issuer.example.com/tenant',
  'https:issuer.example.com/tenant',
  '//issuer.example.com/tenant',
  'issuer.example.com/tenant',
  'http://issuer.example.com/tenant',
  'ftp://issuer.example.com/tenant',
  'https://ıssuer.example.com/tenant',
  'https://іssuer.example.com/tenant',
  'https://issuer。example.com/tenant',
  'https://issuer.example.com／tenant',
  'https://ｉssuer.example.com/tenant',
  'https://iss\u00aduer.example.com/tenant',
  'https://iss\tuer.example.com/tenant',
  'https://\u202eissuer.example.com/tenant',
];

/** What GHSA-59jp-pj84-45mr reached in Fulcio by patterns that were not anchored, and its relatives. */
const PATTERN_ATTACKS: readonly string[] = [
  'http://169.254.169.254/latest/meta-data/?x=https://oidc.eks.a.amazonaws.com/id/b',
  'http://169.254.169.254/#https://oidc.eks.a.amazonaws.com/id/b',
  'https://evil.example/https://oidc.eks.a.amazonaws.com/id/b',
  'https://evil.example?https://oidc.eks.a.amazonaws.com/id/b',
  'https://oidc.eks.evil.example/x.amazonaws.com/id/b',
  'https://oidc.eks.evil.example#.amazonaws.com/id/b',
  'https://oidc.eks.evil.example?.amazonaws.com/id/b',
  'https://oidc.eks.evil.example\\.amazonaws.com/id/b',
  'https://oidc.eks.a.b.amazonaws.com/id/c',
  'https://oidc.eks..amazonaws.com/id/c',
  'https://oidc.eks.a.amazonaws.com/id/',
  'https://oidc.eks.a.amazonaws.com/id/b/',
  'https://oidc.eks.a.amazonaws.com/id/b/c',
  'https://oidc.eks.a.amazonaws.com/id/b?c',
  'https://oidc.eks.a.amazonaws.com/id/b#c',
  'https://oidc.eks.a.amazonaws.com/id/b\n',
  'https://oidc.eks.a.amazonaws.com/id/b.evil.example',
  'https://oidc.eks.a.amazonaws.com:22/id/b',
  'https://oidc.eks.u@a.amazonaws.com/id/b',
  'https://u:p@oidc.eks.a.amazonaws.com/id/b',
  'https://oidc.eks.a%2eb.amazonaws.com/id/b',
  'https://oidc.eks.ä.amazonaws.com/id/b',
  'https://oidcXeksXaXamazonaws.com/id/b',
  'xhttps://oidc.eks.a.amazonaws.com/id/b',
  'http://oidc.eks.a.amazonaws.com/id/b',
  'HTTPS://oidc.eks.a.amazonaws.com/id/b',
  'https://OIDC.eks.a.amazonaws.com/id/b',
  'https://oidc.eks.A.amazonaws.com/id/b',
  'https://token.actions.githubusercontent.com/..',
  'https://token.actions.githubusercontent.com/a/../b',
  'https://token.actions.githubusercontent.com/.well-known',
  'http://a.internal.example:80/b',
  'http://a.internal.example/b',
  'http://a.internal.example:8080@evil.example/b',
  'https://*.oic.prod-aks.azure.com/*/*',
  'https://0x7f.0.0.1.0.1',
  'https://a.b.c.d.e.127',
  'https://a.b.c.d.e.0x7f',
  `https://${'a.'.repeat(400)}b`,
  `https://${'a'.repeat(1100)}.b.c.d.e.f`,
  `https://${'-'.repeat(900)}`,
];

const WRONG: readonly unknown[] = [
  undefined,
  null,
  7,
  true,
  [],
  [EXACT],
  { url: EXACT },
  { toString: EXACT },
];

describe('hostile: names of issuers', () => {
  let world: World;
  const asked: string[] = [];
  /** Nobody but the issuer of the honest tokens is to be asked; who is asked all the same is written down. */
  const createFetcher = (): DocumentFetcher => {
    const real = createDocumentFetcher();
    return {
      fetch: (url, limits) => {
        if (url.hostname === '127.0.0.1') return real.fetch(url, limits);
        asked.push(url.href);
        return Promise.reject(new IssuerFault('UNREACHABLE', 'nobody is there'));
      },
      close: () => real.close(),
    };
  };

  before(async () => {
    world = await startWorld({
      context: { createFetcher },
      issuers: (own) =>
        [own, EXACT, ...PATTERNS].map((url) =>
          issuerBlock(emailDefinition(url, { name: url, isMeta: url.includes('*') })),
        ),
    });
  });
  after(() => world.close());

  const ATTACKS: readonly Attack[] = [
    ...SPELLINGS.map((iss) => attack(JSON.stringify(iss), named(iss), 'ISSUER_UNKNOWN')),
    ...PATTERN_ATTACKS.map((iss) => attack(JSON.stringify(iss.slice(0, 80)), named(iss), 'ISSUER_UNKNOWN')),
    ...[
      '__proto__',
      'constructor',
      '',
      '*',
      'null',
      'undefined',
      'javascript:alert(1)',
      'file:///etc/passwd',
    ].map((iss) => attack(JSON.stringify(iss), named(iss), 'ISSUER_UNKNOWN')),
    attack('23 KB', named(`https://issuer.example.com/${'a'.repeat(23_000)}`), 'ISSUER_UNKNOWN'),
    attack('23 KB of slashes', named(`https:${'/'.repeat(23_000)}`), 'ISSUER_UNKNOWN'),
    attack('23 KB of dots', named(`https://${'.'.repeat(23_000)}`), 'ISSUER_UNKNOWN'),
    ...WRONG.map((iss) => attack(shown(iss), named(iss), 'CLAIM_MISSING')),
    attack('under another name of the claim', rawToken(HEADER, { Iss: EXACT, ISS: EXACT }), 'CLAIM_MISSING'),
  ];

  itRefuses(() => world, ATTACKS);

  it('and fetches nothing for all that, though the issuers of the blocks would be asked', async () => {
    expect(asked).to.deep.equal([]);
    expect(await outcomeOf(world, named(EXACT))).to.equal('ISSUER_UNREACHABLE');
    expect(await outcomeOf(world, named('https://oidc.eks.a.amazonaws.com/id/b'))).to.equal(
      'ISSUER_UNREACHABLE',
    );
    expect(asked).to.have.length(2);
  });
});
