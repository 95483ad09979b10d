import { expect } from 'chai';
import { RequestError } from '../../ca/request-error.ts';
import {
  DEFAULT_SIGNING_ALGORITHMS,
  permitAlgorithms,
  SIGNING_ALGORITHM_NAMES,
  SigningAlgorithmError,
} from '../../ca/signing-algorithms.ts';

describe('ca/signing-algorithms', () => {
  it("has Fulcio's names and defaults", () => {
    expect(DEFAULT_SIGNING_ALGORITHMS).to.have.members([
      'ecdsa-sha2-256-nistp256',
      'ecdsa-sha2-384-nistp384',
      'ecdsa-sha2-512-nistp521',
      'rsa-sign-pkcs1-2048-sha256',
      'rsa-sign-pkcs1-3072-sha256',
      'rsa-sign-pkcs1-4096-sha256',
      'ed25519',
    ]);
    const others = SIGNING_ALGORITHM_NAMES.filter((name) => !DEFAULT_SIGNING_ALGORITHMS.includes(name));
    expect(others).to.have.members([
      'ecdsa-sha2-256-nistp384',
      'ecdsa-sha2-256-nistp521',
      'rsa-sign-pss-2048-sha256',
      'rsa-sign-pss-3072-sha256',
      'rsa-sign-pss-4096-sha256',
      'ed25519-ph',
    ]);
  });

  it('permits what is listed and nothing else', () => {
    const permit = permitAlgorithms(['ecdsa-sha2-256-nistp384', 'rsa-sign-pss-3072-sha256']);
    permit('P-384', 'sha256');
    permit('RSA-3072', 'sha256');
    const refused = [
      ['P-384', 'sha384', 'signing algorithm not permitted: *ecdsa.PublicKey, SHA-384'],
      ['P-256', 'sha256', 'signing algorithm not permitted: *ecdsa.PublicKey, SHA-256'],
      ['RSA-2048', 'sha256', 'signing algorithm not permitted: *rsa.PublicKey, SHA-256'],
      ['Ed25519', undefined, 'signing algorithm not permitted: ed25519.PublicKey, unknown hash value 0'],
    ] as const;
    for (const [type, hash, message] of refused) {
      expect(() => {
        permit(type, hash);
      })
        .to.throw(RequestError, message)
        .with.property('code', 'ALGORITHM_NOT_PERMITTED');
    }
  });

  it('names the unknown name and the known ones', () => {
    const error = (() => {
      try {
        return permitAlgorithms(['ed25519', 'rot13']);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).to.be.instanceOf(SigningAlgorithmError).with.property('message').that.includes('rot13');
    expect((error as SigningAlgorithmError).hint).to.include('ecdsa-sha2-256-nistp256');
  });
});
