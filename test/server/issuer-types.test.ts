/** Tokens of every issuer type, and what the certificates really hold in the eyes of other programs. */
import { expect } from 'chai';
import forge from 'node-forge';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import * as x509 from '../../ca/x509.ts';
import { FULCIO_ARC, FULCIO_EXTENSIONS } from '../../core/fulcio-extensions.ts';
import { GITHUB_PROVIDER } from '../../oidc/types/github-provider.ts';
import { ISSUER_TYPES } from '../../oidc/core/issuer-definition.ts';
import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import { LivePolicy } from '../../policy/live-policy.ts';
import { compilePolicy } from '../../policy/snapshot.ts';
import { hasOpenssl, openssl } from '../ca/support/openssl.ts';
import { githubClaims } from '../support/github-claims.ts';
import { emailDefinition } from '../support/issuer-definitions.ts';
import { startIssuer } from '../support/oidc-issuer.ts';
import type { TestIssuer } from '../support/oidc-issuer.ts';
import { bodyV2, clientKey, OPEN_POLICY, post, startTestService } from '../support/test-service.ts';
import type { TestService } from '../support/test-service.ts';
import { TYPED_TOKENS } from '../support/typed-tokens.ts';
import type { TypedToken } from '../support/typed-tokens.ts';

type Case = Pick<TypedToken, 'definition' | 'claims' | 'san' | 'extensions' | 'challenge'>;

const GITHUB = TYPED_TOKENS.find(({ definition }) => definition.type === 'github-workflow');

const CASES: readonly Case[] = [
  ...TYPED_TOKENS,
  {
    definition: { type: 'email', challengeClaim: 'email' },
    claims: { sub: '1168', email: 'sue@example.com', email_verified: true },
    san: { type: 'email', value: 'sue@example.com' },
    challenge: 'sue@example.com',
    extensions: {},
  },
  {
    definition: { type: 'uri', subjectDomain: 'http://127.0.0.1' },
    claims: { sub: 'http://127.0.0.1/users/ü?x=1' },
    san: { type: 'uri', value: 'http://127.0.0.1/users/%C3%BC?x=1' },
    extensions: {},
  },
  {
    // What the deprecated type writes and what its successor writes is the same but for the environment.
    definition: { type: 'ci-provider', ciProvider: GITHUB_PROVIDER },
    claims: githubClaims() as Case['claims'],
    san: GITHUB?.san ?? { type: 'uri', value: '' },
    extensions: { ...GITHUB?.extensions, 23: 'prod' },
  },
];

interface AnswerV2 {
  readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: readonly [string] } };
}

describe('server: every issuer type', () => {
  const issuers = new Map<Case, TestIssuer>();
  let definitions: IssuerDefinition[];
  let service: TestService;

  before(async () => {
    for (const one of CASES) issuers.set(one, await startIssuer());
    definitions = CASES.map((one) => emailDefinition(issuerOf(one).url, one.definition));
    const entries = definitions.map((definition) => ({ definition, policy: OPEN_POLICY }));
    const context = { clock: Date.now, permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS };
    const policy = new LivePolicy(await compilePolicy(entries, context));
    service = await startTestService((values) => {
      void values.policy.close();
      return { policy };
    });
  });
  after(async () => {
    await service.close();
    for (const issuer of issuers.values()) await issuer.close();
  });

  function issuerOf(one: Case): TestIssuer {
    const issuer = issuers.get(one);
    if (issuer === undefined) throw new Error('no issuer');
    return issuer;
  }

  const sign = async (one: Case, challenge = one.challenge ?? one.claims.sub): Promise<Response> => {
    const token = await issuerOf(one).sign(one.claims);
    return post(`${service.url}/api/v2/signingCert`, bodyV2(token, clientKey(challenge)));
  };

  async function certificateOf(one: Case): Promise<string> {
    const response = await sign(one);
    const text = await response.text();
    expect(response.status, text).to.equal(200);
    return (JSON.parse(text) as AnswerV2).signedCertificateEmbeddedSct.chain.certificates[0];
  }

  it('is among the cases', () => {
    expect(CASES.map(({ definition }) => definition.type)).to.have.members([...ISSUER_TYPES]);
  });

  for (const one of CASES) {
    const { definition, extensions, claims } = one;
    const nameIn = (): string => one.san.value.replace('{issuer}', issuerOf(one).url);

    describe(definition.type, () => {
      it('issues a certificate that names whom the token names, byte for byte', async () => {
        const pem = await certificateOf(one);
        expectName(one.san.type, nameIn(), pem);
        const certificate = new x509.X509Certificate(pem);
        const wanted = new Map<number, string>(
          Object.entries({ ...extensions, 1: issuerOf(one).url, 8: issuerOf(one).url, 24: claims.sub }).map(
            ([number, text]) => [Number(number), text],
          ),
        );
        for (const { number, encoding } of FULCIO_EXTENSIONS) {
          const found = certificate.getExtension(`${FULCIO_ARC}.${number}`);
          const value = found === null ? undefined : Buffer.from(found.value);
          const text = encoding === 'raw' ? value?.toString() : value && utf8StringIn(value);
          expect(text, String(number)).to.equal(wanted.get(number));
        }
      });

      it('wants the proof of the very name', async () => {
        const response = await sign(one, `${one.challenge ?? claims.sub}x`);
        expect(response.status).to.equal(400);
        expect(((await response.json()) as { message: string }).message).to.match(
          /^The signature supplied in the request could not be verified: /,
        );
      });
    });
  }

  it('is shown by the configuration call as Fulcio shows it', async () => {
    const answer = (await (await fetch(`${service.url}/api/v2/configuration`)).json()) as {
      issuers: unknown[];
    };
    expect(answer.issuers).to.deep.equal(
      definitions.map(({ url, type, subjectDomain = '', spiffeTrustDomain = '' }) => ({
        issuerUrl: url,
        audience: 'sigstore',
        challengeClaim: type === 'email' ? 'email' : 'sub',
        spiffeTrustDomain,
        issuerType: type,
        subjectDomain,
        skipEmailVerification: false,
      })),
    );
  });
});

