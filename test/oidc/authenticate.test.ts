import { expect } from 'chai';
import type { Authenticator } from '../../oidc/authenticate.ts';
import { githubClaims } from '../support/github-claims.ts';
import { emailDefinition, githubDefinition } from '../support/issuer-definitions.ts';
import { startIssuer } from '../support/oidc-issuer.ts';
import type { TestIssuer } from '../support/oidc-issuer.ts';
import { createAuthenticator } from '../support/authenticator.ts';

describe('From a token to a principal', () => {
  const issuers: TestIssuer[] = [];
  let people: TestIssuer;
  let github: TestIssuer;
  let workloads: TestIssuer;
  let authenticator: Authenticator;

  before(async () => {
    people = await startIssuer({ path: '/people/' });
    github = await startIssuer({ alg: 'RS256', algorithms: null });
    workloads = await startIssuer({ alg: 'EdDSA' });
    issuers.push(people, github, workloads);
    authenticator = createAuthenticator({
      clock: Date.now,
      issuers: [
        emailDefinition(people.url),
        githubDefinition(github.url),
        emailDefinition(workloads.url, { type: 'uri', subjectDomain: 'http://127.0.0.1' }),
      ],
    });
  });

  after(async () => {
    await authenticator.close();
    await Promise.all(issuers.map((issuer) => issuer.close()));
  });

  it('names a person by the verified address', async () => {
    const token = await people.sign({ sub: 'Cg0w', email: 'sue@example.com', email_verified: true });
    expect((await authenticator.identify(token)).principal).to.deep.equal({
      issuer: people.url,
      subject: 'Cg0w',
      challenge: 'sue@example.com',
      san: { type: 'email', value: 'sue@example.com' },
      extensions: new Map([
        [1, people.url],
        [8, people.url],
        [24, 'Cg0w'],
      ]),
    });
  });

  it('names a workload by its URI, and takes a proof over its verified address too', async () => {
    const claims = { sub: 'http://127.0.0.1/ns/build', email: 'bot@example.com', email_verified: 'true' };
    const { principal } = await authenticator.identify(await workloads.sign(claims));
    expect(principal.san).to.deep.equal({ type: 'uri', value: 'http://127.0.0.1/ns/build' });
    expect(principal.challenge).to.equal('http://127.0.0.1/ns/build');
    expect(principal.alternativeChallenge).to.equal('bot@example.com');
  });

  it('offers no second text for the proof when the address is not verified', async () => {
    const claims = { sub: 'http://127.0.0.1/x', email: 'bot@example.com', email_verified: false };
    const { principal } = await authenticator.identify(await workloads.sign(claims));
    expect(principal.alternativeChallenge).to.equal(undefined);
  });

  it('describes a job of GitHub by its whole set of extensions', async () => {
    const { principal } = await authenticator.identify(await github.sign(githubClaims()));
    expect(principal.challenge).to.equal('repo:octo-org/octo-repo:environment:prod');
    const signer = 'https://github.com/octo-org/shared/.github/workflows/build.yml@refs/tags/v2';
    expect(principal.san).to.deep.equal({ type: 'uri', value: signer });
    expect([...principal.extensions]).to.deep.equal([
      [1, github.url],
      [8, github.url],
      [2, 'push'],
      [3, '6dcb09b5b57875f334f61aebed695e2e4193db5e'],
      [4, 'release'],
      [5, 'octo-org/octo-repo'],
      [6, 'refs/heads/main'],
      [9, signer],
      [10, '9af0c8e1d2b3a4958677665544332211ffeeddcc'],
      [11, 'github-hosted'],
      [12, 'https://github.com/octo-org/octo-repo'],
      [13, '6dcb09b5b57875f334f61aebed695e2e4193db5e'],
      [14, 'refs/heads/main'],
      [15, '456789'],
      [16, 'https://github.com/octo-org'],
      [17, '123456'],
      [18, 'https://github.com/octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main'],
      [19, '6dcb09b5b57875f334f61aebed695e2e4193db5e'],
      [20, 'push'],
      [21, 'https://github.com/octo-org/octo-repo/actions/runs/9876543210/attempts/1'],
      [22, 'private'],
      [23, 'prod'],
      [24, 'repo:octo-org/octo-repo:environment:prod'],
    ]);
  });

  it('leaves out the extension whose default is empty', async () => {
    const token = await github.sign(githubClaims({ environment: undefined }));
    expect((await authenticator.identify(token)).principal.extensions.has(23)).to.equal(false);
  });

  it('starts without a warning when every issuer answers, and fetches each once', async () => {
    expect(await authenticator.start()).to.deep.equal([]);
    for (const issuer of issuers) expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 1, other: 0 });
  });
});
