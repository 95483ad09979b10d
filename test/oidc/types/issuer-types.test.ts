import { expect } from 'chai';
import { DefinitionError } from '../../../oidc/core/definition-error.ts';
import { GITHUB_ISSUER, GITHUB_PROVIDER } from '../../../oidc/types/github-provider.ts';
import { ISSUER_TYPES } from '../../../oidc/core/issuer-definition.ts';
import type {
  CiProviderDefinition,
  IssuerDefinition,
  IssuerType,
} from '../../../oidc/core/issuer-definition.ts';
import { challengeClaimOf, compileIssuer, ISSUER_TYPE_TABLE } from '../../../oidc/types/issuer-types.ts';
import { emailDefinition, githubDefinition } from '../../support/issuer-definitions.ts';
import { selfSigned } from '../../support/tls-identity.ts';
import { createAuthenticator } from '../../support/authenticator.ts';

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

/** Compiles it, which must not fail, into what reads the type's principals. */
function accepts(definition: IssuerDefinition): void {
  expect(compileIssuer(definition), definition.subjectDomain).to.be.a('function');
}

describe("An issuer's definition", () => {
  it('with an unknown type is refused, and the known types are named', () => {
    for (const type of ['saml', 'SPIFFE', 'Email', '', '__proto__', undefined]) {
      const error = refusal(person({ type: type as IssuerType }));
      expect(error.code, type).to.equal('ISSUER_TYPE_UNKNOWN');
      expect(error.hint).to.match(/^Types are: email, uri, username, .*, buildkite-job\.$/);
      expect(error.metadata).to.deep.equal({ issuer: URL_OF_ISSUER, field: 'type' });
    }
  });

  it('cannot share an audience with another one of the same issuer', () => {
    const second = person({ name: 'second', audiences: ['other', 'sigstore'] });
    const error = refusal(person({ name: 'first' }), second);
    expect(error.code).to.equal('ISSUER_DUPLICATE');
    expect(error.message).to.contain('"sigstore": first and second');
    expect(error.metadata).to.deep.equal({ issuer: URL_OF_ISSUER, field: 'client-id', entry: 'second' });
  });

  it('cannot forgive a clock more than five minutes', () => {
    for (const leewaySeconds of [-1, 301, Number.NaN])
      expect(refusal(person({ leewaySeconds })).metadata.field).to.equal('leeway');
  });

  it('cannot have other certificates than another one of the same issuer', async () => {
    const [one, two] = [(await selfSigned()).cert, (await selfSigned()).cert];
    const error = refusal(person({ caCert: one }), person({ audiences: ['other'], caCert: two }));
    expect(error.metadata.field).to.equal('ca-cert');
  });

  it('cannot have values for an issuer claim that it does not have', () => {
    expect(refusal(person({ issuerClaimValues: ['x'] })).metadata.field).to.equal('issuer-claim-values');
  });

  it('names hosts for its keys without anything beside', () => {
    for (const host of ['', 'https://keys', 'keys/', 'keys:1', 'a@b', 'a b', '[::1', '::1', 'a?', '[::1]:1'])
      expect(refusal(person({ jwksHosts: [host] })).metadata.field, host).to.equal('jwks-hosts');
  });

  it('needs an audience', () => {
    expect(refusal(person({ audiences: [''] })).metadata.field).to.equal('client-id');
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

  it('shows the claim that a proof signs, or the one that its definition names', () => {
    for (const type of ISSUER_TYPES) {
      expect(challengeClaimOf(person({ type })), type).to.equal(type === 'email' ? 'email' : 'sub');
    }
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
      [
        'https://%zz',
        URL_OF_ISSUER,
        'SubjectDomain is not a URL: parse "https://%zz": invalid URL escape "%zz"',
      ],
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
        const authenticator = createAuthenticator({ issuers: [workload(domain)], clock: Date.now });
        expect(authenticator, domain).to.respondTo('identify');
        await authenticator.close();
      }
    });
  });

  describe('of type username', () => {
    /** subject-domain, URL of the issuer, Fulcio's words. */
    const bad: readonly (readonly [string | undefined, string, string])[] = [
      [undefined, URL_OF_ISSUER, 'username issuer must have SubjectDomain set'],
      ['', URL_OF_ISSUER, 'username issuer must have SubjectDomain set'],
      ['https://example.com', URL_OF_ISSUER, 'SubjectDomain for username should not contain scheme'],
      ['example.com:443', URL_OF_ISSUER, 'SubjectDomain for username should not contain scheme'],
      ['%zz', URL_OF_ISSUER, 'SubjectDomain is not a URL: parse "%zz": invalid URL escape "%zz"'],
      ['example', URL_OF_ISSUER, 'URI hostname too short: example'],
      ['example.com', 'https://example', 'URI hostname too short: example'],
      [
        'example.org',
        URL_OF_ISSUER,
        'hostname top-level and second-level domains do not match: example.org, accounts.example.com',
      ],
      [
        'other.com',
        URL_OF_ISSUER,
        'hostname top-level and second-level domains do not match: other.com, accounts.example.com',
      ],
    ];
    for (const [subjectDomain, url, words] of bad) {
      it(`is refused with ${subjectDomain ?? 'nothing'} on ${url}`, () => {
        const error = refusal(emailDefinition(url, { type: 'username', subjectDomain }));
        expect(error.message).to.equal(words);
        expect(error.metadata).to.deep.equal({ issuer: url, field: 'subject-domain' });
      });
    }
    it('may name its own host, a subdomain or the domain above', () => {
      for (const subjectDomain of ['accounts.example.com', 'users.example.com', 'example.com']) {
        accepts(person({ type: 'username', subjectDomain }));
      }
      accepts(emailDefinition('https://localhost', { type: 'username', subjectDomain: 'localhost' }));
    });
    it('needs a scheme in the URL of the issuer', () => {
      for (const [type, subjectDomain] of [
        ['username', 'example.com'],
        ['uri', 'https://example.com'],
      ] as const) {
        expect(() => compileIssuer(emailDefinition('example.com', { type, subjectDomain }))).to.throw(
          DefinitionError,
          `issuer for ${type} must contain scheme`,
        );
      }
    });
  });

  describe('of type spiffe', () => {
    const spiffe = (spiffeTrustDomain?: string): IssuerDefinition =>
      person({ type: 'spiffe', spiffeTrustDomain });
    it('needs a trust domain', () => {
      for (const domain of [undefined, '']) {
        const error = refusal(spiffe(domain));
        expect(error.message).to.equal('spiffe issuer must have SPIFFETrustDomain set');
        expect(error.metadata.field).to.equal('spiffe-trust-domain');
      }
    });
    it('needs a trust domain of the right form', () => {
      for (const domain of ['Example.org', 'ex ample', 'https://example.org', 'spiffe://', 'a/b', 'ä.org']) {
        expect(refusal(spiffe(domain)).message, domain).to.equal('spiffe trust domain is invalid');
      }
    });
    it('may give its trust domain as a SPIFFE ID', () => {
      accepts(spiffe('example.org'));
      accepts(spiffe('spiffe://example.org/anything'));
    });
    it('cannot be a pattern', () => {
      const definition = { ...spiffe('example.org'), isMeta: true };
      expect(() => compileIssuer(definition)).to.throw(DefinitionError, 'SPIFFE meta issuers not supported');
    });
  });

  describe('that is a pattern', () => {
    const pattern = (changes: Partial<IssuerDefinition>): IssuerDefinition =>
      emailDefinition('https://*.example.com/*', { isMeta: true, ...changes });
    it('may put its subjects under any domain, as in Fulcio', () => {
      accepts(pattern({ type: 'uri', subjectDomain: 'https://elsewhere.example' }));
      accepts(pattern({ type: 'username', subjectDomain: 'elsewhere.example' }));
    });
    it('still needs a domain, without which no token could ever match', () => {
      for (const type of ['uri', 'username'] as const) {
        expect(() => compileIssuer(pattern({ type }))).to.throw(
          DefinitionError,
          'must have SubjectDomain set',
        );
      }
    });
    it('may have an issuer-claim that its type ignores, as in Fulcio', () => {
      accepts(pattern({ type: 'kubernetes', issuerClaim: '$.x' }));
    });
  });

  it('of a type that Fulcio deprecates has a type to go to', () => {
    const deprecated = ISSUER_TYPES.filter((type) => ISSUER_TYPE_TABLE[type].replacement !== undefined);
    expect(deprecated).to.have.members([
      'github-workflow',
      'gitlab-pipeline',
      'codefresh-workflow',
      'buildkite-job',
    ]);
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
      const error = refusal(job({ extensionTemplates: new Map([[9, 'x{{ range .a }}y{{ end }}']]) }));
      expect(error.code).to.equal('TEMPLATE_INVALID');
      expect(error.message).to.match(/^BuildSignerURI: line 1, column 5 of the template: /);
      expect(error.metadata).to.deep.equal({
        issuer: GITHUB_ISSUER,
        field: 'BuildSignerURI',
        line: '1',
        column: '5',
      });
    });
    it('knows only the extensions that exist', () => {
      expect(refusal(job({ extensionTemplates: new Map([[7, 'x']]) })).code).to.equal('FIELD_INVALID');
    });
  });
});
