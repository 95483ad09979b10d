import { expect } from 'chai';
import fc from 'fast-check';
import type { Authenticator } from '../../../oidc/authenticate.ts';
import { ISSUER_TYPES } from '../../../oidc/core/issuer-definition.ts';
import { compileIssuer } from '../../../oidc/types/issuer-types.ts';
import type { Principal } from '../../../oidc/core/principal.ts';
import { TokenError } from '../../../oidc/core/token-error.ts';
import type { VerifiedToken } from '../../../oidc/verify-token.ts';
import { emailDefinition, githubDefinition } from '../../support/issuer-definitions.ts';
import { startIssuer } from '../../support/oidc-issuer.ts';
import type { TestIssuer } from '../../support/oidc-issuer.ts';
import { TYPED_TOKENS } from '../../support/typed-tokens.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';
import { runs } from '../../support/runs.ts';

type Claims = Readonly<Record<string, unknown>>;

describe('A token of an issuer', () => {
  let issuer: TestIssuer;
  before(async () => (issuer = await startIssuer()));
  after(() => issuer.close());

  for (const { definition, claims, san, challenge, extensions, ...ways } of TYPED_TOKENS) {
    describe(`of type ${definition.type}`, () => {
      let door: Authenticator;
      before(() => {
        door = createAuthenticator({ issuers: [emailDefinition(issuer.url, definition)], clock: Date.now });
      });
      after(() => door.close());

      const named = (text: string): string => text.replace('{issuer}', issuer.url);
      const principal = async (changes: Claims = {}): Promise<Principal> =>
        (await door.identify(await issuer.sign({ ...claims, ...changes }))).principal;

      async function refusal(changes: Claims): Promise<TokenError> {
        const error = await failureOf(() => principal(changes));
        expect(error).to.be.instanceOf(TokenError);
        return error as TokenError;
      }

      it('has name, proof and extensions', async () => {
        const made = await principal();
        expect(made.issuer).to.equal(issuer.url);
        expect(made.subject).to.equal(claims.sub);
        expect(made.challenge).to.equal(challenge ?? claims.sub);
        expect(made.san).to.deep.equal({ ...san, value: named(san.value) });
        const wanted = { ...extensions, 1: issuer.url, 8: issuer.url, 24: claims.sub };
        expect(Object.fromEntries(made.extensions)).to.deep.equal(wanted);
      });

      for (const name of ways.required) {
        it(`is refused without ${name}`, async () => {
          for (const value of [undefined, null, '']) {
            expect((await refusal({ [name]: value })).code, String(value)).to.equal('CLAIM_MISSING');
          }
        });
      }

      for (const name of [...ways.required, ...ways.optional]) {
        it(`is refused when ${name} is no text`, async () => {
          for (const value of [7, true, ['x'], { a: 'x' }]) {
            expect((await refusal({ [name]: value })).code, JSON.stringify(value)).to.equal('CLAIM_INVALID');
          }
        });
      }

      for (const name of ways.optional) {
        it(`is taken without ${name}, and what would come of it is left out`, async () => {
          for (const value of [undefined, null, '']) {
            for (const [, text] of (await principal({ [name]: value })).extensions)
              expect(text).not.to.equal('');
          }
        });
      }

      for (const [title, changes, reason] of ways.refused) {
        it(`is refused with ${title}`, async () => {
          expect((await refusal(changes)).code).to.equal(reason);
        });
      }

      for (const [title, changes, name] of ways.taken) {
        it(`is taken with ${title}`, async () => {
          expect((await principal(changes)).san.value).to.equal(named(name));
        });
      }

      if (definition.type !== 'chainguard-identity') {
        it('may be proven with its verified address instead', async () => {
          const address = { email: 'sue@example.com', email_verified: true };
          expect((await principal(address)).alternativeChallenge).to.equal('sue@example.com');
          expect((await principal()).alternativeChallenge).to.equal(undefined);
        });
      }
    });
  }

  it('of type chainguard-identity is proven with its address when it has one, and with nothing else', async () => {
    const definition = emailDefinition(issuer.url, { type: 'chainguard-identity' });
    const door = createAuthenticator({ issuers: [definition], clock: Date.now });
    for (const email_verified of [true, 'true']) {
      const token = await issuer.sign({ sub: 'a/b', email: 'sue@example.com', email_verified });
      const { principal: made } = await door.identify(token);
      expect(made.challenge).to.equal('sue@example.com');
      expect(made.alternativeChallenge).to.equal(undefined);
      expect(made.san.value).to.equal(`${issuer.url}/a/b`);
    }
    await door.close();
  });
});

describe('Claims of any kind', () => {
  const URL_OF_ISSUER = 'https://issuer.example.com/tenant';
  const hostile = fc.constantFrom(
    ...[
      '',
      '%',
      '%zz',
      '..',
      '../..',
      '//',
      '!',
      'a@b.de',
      'https://[',
      'https://h/%2F',
      ':',
      '?',
      '#',
      '\0',
      '\n',
    ],
    ...['\u202e', 'ü', '😀', 'branch', 'spiffe://example.org/a', 'https://issuer.example.com/x', '__proto__'],
  );
  const value = fc.oneof(
    { weight: 4, arbitrary: hostile },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
    fc.jsonValue({ maxDepth: 3 }),
  );
  const definitions = [
    ...TYPED_TOKENS,
    {
      definition: { type: 'email', skipEmailVerification: true },
      claims: { email: 'a@b.de' },
      required: [],
      optional: [],
    },
    {
      definition: { type: 'uri', subjectDomain: URL_OF_ISSUER },
      claims: { sub: '' },
      required: [],
      optional: [],
    },
    {
      definition: githubDefinition(URL_OF_ISSUER),
      claims: TYPED_TOKENS[4]?.claims ?? {},
      required: [],
      optional: [],
    },
  ] as const;

  it('are tried on every type', () => {
    expect(definitions.map(({ definition }) => definition.type)).to.have.members([...ISSUER_TYPES]);
  });

  for (const { definition, claims } of definitions) {
    it(`make a principal or a TokenError for the type ${definition.type}`, () => {
      const subjectDomain = definition.type === 'username' ? 'example.com' : URL_OF_ISSUER;
      const read = compileIssuer(emailDefinition(URL_OF_ISSUER, { ...definition, subjectDomain }));
      const names = [...Object.keys(claims), 'sub', 'email', 'email_verified', 'act', 'kubernetes.io'];
      const changes = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 4 });
      const nested = fc.record(
        {
          'kubernetes.io': fc.dictionary(
            fc.constantFrom('namespace', 'serviceaccount', 'ServiceAccount'),
            fc.oneof(value, fc.record({ name: value })),
          ),
        },
        { requiredKeys: [] },
      );
      fc.assert(
        fc.property(changes, nested, (some, more) => {
          const all: Claims = { ...claims, ...some, ...more };
          const subject = typeof all['sub'] === 'string' ? all['sub'] : '';
          try {
            // Only the network could make one for real; what is read here is not what was verified.
            const unread: unknown = { issuer: URL_OF_ISSUER, subject, claims: all };
            const made = read(unread as VerifiedToken);
            for (const [, text] of made.extensions) expect(text).not.to.equal('');
            expect(made.challenge).not.to.equal('');
            expect(made.san.value).not.to.equal('');
          } catch (error) {
            if (!(error instanceof TokenError)) throw error;
          }
        }),
        { numRuns: runs(500) },
      );
    });
  }
});
