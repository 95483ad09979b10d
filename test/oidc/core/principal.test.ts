import { expect } from 'chai';
import type { Authenticator } from '../../../oidc/authenticate.ts';
import type { CiProviderDefinition, IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import type { Principal } from '../../../oidc/core/principal.ts';
import { TokenError } from '../../../oidc/core/token-error.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { startIssuer } from '../../support/oidc-issuer.ts';
import type { TestIssuer } from '../../support/oidc-issuer.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';

type Claims = Record<string, unknown>;

describe('A principal', () => {
  let issuer: TestIssuer;
  const open: Authenticator[] = [];

  before(async () => (issuer = await startIssuer()));
  afterEach(async () => {
    for (const door of open.splice(0)) await door.close();
  });
  after(() => issuer.close());

  async function principal(
    definition: Partial<IssuerDefinition>,
    claims: Claims,
    without?: string[],
  ): Promise<Principal> {
    const door = createAuthenticator({ issuers: [emailDefinition(issuer.url, definition)], clock: Date.now });
    open.push(door);
    return (await door.identify(await issuer.sign(claims, { without }))).principal;
  }

  async function refusal(
    definition: Partial<IssuerDefinition>,
    claims: Claims,
    without?: string[],
  ): Promise<TokenError> {
    const error = await failureOf(() => principal(definition, claims, without));
    expect(error).to.be.instanceOf(TokenError);
    return error as TokenError;
  }

  describe('of type email', () => {
    const email = 'sue@example.com';

    it('needs a verified address, in any spelling of true', async () => {
      for (const verified of [true, 'true', 'True']) {
        const { san } = await principal({}, { email, email_verified: verified });
        expect(san).to.deep.equal({ type: 'email', value: email });
      }
    });

    it('is refused with any spelling of false, and without a word on it', async () => {
      for (const verified of [false, 'false', 'False', undefined]) {
        expect((await refusal({}, { email, email_verified: verified })).code).to.equal('EMAIL_NOT_VERIFIED');
      }
    });

    it('is refused with any other spelling, whatever the definition skips', async () => {
      for (const verified of [null, 1, 0, '', 'TRUE', 'yes', [], {}]) {
        for (const skipEmailVerification of [false, true]) {
          const error = await refusal({ skipEmailVerification }, { email, email_verified: verified });
          expect(error.code, JSON.stringify(verified)).to.equal('CLAIM_INVALID');
        }
      }
    });

    it('may go unverified where the definition says so', async () => {
      for (const verified of [false, undefined]) {
        const { challenge } = await principal(
          { skipEmailVerification: true },
          { email, email_verified: verified },
        );
        expect(challenge).to.equal(email);
      }
    });

    it('is refused without an address', async () => {
      for (const value of [undefined, null, '']) {
        expect((await refusal({}, { email: value, email_verified: true })).code).to.equal('CLAIM_MISSING');
      }
      expect((await refusal({}, { email: ['a@b.de'], email_verified: true })).code).to.equal('CLAIM_INVALID');
    });

    it('is refused when the address is none', async () => {
      for (const value of ['foo.com', 'a b@example.com', 'a@b', 'a@b.de\n', 'a@b.de\0', '<a@b.de>']) {
        const error = await refusal({}, { email: value, email_verified: true });
        expect(error.code, value).to.equal('IDENTITY_REFUSED');
      }
    });

    it('does not take an address under another spelling of the claim', async () => {
      expect((await refusal({}, { Email: email, email_verified: true })).code).to.equal('CLAIM_MISSING');
    });

    it('needs no subject', async () => {
      const made = await principal({}, { email, email_verified: true }, ['sub']);
      expect(made.subject).to.equal('');
      expect(made.extensions.has(24)).to.equal(false);
    });

    it('is of the issuer that the issuer-claim names', async () => {
      const claims = {
        email,
        email_verified: true,
        federated_claims: { connector_id: 'https://github.com/login/oauth' },
      };
      const made = await principal({ issuerClaim: '$.federated_claims.connector_id' }, claims);
      expect(made.issuer).to.equal('https://github.com/login/oauth');
      expect(made.extensions.get(1)).to.equal('https://github.com/login/oauth');
      expect(made.extensions.get(8)).to.equal('https://github.com/login/oauth');
    });

    it('names only an issuer that may be named', async () => {
      const definition = { issuerClaim: '$.via', issuerClaimValues: ['https://github.com', '7'] };
      const claims = { email, email_verified: true };
      for (const via of ['https://github.com', '7', 7])
        expect((await principal(definition, { ...claims, via })).issuer).to.equal(String(via));
      for (const via of [
        'https://evil.example',
        'https://github.com/',
        'HTTPS://github.com',
        true,
        'x'.repeat(999),
      ]) {
        const error = await refusal(definition, { ...claims, via });
        expect(error.code).to.equal('ISSUER_CLAIM_REFUSED');
        expect(error.message.length).to.be.below(400);
      }
      expect((await refusal(definition, claims)).code).to.equal('CLAIM_MISSING');
      expect(
        (await refusal({ issuerClaim: '$.via', issuerClaimValues: [] }, { ...claims, via: '7' })).code,
      ).to.equal('ISSUER_CLAIM_REFUSED');
    });

    it('is of an issuer that is printed as Go prints it', async () => {
      const made = await principal({ issuerClaim: '$.n' }, { email, email_verified: true, n: 1e6 });
      expect(made.issuer).to.equal('1e+06');
    });

    it('is refused when the issuer-claim names nothing that is a name', async () => {
      for (const value of [undefined, null, '', {}, ['x']]) {
        const error = await refusal(
          { issuerClaim: '$.other' },
          { email, email_verified: true, other: value },
        );
        expect(error.code, JSON.stringify(value)).to.equal('CLAIM_MISSING');
      }
    });
  });

  describe('of type uri', () => {
    const workload: Partial<IssuerDefinition> = { type: 'uri', subjectDomain: 'http://127.0.0.1' };

    it('is its subject in the form that Go writes it', async () => {
      const made = await principal(workload, { sub: 'http://127.0.0.1:8080/a/../b c' });
      expect(made.san).to.deep.equal({ type: 'uri', value: 'http://127.0.0.1:8080/a/../b%20c' });
      expect(made.challenge).to.equal('http://127.0.0.1:8080/a/../b c');
      expect(made.subject).to.equal('http://127.0.0.1:8080/a/../b c');
    });

    const bad: readonly (readonly [string, string])[] = [
      ['https://127.0.0.1/a', 'scheme'],
      ['http://127.0.0.2/a', 'host'],
      ['http://127.0.0.1.evil.example/', 'host'],
      ['http://evil.example.127.0.0.1/', 'host'],
      ['http://127.0.0.1@evil.example/', 'host'],
      ['http://evil.example/#@127.0.0.1', 'host'],
      ['/127.0.0.1', 'scheme'],
      ['http:127.0.0.1', 'host'],
      ['sue@example.com', 'e-mail address'],
      ['http://127.0.0.1/\n', 'not a URI'],
      ['http://127.0.0.1/\0', 'not a URI'],
      ['a:b:c d', 'scheme'],
    ];
    for (const [sub, words] of bad) {
      it(`is refused when its subject is ${JSON.stringify(sub)}`, async () => {
        const error = await refusal(workload, { sub });
        expect(error.code).to.equal('IDENTITY_REFUSED');
        expect(error.message).to.contain(words);
      });
    }

    it('is refused without a subject', async () => {
      expect((await refusal(workload, {}, ['sub'])).code).to.equal('CLAIM_MISSING');
      expect((await refusal(workload, { sub: '' })).code).to.equal('CLAIM_MISSING');
    });
  });

  describe('of type ci-provider', () => {
    const provider = (changes: Partial<CiProviderDefinition>): Partial<IssuerDefinition> => ({
      type: 'ci-provider',
      ciProvider: {
        name: 'ci',
        defaults: new Map(),
        extensionTemplates: new Map(),
        subjectTemplate: 'https://ci.example/{{ .job }}',
        ...changes,
      },
    });
    const claims = { job: 'build' };
    const extension = async (text: string, value: unknown): Promise<string | undefined> => {
      const definition = provider({ extensionTemplates: new Map([[20, text]]) });
      return (await principal(definition, { ...claims, value })).extensions.get(20);
    };

    it('sees its claims as text', async () => {
      const texts: readonly (readonly [unknown, string])[] = [
        ['<&">', '<&">'],
        [1, '1'],
        [1.4, '1.4'],
        [1e6, '1000000'],
        [1_753_000_000, '1753000000'],
        [true, 'true'],
        [null, '<nil>'],
        [['x', 'y'], '[x y]'],
        [{ b: 1, a: 'x' }, 'map[a:x b:1]'],
      ];
      for (const [value, text] of texts) {
        expect(await extension('value', value)).to.equal(text);
        expect(await extension('[{{ .value }}]', value)).to.equal(`[${text}]`);
      }
    });

    it('has claims before defaults, even empty ones', async () => {
      const definition = provider({
        defaults: new Map([
          ['job', 'default'],
          ['kind', 'default'],
          ['empty', 'default'],
        ]),
        extensionTemplates: new Map([
          [20, 'kind'],
          [21, 'empty'],
        ]),
      });
      const made = await principal(definition, { ...claims, empty: '' });
      expect(made.san.value).to.equal('https://ci.example/build');
      expect(made.extensions.get(20)).to.equal('default');
      expect(made.extensions.has(21)).to.equal(false);
    });

    it('has pinned values before claims and defaults, in templates and bare names', async () => {
      const definition = provider({
        defaults: new Map([['url', 'https://default.example']]),
        pinned: new Map([
          ['url', 'https://ci.example'],
          ['empty', ''],
        ]),
        subjectTemplate: '{{ .url }}/{{ .job }}',
        extensionTemplates: new Map([
          [12, 'url'],
          [16, '{{ index . "url" }}'],
          [20, 'empty'],
        ]),
      });
      for (const url of ['https://evil.example', '', null, 7, undefined]) {
        const made = await principal(definition, { ...claims, url, empty: 'claimed' });
        expect(made.san.value).to.equal('https://ci.example/build');
        expect(made.extensions.get(12)).to.equal('https://ci.example');
        expect(made.extensions.get(16)).to.equal('https://ci.example');
        expect(made.extensions.has(20)).to.equal(false);
      }
    });

    it('is refused where a claim would be repeated beyond every bound', async () => {
      const definition = provider({ extensionTemplates: new Map([[20, '{{ .big }}'.repeat(1000)]]) });
      const error = await refusal(definition, { ...claims, big: 'x'.repeat(10_000) });
      expect(error.code).to.equal('TEMPLATE_FAILED');
      expect(error.message).to.contain('BuildTrigger cannot be made from this token');
      expect(error.fulcioMessage).to.equal(undefined);
    });

    it('is refused where its template compares a text with something that is none', async () => {
      const definition = provider({
        extensionTemplates: new Map([[20, '{{ if eq (or .flag false) "x" }}y{{ end }}']]),
      });
      const error = await refusal(definition, { ...claims, flag: '' });
      expect(error.code).to.equal('TEMPLATE_FAILED');
      expect(error.fulcioMessage).to.equal(
        'template: :1:6: executing "" at <eq (or .flag false) "x">: error calling eq: incompatible types for comparison: bool and string',
      );
    });

    it('does not see what only JavaScript knows', async () => {
      for (const name of ['constructor', '__proto__', 'toString']) {
        const definition = provider({ extensionTemplates: new Map([[20, name]]) });
        expect((await refusal(definition, claims)).code).to.equal('TEMPLATE_FAILED');
      }
    });

    it('always has issuer and subject of the token itself', async () => {
      const definition = provider({
        extensionTemplates: new Map([
          [1, 'job'],
          [8, 'job'],
          [24, 'job'],
          [20, ' '],
        ]),
      });
      const made = await principal(definition, claims);
      expect([...made.extensions]).to.deep.equal([
        [1, issuer.url],
        [8, issuer.url],
        [24, 'subject'],
      ]);
    });

    it("is refused with Fulcio's words when a name is missing", async () => {
      const definition = provider({ extensionTemplates: new Map([[9, 'missing']]) });
      const error = await refusal(definition, claims);
      expect(error.code).to.equal('TEMPLATE_FAILED');
      expect(error.message).to.equal('the token has no "missing", from which BuildSignerURI is made');
      expect(error.fulcioMessage).to.equal(
        `value <missing> not present in either claims or defaults. {\n\t"ExtensionName": "BuildSignerURI",\n\t"Issuer": "${issuer.url}"\n}`,
      );
    });

    it("is refused with Go's words when a template's field is missing", async () => {
      const error = await refusal(provider({}), {});
      expect(error.code).to.equal('TEMPLATE_FAILED');
      expect(error.message).to.contain('from which SubjectAlternativeName is made');
      expect(error.fulcioMessage).to.equal(
        'template: :1:22: executing "" at <.job>: map has no entry for key "job"',
      );
    });

    it('is named by the URI as Go writes it', async () => {
      const made = await principal(provider({}), { job: 'a b/../ü' });
      expect(made.san).to.deep.equal({ type: 'uri', value: 'https://ci.example/a%20b/../%C3%BC' });
    });

    it("is refused with Go's words when its name is no URI", async () => {
      const error = await refusal(provider({}), { job: 'a\nb' });
      expect(error.code).to.equal('IDENTITY_REFUSED');
      expect(error.fulcioMessage).to.equal(
        'parse "https://ci.example/a\\nb": net/url: invalid control character in URL',
      );
    });

    it('is refused when programs in Go could not read the name', async () => {
      for (const host of ['a..b', '.a', 'a.', 'ü']) {
        const error = await refusal(provider({ subjectTemplate: 'https://{{ .job }}/' }), { job: host });
        expect(error.code, host).to.equal('IDENTITY_REFUSED');
        expect(error.fulcioMessage).to.contain('x509: cannot parse URI');
      }
    });

    it('is refused without a subject', async () => {
      expect((await refusal(provider({}), claims, ['sub'])).code).to.equal('CLAIM_MISSING');
    });
  });
});