/** What three readers find as the one name. */
function expectName(type: TypedToken['san']['type'], name: string, pem: string): void {
  const extension = new x509.X509Certificate(pem).getExtension(x509.SubjectAlternativeNameExtension);
  expect(extension?.critical).to.equal(true);
  const general = forge.asn1.fromDer(Buffer.from(extension?.value ?? new ArrayBuffer(0)).toString('latin1'));
  const [only, ...others] = general.value as forge.asn1.Asn1[];
  expect(others).to.have.length(0);
  expect(only?.tagClass).to.equal(forge.asn1.Class.CONTEXT_SPECIFIC);
  if (type === 'username') {
    expectOtherName(only, name);
    return;
  }
  const [kind, tag, label] =
    type === 'email' ? (['email', 1, 'email'] as const) : (['url', 6, 'URI'] as const);
  expect(extension?.names.toJSON()).to.deep.equal([{ type: kind, value: name }]);
  expect([only?.type, only?.value]).to.deep.equal([tag, name]);
  if (!hasOpenssl()) {
    console.warn('      NOT TESTED: there is no openssl');
    return;
  }
  const show = ['x509', '-in', 'leaf.pem', '-noout', '-ext', 'subjectAltName'];
  const shown = openssl({ 'leaf.pem': pem }, [show], ({ stdout }) => stdout);
  expect(shown).to.equal(`X509v3 Subject Alternative Name: critical\n    ${label}:${name}\n`);
}

/** otherName [0] { type-id, value [0] EXPLICIT UTF8String } (RFC 5280 §4.2.1.6). */
function expectOtherName(found: forge.asn1.Asn1 | undefined, name: string): void {
  expect([found?.type, found?.constructed]).to.deep.equal([0, true]);
  const [id, wrapped, ...more] = found?.value as forge.asn1.Asn1[];
  expect(more).to.have.length(0);
  expect(forge.asn1.derToOid(id?.value as string)).to.equal('1.3.6.1.4.1.57264.1.7');
  expect([wrapped?.tagClass, wrapped?.type]).to.deep.equal([forge.asn1.Class.CONTEXT_SPECIFIC, 0]);
  const [text, ...rest] = wrapped?.value as forge.asn1.Asn1[];
  expect(rest).to.have.length(0);
  expect(text?.type).to.equal(forge.asn1.Type.UTF8);
  expect(Buffer.from(text?.value as string, 'latin1').toString()).to.equal(name);
}

function utf8StringIn(der: Buffer): string {
  const { type, value } = forge.asn1.fromDer(der.toString('latin1'));
  expect(type).to.equal(forge.asn1.Type.UTF8);
  return Buffer.from(value as string, 'latin1').toString();
}
