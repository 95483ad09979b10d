import { createPublicKey, generateKeyPairSync, getDiffieHellman, sign, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import type { IssuancePolicy } from '../../ca/issuance-policy.ts';
import { Issuance, type ConcurrencySlot, type PendingCertificate } from '../../ca/issuance.ts';
import { ReleaseError } from '../../ca/release-error.ts';
import { permitAlgorithms } from '../../ca/signing-algorithms.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import type { SctReceipt } from '../../ct-log/format/sct.ts';
import type { CommittedEntry } from '../../tlog/core/committed.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { TokenError } from '../../oidc/core/token-error.ts';
import { SignerError } from '../../signers/signer-error.ts';
import { PolicyError } from '../../policy/core/policy-error.ts';
import { NOW, pemOf, testAuthority, type TestAuthority } from './support/authority.ts';
import { csrOf } from './support/csr.ts';
import { CALLER, issued, refused } from './support/issuing.ts';
import { testKey } from './support/keys.ts';
import { memoryLog, type MemoryLog } from './support/memory-log.ts';
import { openPolicy } from './support/open-policy.ts';
import { emailPrincipal } from './support/principal.ts';
import { openRsa } from '../support/open-rsa.ts';

const clock = (): number => NOW;

const OPEN_RSA = openRsa(getDiffieHellman('modp14').getPrime());

function request(challenge = 'alice@example.org'): SigningRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const proof = sign('sha256', Buffer.from(challenge), privateKey);
  return { token: 'token-1', key: { kind: 'publicKey', content: pemOf(publicKey), proof } };
}

/** A request with an RSA key, and one with a prime number for a modulus, which needs no private key. */
function rsaRequest(): SigningRequest {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const proof = sign('sha256', Buffer.from('alice@example.org'), privateKey);
  return { token: 'token-1', key: { kind: 'publicKey', content: pemOf(publicKey), proof } };
}

function openRequest(): SigningRequest {
  const { modulus, sign: signOpenly } = OPEN_RSA;
  const key = { kty: 'RSA', e: 'AQAB', n: modulus.toString('base64url') };
  const content = pemOf(createPublicKey({ key, format: 'jwk' }));
  const proof = signOpenly(Buffer.from('alice@example.org'));
  return { token: 'token-1', key: { kind: 'publicKey', content, proof } };
}

/** A slot that is always there. */
const slotOf = (admit: () => void): ConcurrencySlot => ({
  admit,
  toKeyCheck: () => undefined,
  fromKeyCheck: () => undefined,
});

