import { expect } from 'chai';
import fc from 'fast-check';
import { challengeOf, compareIssuer, compareName } from '../../../cli/certificate/challenge.ts';
import type { OfferedIssuer } from '../../../cli/certificate/service.ts';
import { readTokenClaims, type TokenClaims } from '../../../cli/certificate/token-claims.ts';
import { CommandError } from '../../../cli/program/command.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const claimsOf = (claims: Record<string, unknown>): TokenClaims =>
  readTokenClaims(`${encode({ alg: 'RS256' })}.${encode({ iss: 'https://i', sub: 's', ...claims })}.c2ln`);

const offered = (more: Partial<OfferedIssuer>): OfferedIssuer => ({
  url: 'https://i',
  audience: 'sigstore',
  type: 'email',
  challengeClaim: 'email',
  skipsEmailVerification: false,
  ...more,
});

describe('cli/certificate/token-claims', () => {
  it('reads what it needs of a token', () => {
    const claims = claimsOf({ email: 'a@b.c', email_verified: 'true', exp: 5 });
    expect(claims).to.include({
      issuer: 'https://i',
      subject: 's',
      email: 'a@b.c',
      emailVerified: true,
      expires: 5000,
    });
  });

  it('throws nothing but CommandError on hostile text, and never repeats it', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((json) => `a.${Buffer.from(json).toString('base64url')}.b`),
        ),
        (text) => {
          try {
            readTokenClaims(text);
          } catch (error) {
            expect(error).to.be.instanceOf(CommandError);
            if (text.length > 20) expect((error as CommandError).message).to.not.contain(text);
          }
        },
      ),
    );
  });
});

describe('cli/certificate/challenge', () => {
  it('signs the verified e-mail address, else the subject', () => {
    expect(challengeOf(claimsOf({ email: 'a@b.c', email_verified: true }), undefined)).to.equal('a@b.c');
    expect(challengeOf(claimsOf({}), undefined)).to.equal('s');
    expect(challengeOf(claimsOf({ email: '' }), undefined)).to.equal('s');
  });

  it('signs an unverified address only where the service says that it takes it', () => {
    const claims = claimsOf({ email: 'a@b.c' });
    expect(() => challengeOf(claims, undefined)).to.throw(CommandError, 'not verified');
    expect(() => challengeOf(claims, offered({}))).to.throw(CommandError, 'not verified');
    expect(challengeOf(claims, offered({ skipsEmailVerification: true }))).to.equal('a@b.c');
    expect(challengeOf(claims, offered({ challengeClaim: 'sub' }))).to.equal('s');
  });

  it('distinguishes the own name from a foreign one', () => {
    const mail = claimsOf({ email: 'a@b.c', email_verified: true });
    expect(compareName({ type: 'email', value: 'a@b.c' }, mail)).to.equal('same');
    expect(compareName({ type: 'email', value: 'x@b.c' }, mail)).to.equal('other');
    const job = claimsOf({ job_workflow_ref: 'o/r/.github/workflows/w.yml@refs/heads/main' });
    const uri = 'https://github.com/o/r/.github/workflows/w.yml@refs/heads/main';
    expect(compareName({ type: 'uri', value: uri }, job)).to.equal('same');
    expect(compareName({ type: 'uri', value: 'https://ci.example.com/made/up' }, job)).to.equal('derived');
    expect(compareName({ type: 'username', value: 's!example.com' }, job)).to.equal('same');
    expect(compareName({ type: 'email', value: 'a@b.c' }, job)).to.equal('other');
  });

  it('takes for the issuer what the token names, and nothing else', () => {
    const claims = claimsOf({ federated_claims: { connector_id: 'https://github.com/login/oauth' } });
    expect(compareIssuer('https://i', claims)).to.equal('same');
    expect(compareIssuer('https://github.com/login/oauth', claims)).to.equal('derived');
    expect(compareIssuer('https://accounts.google.com', claims)).to.equal('other');
  });
});
