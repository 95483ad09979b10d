/** Names are compared as a whole: whatever is one letter more, less or other, at either end, is another name. */
import { expect } from 'chai';
import type { Authenticator } from '../../../oidc/authenticate.ts';
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import type { Principal } from '../../../oidc/core/principal.ts';
import { GITHUB_PROVIDER } from '../../../oidc/types/github-provider.ts';
import { hostMismatch } from '../../../oidc/types/subject-domain.ts';
import { githubClaims } from '../../support/github-claims.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { standingIn } from '../../support/standing-in.ts';
import { TYPED_TOKENS } from '../../support/typed-tokens.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';

/** Names beside `name`, a host of two labels at least. */
const beside = (name: string): string[] => [
  ...[`evil-${name}`, `evil${name}`, `evil.${name}`, `-${name}`, `.${name}`],
  ...[`${name}.evil.example`, `${name}-evil.example`, `${name}evil`, `${name}.`, `${name}-`],
  ...[name.slice(1), name.slice(0, -1), name.slice(name.indexOf('.') + 1), name.slice(0, name.indexOf('.'))],
  ...[name.replace('.', '-'), name.replace('.', ''), name.replace('.', '.evil.')],
];

type Claims = Readonly<Record<string, unknown>>;

const HOST = 'ci.example.com';
const URL_OF_ISSUER = `https://${HOST}`;

describe('A name', () => {
  let issuer: TestIssuer;
  before(async () => (issuer = await startIssuer()));
  after(() => issuer.close());

  const doors: Authenticator[] = [];
  afterEach(async () => {
    for (const door of doors.splice(0)) await door.close();
  });

  /** Who a token with these claims names, at an issuer of that kind. */
  function opened(changes: Partial<IssuerDefinition>): (claims: Claims) => Promise<Principal> {
    const door = createAuthenticator({
      issuers: [emailDefinition(URL_OF_ISSUER, changes)],
      clock: Date.now,
      createFetcher: standingIn(issuer, URL_OF_ISSUER),
    });
    doors.push(door);
    return async (claims) =>
      (await door.identify(await issuer.sign({ iss: URL_OF_ISSUER, ...claims }))).principal;
  }

  const EMAIL = { email: 'alice@example.com', email_verified: true };
  const allowed = { issuerClaim: '$.via', issuerClaimValues: [HOST] };

  /** What is compared with {@link HOST}, and the refusal of another one. */
  const COMPARED: Record<
    string,
    readonly [definition: Partial<IssuerDefinition>, claims: (name: string) => Claims, code: string]
  > = {
    'the host of a URI': [
      { type: 'uri', subjectDomain: URL_OF_ISSUER },
      (name) => ({ sub: `https://${name}/alice` }),
      'IDENTITY_REFUSED',
    ],
    'the trust domain of a SPIFFE ID': [
      { type: 'spiffe', spiffeTrustDomain: HOST },
      (name) => ({ sub: `spiffe://${name}/alice` }),
      'IDENTITY_REFUSED',
    ],
    'an audience': [{ audiences: [HOST] }, (name) => ({ ...EMAIL, aud: name }), 'AUDIENCE_MISMATCH'],
    'the value of an issuer claim': [
      { ...allowed },
      (name) => ({ ...EMAIL, via: name }),
      'ISSUER_CLAIM_REFUSED',
    ],
    'an issuer': [{}, (name) => ({ ...EMAIL, iss: `https://${name}` }), 'ISSUER_UNKNOWN'],
  };
  for (const [what, [definition, claims, code]] of Object.entries(COMPARED))
    it(`is compared from its first to its last letter: ${what}`, async () => {
      const principalOf = opened(definition);
      expect((await principalOf(claims(HOST))).issuer).to.be.a('string');
      for (const name of beside(HOST))
        expect(await failureOf(() => principalOf(claims(name))), name)
          .to.have.property('code')
          .that.equals(code);
    });

  it('has the scheme of its issuer, not one that begins or ends like it', async () => {
    const principalOf = opened({ type: 'uri', subjectDomain: URL_OF_ISSUER });
    for (const scheme of ['http', 'httpss', 'shttps', 'ttps', 'https+x', 'h'])
      expect(await failureOf(() => principalOf({ sub: `${scheme}://${HOST}/alice` })), scheme)
        .to.have.property('message')
        .that.contains(`scheme of the token's subject is "${scheme}"`);
  });

  it('belongs to an issuer by its last two labels, and each of them whole', () => {
    for (const [subject, other] of [
      ['example.com', 'example.com'],
      ['a.example.com', 'example.com'],
      ['a.example.com', 'b.c.example.com'],
    ] as const) {
      expect(hostMismatch(subject, other)).to.equal(undefined);
      expect(hostMismatch(other, subject)).to.equal(undefined);
    }
    for (const name of beside('example.com').filter((one) => !one.endsWith('.example.com'))) {
      expect(hostMismatch(name, 'example.com'), name).to.be.a('string');
      expect(hostMismatch('example.com', name), name).to.be.a('string');
    }
  });

  /** Each type with a good token. That of Chainguard names people by an address beside the subject. */
  const TYPES: readonly (readonly [Partial<IssuerDefinition>, Claims & { readonly sub: string }])[] = [
    [{ type: 'email' }, { ...EMAIL, sub: 'alice' }],
    [{ type: 'uri', subjectDomain: URL_OF_ISSUER }, { sub: `${URL_OF_ISSUER}/alice` }],
    [
      { type: 'ci-provider', ciProvider: GITHUB_PROVIDER },
      { ...githubClaims(), sub: 'repo:octo-org/octo' },
    ],
    ...TYPED_TOKENS.filter(
      ({ definition }) => !['username', 'chainguard-identity'].includes(definition.type),
    ).map(({ definition, claims }) => [definition, claims] as const),
  ];
  for (const [definition, claims] of TYPES)
    it(`is proven by what the type says and by nothing beside: ${definition.type ?? ''}`, async () => {
      const principalOf = opened(definition);
      const proofs = async (more: Claims): Promise<unknown[]> => {
        const { challenge, alternativeChallenge } = await principalOf({ ...claims, ...more });
        return [challenge, alternativeChallenge];
      };
      if (definition.type === 'email') {
        expect(await proofs({})).to.deep.equal([EMAIL.email, undefined]);
        return;
      }
      expect(await proofs({})).to.deep.equal([claims.sub, undefined]);
      for (const verified of [false, 'false', undefined, null, 1, 'yes'])
        expect(await proofs({ ...EMAIL, email_verified: verified }), String(verified)).to.deep.equal([
          claims.sub,
          undefined,
        ]);
      expect(await proofs(EMAIL)).to.deep.equal([claims.sub, EMAIL.email]);
    });
});