describe('ca/issuance', () => {
  let ca: TestAuthority;
  before(async () => {
    ca = await testAuthority();
  });

  const issuing = (log: MemoryLog, policy: IssuancePolicy = openPolicy(emailPrincipal())): Issuance =>
    new Issuance({ policy: { current: policy }, authority: ca.authority, log, clock });

  it('issues a ten-minute certificate that the intermediate signed', async () => {
    const log = memoryLog(clock);
    const { certificate, notAfter, serial, ...rest } = await issued(issuing(log), request());
    const parsed = new X509Certificate(certificate);
    const intermediate = new X509Certificate(Buffer.from(ca.intermediateDer));
    expect(parsed.verify(intermediate.publicKey)).to.equal(true);
    expect(parsed.subjectAltName).to.equal('email:alice@example.org');
    expect(parsed.validFromDate.getTime()).to.equal(NOW - 250);
    expect(parsed.validToDate.getTime()).to.equal(NOW - 250 + 600_000);
    expect(notAfter).to.equal(NOW - 250 + 600_000);
    expect(parsed.serialNumber.toLowerCase()).to.equal(serial);
    expect(rest).to.deep.equal({
      outcome: 'issued',
      caller: CALLER,
      issuerBlock: 'test',
      issuer: 'https://issuer.example.org',
      principal: 'alice@example.org',
      rule: undefined,
      log: log.identity.origin,
      leafIndex: 0,
      treeSize: 1,
      extensions: emailPrincipal().extensions,
    });
    expect(log.entries).to.have.length(1);
  });

  const lies: Record<
    string,
    [code: string, (entry: CommittedEntry<SctReceipt>) => CommittedEntry<SctReceipt>]
  > = {
    'another leaf hash': ['LEAF_MISMATCH', (e) => ({ ...e, leafHash: new Uint8Array(32) })],
    'an SCT of another time': [
      'LEAF_MISMATCH',
      (e) => ({
        ...e,
        receipt: { sct: Uint8Array.from(e.receipt.sct, (byte, i) => (i === 40 ? byte ^ 1 : byte)) },
      }),
    ],
  };
  for (const [name, [code, distort]] of Object.entries(lies)) {
    it(`releases nothing when the log answers with ${name}`, async () => {
      const { error } = await refused(issuing(memoryLog(clock, distort)), request());
      expect(error).to.be.instanceOf(ReleaseError).with.property('code', code);
    });
  }

  it('releases nothing when the SCT lies outside the validity', async () => {
    const late = memoryLog(() => NOW + 601_000);
    const { error } = await refused(issuing(late), request());
    expect(error).to.be.instanceOf(ReleaseError).with.property('code', 'SCT_OUTSIDE_VALIDITY');
  });

  it('releases nothing for a value that only looks committed', async () => {
    const real = memoryLog(clock);
    const forged: MemoryLog = {
      ...real,
      append: async (entry) => Object.assign({}, await real.append(entry)),
    };
    const { error } = await refused(issuing(forged), request());
    expect(error).to.be.instanceOf(ReleaseError).with.property('code', 'NOT_COMMITTED');
  });

  it('asks the log for nothing when the proof is wrong', async () => {
    const log = memoryLog(clock);
    const { error } = await refused(issuing(log), request('mallory@example.org'));
    expect(error).to.have.property('code', 'PROOF_INVALID');
    expect(log.entries).to.have.length(0);
  });

  it('takes lifetime, keys and requests from the policy, never past the end of the CA', async () => {
    const log = memoryLog(clock);
    const lifetime = (lifetimeSeconds: number): IssuancePolicy =>
      openPolicy(emailPrincipal(), { authorize: () => Promise.resolve({ lifetimeSeconds }) });
    const hour = await issued(issuing(log, lifetime(3600)), request());
    expect(hour.notAfter).to.equal(NOW - 250 + 3_600_000);
    const longest = await issued(issuing(log, lifetime(1e9)), request());
    expect(longest.notAfter).to.equal(ca.authority.validity.notAfter);
    const strict = openPolicy(emailPrincipal(), {
      keyDemands: () => ({ permit: permitAlgorithms(['ed25519']), csr: false }),
    });
    const refusalOf = async (key: SigningRequest['key']): Promise<unknown> =>
      (await refused(issuing(log, strict), { token: 'token', key })).error;
    expect(await refusalOf(request().key)).to.have.property('code', 'ALGORITHM_NOT_PERMITTED');
    const csr = { kind: 'csr', pem: csrOf(testKey('Ed25519')) } as const;
    expect(await refusalOf(csr)).to.have.property('code', 'CSR_NOT_ACCEPTED');
    expect(log.entries).to.have.length(2);
  });

  it('records how far a request came', async () => {
    const log = memoryLog(clock);
    const allowing = openPolicy(emailPrincipal(), {
      authorize: () => ({ lifetimeSeconds: 600, rule: 'everybody' }),
    });
    expect(await issued(issuing(log, allowing), request())).to.include({ rule: 'everybody', leafIndex: 0 });
    const { error, ...unproven } = await refused(issuing(log), request('mallory@example.org'));
    expect(error).to.have.property('code', 'PROOF_INVALID');
    const verified = {
      issuerBlock: 'test',
      issuer: 'https://issuer.example.org',
      principal: 'alice@example.org',
    };
    const notLogged = {
      outcome: 'refused',
      caller: CALLER,
      serial: undefined,
      log: undefined,
      leafIndex: undefined,
    };
    expect(unproven).to.deep.equal({ ...notLogged, ...verified, rule: undefined });
    const lying = memoryLog(clock, (entry) => ({ ...entry, leafHash: new Uint8Array(32) }));
    const { serial, leafIndex, rule } = await refused(issuing(lying, allowing), request());
    expect(serial).to.match(/^[0-9a-f]{32,40}$/);
    // The rule did not refuse it.
    expect([leafIndex, rule]).to.deep.equal([0, undefined]);
  });

  it('records of a token that is refused only what is certain of it', async () => {
    const identifying = (error: Error): Issuance =>
      issuing(memoryLog(clock), openPolicy(emailPrincipal(), { identify: () => Promise.reject(error) }));
    const unverified = new TokenError('TOKEN_SIGNATURE_INVALID', 'wrong');
    const nothing = { issuerBlock: undefined, issuer: undefined, principal: undefined };
    for (const error of [unverified, new Error('unknown')])
      expect(await refused(identifying(error), request())).to.deep.include({ ...nothing, error });
    const certain = { issuer: 'https://issuer.example.org', issuerBlock: 'people' };
    const expired = new TokenError('TOKEN_EXPIRED', 'expired', { certain });
    expect(await refused(identifying(expired), request())).to.deep.include({
      ...certain,
      principal: undefined,
      error: expired,
    });
  });

  it('admits a request when its token is verified, and does nothing more for one that is not admitted', async () => {
    const log = memoryLog(clock);
    const busy = new Error('busy');
    const refuse = (): never => {
      throw busy;
    };
    expect((await refused(issuing(log), request(), slotOf(refuse))).error).to.equal(busy);
    let admitted = 0;
    const admit = (): void => {
      admitted++;
    };
    const strict = openPolicy(emailPrincipal(), { identify: () => Promise.reject(new Error('unknown')) });
    await refused(issuing(log, strict), request(), slotOf(admit));
    expect([admitted, log.entries.length]).to.deep.equal([0, 0]);
    await issued(issuing(log), request(), slotOf(admit));
    expect([admitted, log.entries.length]).to.deep.equal([1, 1]);
  });

  it('lets a request with an RSA key change its slot before anything is used up, and back before it is logged', async () => {
    const steps: string[] = [];
    const slot: ConcurrencySlot = {
      admit: () => steps.push('admitted'),
      toKeyCheck: () => steps.push('to the check'),
      fromKeyCheck: () => steps.push('from the check'),
    };
    const policy = openPolicy(emailPrincipal(), {
      authorize: () => {
        steps.push('counted');
        return { lifetimeSeconds: 600 };
      },
    });
    const log = memoryLog(clock);
    const noting: MemoryLog = {
      ...log,
      append: (entry) => {
        steps.push('logged');
        return log.append(entry);
      },
    };
    await issued(issuing(noting, policy), rsaRequest(), slot);
    expect(steps).to.deep.equal(['admitted', 'to the check', 'counted', 'from the check', 'logged']);
    steps.splice(0);
    await issued(issuing(noting, policy), request(), slot);
    expect(steps).to.deep.equal(['admitted', 'counted', 'logged']);
  });

  it('counts a request whose key anybody can use: finding that out cost as much as a certificate', async () => {
    let refunds = 0;
    const counting = openPolicy(emailPrincipal(), {
      authorize: () => ({ lifetimeSeconds: 600, refund: () => refunds++ }),
    });
    const log = memoryLog(clock);
    const { error } = await refused(issuing(log, counting), openRequest());
    expect(error).to.have.property('code', 'KEY_INSECURE');
    expect([refunds, log.entries.length]).to.deep.equal([0, 0]);
  });

  it('counts nothing against limits that did not get into the log, and everything that did', async () => {
    let given = 0;
    let tokens = 0;
    const counting = openPolicy(emailPrincipal(), {
      authorize: () => ({
        lifetimeSeconds: 600,
        refund: (only) => {
          if (only === undefined) given++;
          else tokens++;
        },
      }),
    });
    const refusing = (error: Error): MemoryLog => ({
      ...memoryLog(clock),
      append: () => Promise.reject(error),
    });
    const full = new LogError('LOG_BUSY', 'full');
    const { serial } = await refused(issuing(refusing(full), counting), request());
    expect([given, serial]).to.deep.equal([1, undefined]);
    // Nobody knows whether these are in the log.
    for (const unknown of [full.ofStored(), new Error('whatever')]) {
      const decision = await refused(issuing(refusing(unknown), counting), request());
      expect(decision.serial).to.match(/^[0-9a-f]{32,40}$/);
    }
    await issued(issuing(memoryLog(clock), counting), request());
    const lying = memoryLog(clock, (entry) => ({ ...entry, leafHash: new Uint8Array(32) }));
    await refused(issuing(lying, counting), request());
    expect(given).to.equal(1);
    // No certificate came of those two, and a token is for one.
    expect(tokens).to.equal(2);
  });

  it('has a token work again when the key of the CA fails, before the log and behind it', async () => {
    for (const [failing, all, logged] of [
      [1, [undefined], 0],
      [2, ['token'], 1],
    ] as const) {
      const refunds: unknown[] = [];
      const policy = openPolicy(emailPrincipal(), {
        authorize: () => ({ lifetimeSeconds: 600, refund: (only) => refunds.push(only) }),
      });
      let asked = 0;
      const { signer } = ca.authority;
      const sign = (data: Uint8Array): Promise<Uint8Array> =>
        ++asked === failing
          ? Promise.reject(new SignerError('SIGNER_UNAVAILABLE', 'the token is gone'))
          : signer.sign(data);
      const log = memoryLog(clock);
      const authority = { ...ca.authority, signer: { ...signer, sign } };
      const issuance = new Issuance({ policy: { current: policy }, authority, log, clock });
      const { error } = await refused(issuance, request());
      expect(error).to.have.property('code', 'SIGNER_UNAVAILABLE');
      expect([refunds, log.entries.length]).to.deep.equal([all, logged]);
    }
  });

  it('asks for the last signature again where the token is used up with the entry', async () => {
    const claim = { key: new Uint8Array(32), expires: NOW, refusal: () => new Error('used') };
    const policy = openPolicy(emailPrincipal(), { authorize: () => ({ lifetimeSeconds: 600, claim }) });
    let asked = 0;
    const { signer } = ca.authority;
    const sign = (data: Uint8Array): Promise<Uint8Array> =>
      [2, 3].includes(++asked)
        ? Promise.reject(new SignerError('SIGNER_TIMEOUT', 'the token is slow'))
        : signer.sign(data);
    const authority = { ...ca.authority, signer: { ...signer, sign } };
    const issuance = new Issuance({ policy: { current: policy }, authority, log: memoryLog(clock), clock });
    await issued(issuance, request());
    expect(asked).to.equal(4);
  });

  const denied = new PolicyError('RULE_DENIED', 'no longer', { metadata: { rule: 'no-alice' } });
  const denying = openPolicy(emailPrincipal(), {
    requireStillAllowed: () => {
      throw denied;
    },
  });

  it('asks a policy that came during the commit before it signs the certificate', async () => {
    const live = { current: openPolicy(emailPrincipal()) };
    const log = memoryLog(clock);
    let signed = 0;
    const { signer } = ca.authority;
    const counting = { ...signer, sign: (data: Uint8Array) => (signed++, signer.sign(data)) };
    const issuance = new Issuance({
      policy: live,
      authority: { ...ca.authority, signer: counting },
      log: {
        ...log,
        append: (entry) => {
          live.current = denying;
          return log.append(entry);
        },
      },
      clock,
    });
    expect((await refused(issuance, request())).error).to.equal(denied);
    expect(signed, 'the precertificate alone').to.equal(1);
  });

  it('asks a policy that came while the key was signing, or before the certificate left', async () => {
    const first = openPolicy(emailPrincipal());
    const live = { current: first };
    let signed = 0;
    const { signer } = ca.authority;
    const sign = async (data: Uint8Array): Promise<Uint8Array> => {
      const signature = await signer.sign(data);
      if (++signed === 2) live.current = denying;
      return signature;
    };
    const authority = { ...ca.authority, signer: { ...signer, sign } };
    const issuance = new Issuance({ policy: live, authority, log: memoryLog(clock), clock });
    const early = (await issuance.issue(request(), CALLER)) as PendingCertificate;
    expect(issuance.refusalMeanwhile(early)).to.deep.include({ outcome: 'refused', error: denied });
    live.current = first;
    const pending = (await issuance.issue(request(), CALLER)) as PendingCertificate;
    expect(issuance.refusalMeanwhile(pending)).to.equal(undefined);
    live.current = denying;
    const { serial, leafIndex, principal } = pending.decision;
    expect(issuance.refusalMeanwhile(pending)).to.deep.include({
      outcome: 'refused',
      error: denied,
      rule: 'no-alice',
      serial,
      leafIndex,
      principal,
    });
  });

  it('asks for no grant, which may use up the token, while nothing can be issued', async () => {
    const trouble = new Error('the log has stopped');
    let granted = 0;
    const good = openPolicy(emailPrincipal());
    const current: IssuancePolicy = {
      ...good,
      authorize: (...asked) => {
        granted++;
        return good.authorize(...asked);
      },
    };
    const options = { policy: { current }, authority: ca.authority, log: memoryLog(clock), clock };
    const stopped = { ...options.log, refusal: () => trouble };
    const broken = { refusal: () => trouble };
    for (const issuance of [
      new Issuance({ ...options, log: stopped }),
      new Issuance({ ...options, audit: broken }),
    ])
      expect((await refused(issuance, request())).error).to.equal(trouble);
    const expired = new Issuance({ ...options, clock: () => NOW + 1e12 });
    expect((await refused(expired, request())).error).to.have.property('code', 'AUTHORITY_EXPIRED');
    expect(granted).to.equal(0);
  });

  it('signs nothing when the log begins to refuse while the grant is asked for', async () => {
    const trouble = new Error('the clock jumped');
    let asked = 0;
    let signed = 0;
    const { signer } = ca.authority;
    const counting = { ...signer, sign: (data: Uint8Array) => (signed++, signer.sign(data)) };
    const issuance = new Issuance({
      policy: { current: openPolicy(emailPrincipal()) },
      authority: { ...ca.authority, signer: counting },
      log: { ...memoryLog(clock), refusal: () => (++asked === 2 ? trouble : undefined) },
      clock,
    });
    expect((await refused(issuance, request())).error).to.equal(trouble);
    expect(signed).to.equal(0);
  });
});
