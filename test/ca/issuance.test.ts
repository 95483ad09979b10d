import { generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { createIssuance } from '../../ca/issuance.ts';
import { ReleaseError } from '../../ca/release-error.ts';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import type { CommittedEntry } from '../../ct-log/committed.ts';
import { NOW, pemOf, testAuthority, type TestAuthority } from './support/authority.ts';
import { memoryLog, type MemoryLog } from './support/memory-log.ts';
import { emailPrincipal } from './support/principal.ts';

const clock = (): number => NOW;

function request(challenge = 'alice@example.org'): SigningRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const proof = sign('sha256', Buffer.from(challenge), privateKey);
  return { token: 'token-1', key: { kind: 'publicKey', content: pemOf(publicKey), proof } };
}

describe('ca/issuance', () => {
  let ca: TestAuthority;
  before(async () => {
    ca = await testAuthority();
  });

  const issuing = (log: MemoryLog): ReturnType<typeof createIssuance> =>
    createIssuance({
      authenticate: () => Promise.resolve(emailPrincipal()),
      authority: ca.authority,
      log,
      clock,
      permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS,
    });

  it('issues a ten-minute certificate that the intermediate signed', async () => {
    const log = memoryLog(clock);
    const issued = await issuing(log)(request());
    const parsed = new X509Certificate(issued.certificate);
    const intermediate = new X509Certificate(Buffer.from(ca.intermediateDer));
    expect(parsed.verify(intermediate.publicKey)).to.equal(true);
    expect(parsed.subjectAltName).to.equal('email:alice@example.org');
    expect(parsed.validFromDate.getTime()).to.equal(NOW - 250);
    expect(parsed.validToDate.getTime()).to.equal(NOW - 250 + 600_000);
    expect(issued.notAfter).to.equal(NOW - 250 + 600_000);
    expect(parsed.serialNumber.toLowerCase()).to.equal(issued.serialHex);
    expect(log.entries).to.have.length(1);
  });

  const lies: Record<string, [code: string, (entry: CommittedEntry) => CommittedEntry]> = {
    'another leaf hash': ['LEAF_MISMATCH', (e) => ({ ...e, leafHash: new Uint8Array(32) })],
    'an SCT of another time': [
      'LEAF_MISMATCH',
      (e) => ({ ...e, sct: Uint8Array.from(e.sct, (byte, i) => (i === 40 ? byte ^ 1 : byte)) }),
    ],
  };
  for (const [name, [code, distort]] of Object.entries(lies)) {
    it(`releases nothing when the log answers with ${name}`, async () => {
      const failure: unknown = await issuing(memoryLog(clock, distort))(request()).catch((e: unknown) => e);
      expect(failure).to.be.instanceOf(ReleaseError).with.property('code', code);
    });
  }

  it('releases nothing when the SCT lies outside the validity', async () => {
    const late = memoryLog(() => NOW + 601_000);
    const failure: unknown = await issuing(late)(request()).catch((e: unknown) => e);
    expect(failure).to.be.instanceOf(ReleaseError).with.property('code', 'SCT_OUTSIDE_VALIDITY');
  });

  it('releases nothing for a value that only looks committed', async () => {
    const real = memoryLog(clock);
    const forged: MemoryLog = {
      ...real,
      append: async (entry) => Object.assign({}, await real.append(entry)),
    };
    const failure: unknown = await issuing(forged)(request()).catch((e: unknown) => e);
    expect(failure).to.be.instanceOf(ReleaseError).with.property('code', 'NOT_COMMITTED');
  });

  it('asks the log for nothing when the proof is wrong', async () => {
    const log = memoryLog(clock);
    const failure: unknown = await issuing(log)(request('mallory@example.org')).catch((e: unknown) => e);
    expect(failure).to.have.property('code', 'PROOF_INVALID');
    expect(log.entries).to.have.length(0);
  });
});
