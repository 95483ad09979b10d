import { expect } from 'chai';
import { createAuthenticator } from '../../oidc/authenticate.ts';
import { DefinitionError } from '../../oidc/definition-error.ts';
import { GITHUB_ISSUER, GITHUB_PROVIDER } from '../../oidc/github-provider.ts';
import type { CiProviderDefinition, IssuerDefinition, IssuerType } from '../../oidc/issuer-definition.ts';
import { challengeClaimOf } from '../../oidc/issuer-types.ts';
import { emailDefinition, githubDefinition } from '../support/issuer-definitions.ts';

const URL_OF_ISSUER = 'https://accounts.example.com';

function refusal(...definitions: IssuerDefinition[]): DefinitionError {
  try {
    createAuthenticator({ issuers: definitions, clock: Date.now });
  } catch (error) {
    if (error instanceof DefinitionError) return error;
    throw error;
  }
  throw new Error('the definition was taken');
}

const person = (changes: Partial<IssuerDefinition> = {}): IssuerDefinition =>
  emailDefinition(URL_OF_ISSUER, changes);
const workload = (subjectDomain?: string, url = URL_OF_ISSUER): IssuerDefinition =>
  emailDefinition(url, { type: 'uri', subjectDomain });
const job = (changes: Partial<CiProviderDefinition>): IssuerDefinition =>
  githubDefinition(GITHUB_ISSUER, { ciProvider: { ...GITHUB_PROVIDER, ...changes } });

describe("An issuer's definition", () => {
  it('with an unknown type is refused, and the known types are named', () => {
    for (const type of ['saml', 'spiffe', 'Email', '', '__proto__', undefined]) {
      const error = refusal(person({ type: type as IssuerType }));
      expect(error.code, type).to.equal('ISSUER_TYPE_UNKNOWN');
      expect(error.hint).to.equal('Types are: email, uri, ci-provider.');
      expect(error.metadata).to.deep.equal({ issuer: URL_OF_ISSUER, field: 'type' });
    }
  });

  it('cannot stand twice', () => {
    expect(refusal(person(), person({ audience: 'other' })).code).to.equal('ISSUER_DUPLICATE');
  });

  it('needs an audience', () => {
    expect(refusal(person({ audience: '' })).metadata.field).to.equal('client-id');
  });

  it('needs a URL that can be an issuer', () => {
    const bad = [
      '',
      'accounts.example.com',
      'ftp://a.example',
      'file:///x',
      'https://',
      'https://u:p@a.example',
      'https://u@a.example',
      'https://a.example/?x',
      'https://a.example/#x',
      'https://a.example/ b',
      ' https://a.example',
      'https://a.example\n',
    ];
    for (const url of bad) expect(refusal(person({ url })).metadata.field, url).to.equal('issuer-url');
  });

  it('needs certificates in ca-cert that can be read', () => {
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    for (const caCert of ['x', broken, '-----BEGIN CERTIFICATE-----\n']) {
      expect(refusal(person({ caCert })).message).to.equal(
        `failed to parse CA certificate for issuer ${URL_OF_ISSUER}`,
      );
    }
  });

  it('shows the claim that a proof signs, or the one that it was told to show', () => {
    expect(challengeClaimOf(person())).to.equal('email');
    expect(challengeClaimOf(workload('https://example.com'))).to.equal('sub');
    expect(challengeClaimOf(person({ challengeClaim: 'sub' }))).to.equal('sub');
    expect(challengeClaimOf(person({ challengeClaim: '' }))).to.equal('email');
  });

  describe('of type email', () => {
    it('needs an issuer-claim that is a path', () => {
      expect(refusal(person({ issuerClaim: '$..x' })).code).to.equal('FIELD_INVALID');
    });
    it('alone may have an issuer-claim', () => {
      const error = refusal({ ...workload('https://example.com'), issuerClaim: '$.x' });
      expect(error.message).to.equal('only email issuers can use issuer claim mapping');
    });
  });

  describe('of type uri', () => {
    /** subject-domain, URL of the issuer, Fulcio's words. */
    const bad: readonly (readonly [string | undefined, string, string])[] = [
      [undefined, URL_OF_ISSUER, 'uri issuer must have SubjectDomain set'],
      ['', URL_OF_ISSUER, 'uri issuer must have SubjectDomain set'],
      ['example.com', URL_OF_ISSUER, 'SubjectDomain for uri must contain scheme'],
      ['https://%zz', URL_OF_ISSUER, 'SubjectDomain is not a URL'],
      ['http://example.com', URL_OF_ISSUER, 'subject (http) and issuer (https) URI schemes do not match'],
      ['https://example', URL_OF_ISSUER, 'URI hostname too short: example'],
      ['https://example.com', 'https://example', 'URI hostname too short: example'],
      [
        'https://example.org',
        URL_OF_ISSUER,
        'hostname top-level and second-level domains do not match: example.org, accounts.example.com',
      ],
      [
        'https://other.com',
        URL_OF_ISSUER,
        'hostname top-level and second-level domains do not match: other.com, accounts.example.com',
      ],
    ];
    for (const [domain, url, words] of bad) {
      it(`is refused with ${domain ?? 'nothing'} on ${url}`, () => {
        expect(refusal(workload(domain, url)).message).to.equal(words);
      });
    }
    it('may name its own host, a subdomain or the domain above', async () => {
      for (const domain of [
        'https://accounts.example.com',
        'https://users.example.com',
        'https://example.com',
      ]) {
        await createAuthenticator({ issuers: [workload(domain)], clock: Date.now }).close();
      }
    });
  });

  describe('of type ci-provider', () => {
    it('needs a provider', () => {
      expect(refusal(githubDefinition(GITHUB_ISSUER, { ciProvider: undefined })).metadata.field).to.equal(
        'ci-provider',
      );
    });
    it('needs a text for the name', () => {
      const error = refusal(job({ subjectTemplate: ' \n' }));
      expect(error.message).to.equal(
        `SubjectAlternativeNameTemplate should not be empty. Issuer: ${GITHUB_ISSUER}`,
      );
    });
    it('says in which text and where a template is wrong', () => {
      const error = refusal(job({ extensionTemplates: new Map([[9, 'x{{ index . "a" }}']]) }));
      expect(error.code).to.equal('TEMPLATE_INVALID');
      expect(error.message).to.match(/^BuildSignerURI: line 1, column 2 of the template: /);
      expect(error.metadata).to.deep.equal({
        issuer: GITHUB_ISSUER,
        field: 'BuildSignerURI',
        line: '1',
        column: '2',
      });
    });
    it('knows only the extensions that exist', () => {
      expect(refusal(job({ extensionTemplates: new Map([[7, 'x']]) })).code).to.equal('FIELD_INVALID');
    });
  });
});
