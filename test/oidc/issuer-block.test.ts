import { expect } from 'chai';
import type { Authenticator } from '../../oidc/authenticate.ts';
import type { TokenError } from '../../oidc/core/token-error.ts';
import { githubClaims } from '../support/github-claims.ts';
import { emailDefinition, githubDefinition } from '../support/issuer-definitions.ts';
import { startIssuer } from '../support/oidc-issuer.ts';
import type { TestIssuer } from '../support/oidc-issuer.ts';
import { createAuthenticator } from '../support/authenticator.ts';

const NOW = Date.UTC(2026, 10, 22, 10);
const SECONDS = NOW / 1000;

describe('Several issuer blocks of one issuer', () => {
  let issuer: TestIssuer;
  let authenticator: Authenticator;

  before(async () => {
    issuer = await startIssuer();
    authenticator = createAuthenticator({
      clock: () => NOW,
      issuers: [
        githubDefinition(issuer.url, { name: 'jobs', audiences: ['jobs', 'releases'] }),
        emailDefinition(issuer.url, { name: 'people', audiences: ['people'], leewaySeconds: 30 }),
      ],
    });
  });

  after(async () => {
    await authenticator.close();
    await issuer.close();
  });

  const claims = githubClaims({ email: 'sue@example.com', email_verified: true });

  async function outcome(changes: Record<string, unknown>): Promise<string> {
    const token = await issuer.sign({ ...claims, ...changes }, { now: NOW });
    return authenticator.identify(token).then(
      ({ definition, principal }) => `${definition.name} ${principal.san.type}`,
      (error: unknown) => (error as TokenError).code,
    );
  }

  const table: readonly (readonly [what: string, aud: unknown, outcome: string])[] = [
    ['an audience of the first', 'jobs', 'jobs uri'],
    ['another audience of the first', ['releases'], 'jobs uri'],
    ['two audiences of the same issuer block', ['jobs', 'releases'], 'jobs uri'],
    ['an audience of the second', 'people', 'people email'],
    ['an audience that nobody wants beside one of the second', ['x', 'people'], 'people email'],
    ['an audience that is none beside one of the second', ['people', 1], 'AUDIENCE_MISMATCH'],
    ['the same audience twice', ['people', 'people'], 'people email'],
    ['audiences of both', ['people', 'jobs'], 'AUDIENCE_AMBIGUOUS'],
    ['an audience that nobody wants', 'x', 'AUDIENCE_MISMATCH'],
    ['the name of a prototype', '__proto__', 'AUDIENCE_MISMATCH'],
    ['no audience', [], 'AUDIENCE_MISMATCH'],
    ['an audience in an audience', [['people']], 'AUDIENCE_MISMATCH'],
  ];
  for (const [what, aud, expected] of table) {
    it(`answer a token with ${what}: ${expected}`, async () => {
      expect(await outcome({ aud })).to.equal(expected);
    });
  }

  it('name the audiences that are wanted, and the ones that are too many', async () => {
    const refusal = async (aud: unknown): Promise<TokenError> => {
      const token = await issuer.sign({ ...claims, aud }, { now: NOW });
      return authenticator.identify(token).then(
        () => expect.fail(),
        (error: unknown) => error as TokenError,
      );
    };
    const none = await refusal('x');
    expect(none.message).to.equal('the token is for "x", this issuer wants "jobs" or "releases" or "people"');
    const many = await refusal(['people', 'x', 'jobs']);
    expect(many.message).to.equal('the token is for "people" and "jobs", which mean different things here');
  });

  it('have each their own leeway, for the expiry and for the start', async () => {
    const late = (aud: string, exp: number): Promise<string> => outcome({ aud, exp });
    expect(await late('people', SECONDS - 29)).to.equal('people email');
    expect(await late('people', SECONDS - 30)).to.equal('TOKEN_EXPIRED');
    expect(await late('jobs', SECONDS)).to.equal('TOKEN_EXPIRED');
    const early = (aud: string, nbf: number): Promise<string> => outcome({ aud, nbf });
    expect(await early('people', SECONDS + 330)).to.equal('people email');
    expect(await early('people', SECONDS + 331)).to.equal('TOKEN_NOT_YET_VALID');
    expect(await early('jobs', SECONDS + 301)).to.equal('TOKEN_NOT_YET_VALID');
  });

  it('share the keys of the issuer', () => {
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 1, other: 0 });
  });
});
