import { constants, sign } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { isProven, proveKey, type ProvenKey } from '../../ca/possession.ts';
import { RequestError, type RequestReason } from '../../ca/request-error.ts';
import { DEFAULT_SIGNING_ALGORITHMS, permitAlgorithms } from '../../ca/signing-algorithms.ts';
import type { Principal } from '../../oidc/core/principal.ts';
import { pemOf } from './support/authority.ts';
import { freshKey, KEY_TYPES, proofOf, testKey, type TestKey } from './support/keys.ts';
import { emailPrincipal } from './support/principal.ts';
import { runs } from '../support/runs.ts';

const TEXT = 'alice@example.org';
const demands = { permit: permitAlgorithms(DEFAULT_SIGNING_ALGORITHMS), csr: true };

const prove = (key: TestKey, proof: Uint8Array, principal: Principal = emailPrincipal()): ProvenKey =>
  proveKey({ kind: 'publicKey', content: pemOf(key.publicKey), proof }, principal, demands);

function expectRefusal(code: RequestReason, run: () => unknown): void {
  expect(run).to.throw(RequestError).with.property('code', code);
}

describe('ca/possession', () => {
  for (const type of KEY_TYPES) {
    describe(type, () => {
      it('accepts its proof over the challenge', () => {
        const key = prove(testKey(type), proofOf(testKey(type), TEXT));
        expect(key.type).to.equal(type);
        expect(key.provenBy).to.equal('challenge');
        expect(isProven(key)).to.equal(true);
        const spki = testKey(type).publicKey.export({ type: 'spki', format: 'der' });
        expect(Buffer.from(key.spki).equals(spki)).to.equal(true);
      });

      it('refuses another text, another key and no proof at all', () => {
        const key = testKey(type);
        const other = type.startsWith('RSA')
          ? testKey(type === 'RSA-2048' ? 'RSA-3072' : 'RSA-2048')
          : freshKey(type);
        for (const proof of [proofOf(key, 'bob@example.org'), proofOf(other, TEXT), new Uint8Array(0)]) {
          expectRefusal('PROOF_INVALID', () => prove(key, proof));
        }
      });
    });
  }

  for (const type of ['P-256', 'P-384', 'P-521'] as const) {
    it(`accepts an IEEE P1363 proof of ${type}, and refuses one over another text`, () => {
      const key = testKey(type);
      const p1363 = (text: string): Uint8Array =>
        sign(key.hash ?? null, Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
      // Several, because leading zeros and sign octets of r and s come and go.
      for (let i = 0; i < 24; i++) expect(prove(key, p1363(TEXT)).type).to.equal(type);
      expectRefusal('PROOF_INVALID', () => prove(key, p1363('bob@example.org')));
    });
  }

  it('refuses a P-521 proof made with SHA-256', () => {
    const key = testKey('P-521');
    const proof = sign('sha256', Buffer.from(TEXT), key.privateKey);
    expectRefusal('PROOF_INVALID', () => prove(key, proof));
  });

  it('refuses RSASSA-PSS', () => {
    const key = testKey('RSA-2048');
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    const proof = sign('sha256', Buffer.from(TEXT), { key: key.privateKey, padding });
    expectRefusal('PROOF_INVALID', () => prove(key, proof));
  });

  it('accepts the alternative challenge where the principal has one, and only there', () => {
    const key = testKey('P-256');
    const proof = proofOf(key, 'alice@example.org');
    const principal = emailPrincipal({ challenge: 'https://example.org/alice' });
    expectRefusal('PROOF_INVALID', () => prove(key, proof, principal));
    const lenient = { ...principal, alternativeChallenge: 'alice@example.org' };
    expect(prove(key, proof, lenient).provenBy).to.equal('challenge');
    expect(prove(key, proofOf(key, 'https://example.org/alice'), lenient).provenBy).to.equal('challenge');
  });

  it('says of a proof that none can be so long, and of a shorter one that it is wrong', () => {
    const proving = (length: number) => (): unknown => prove(testKey('P-256'), new Uint8Array(length));
    expect(proving(1025)).to.throw(RequestError, 'longer than 1024 bytes');
    expect(proving(1024)).to.throw(RequestError, 'not a signature by this key');
    expect(proving(0)).to.throw(RequestError, 'holds no proof');
  });

  it('signs the bytes of UTF-8', () => {
    const key = testKey('P-256');
    const challenge = 'jörg@exämple.org';
    expect(prove(key, proofOf(key, challenge), emailPrincipal({ challenge })).type).to.equal('P-256');
  });

  it('refuses a good proof of a key whose algorithm is not permitted, in the words of Fulcio', () => {
    const key = testKey('P-521');
    const gate = permitAlgorithms(['ecdsa-sha2-256-nistp256']);
    const request = { kind: 'publicKey', content: pemOf(key.publicKey), proof: proofOf(key, TEXT) } as const;
    expect(() => proveKey(request, emailPrincipal(), { permit: gate, csr: true }))
      .to.throw(RequestError, 'signing algorithm not permitted: *ecdsa.PublicKey, SHA-512')
      .with.property('code', 'ALGORITHM_NOT_PERMITTED');
  });

  it('does not take a copy for a proof', () => {
    const key = prove(testKey('P-256'), proofOf(testKey('P-256'), TEXT));
    expect(isProven(Object.assign({}, key))).to.equal(false);
  });

  it('never throws anything but RequestError on hostile proofs', () => {
    const key = testKey('P-256');
    const good = proofOf(key, TEXT);
    const mutated = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
      const out = Uint8Array.from(good);
      out[at] = (out[at] ?? 0) ^ flip;
      return out;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 1100 }), mutated), (proof) => {
        expectRefusal('PROOF_INVALID', () => prove(key, proof));
      }),
      { numRuns: runs(200) },
    );
  });
});
