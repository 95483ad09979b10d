import { expect } from 'chai';
import { X509Certificate } from 'node:crypto';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { certificateVerifier, type EntryVerifier } from '../../../rekor/entries/proposed-entry.ts';
import { admitOwnSigners, type Admission, type OwnSigners } from '../../../server/rekor/admission.ts';
import type { CtLog } from '../../../ct-log/ct-log.ts';
import { loggedTbs } from '../../../ct-log/logged-tbs.ts';
import { issuingLog, type IssuingLog } from '../../ct-log/support/issuing-log.ts';
import { sequence, bitString } from '../../../core/der-writer.ts';
import { parseCertificate } from '../../../core/certificate.ts';
import { SIGNATURE_ALGORITHMS } from '../../../core/signature-algorithm.ts';

const spkiOf = (certificate: Uint8Array): Buffer =>
  new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });

describe('server/rekor/admission', () => {
  let own: IssuingLog;
  let other: IssuingLog;
  let certificate: Uint8Array;
  let foreign: Uint8Array;
  let signers: OwnSigners;
  let otherLog: CtLog;
  let now = 0;

  before(async () => {
    own = await issuingLog();
    other = await issuingLog();
    const { log, issued } = await own.issue(1);
    certificate = issued[0]?.certificate ?? new Uint8Array(0);
    const elsewhere = await other.issue(1);
    otherLog = elsewhere.log;
    foreign = elsewhere.issued[0]?.certificate ?? new Uint8Array(0);
    const issuers = own.ca.authority.chain.slice(0, 1);
    signers = { issuers, logs: () => [log.identity], keys: [], clock: () => now };
  });

  beforeEach(() => {
    now = Date.now();
  });

  after(async () => {
    await own.remove();
    await other.remove();
  });

  const verifier = (der: Uint8Array): EntryVerifier => certificateVerifier(parseCertificate(der));

  function refusalBy(admission: Admission, one: EntryVerifier): string {
    try {
      admission(one);
    } catch (error) {
      return messageOf(error);
    }
    throw new Error('it was admitted');
  }

  function messageOf(error: unknown): string {
    expect(error).to.be.instanceOf(EntryError);
    expect((error as EntryError).code).to.equal('ENTRY_NOT_ADMITTED');
    return (error as EntryError).message;
  }

  /** Of what may be in the log. */
  const lateRefusalBy = (admission: Admission, one: EntryVerifier): string => messageOf(admission(one));

  it('admits a certificate of this CA, also of a chain before, and no other', () => {
    admitOwnSigners(signers)(verifier(certificate));
    const chains = [...other.ca.authority.chain.slice(0, 1), ...signers.issuers];
    admitOwnSigners({ ...signers, issuers: chains })(verifier(certificate));
    expect(refusalBy(admitOwnSigners(signers), verifier(foreign))).to.equal(
      'the certificate was not issued by this CA',
    );
  });

  it('admits none by the name of the CA alone: the signature has to hold', () => {
    const { tbs, signature } = parseCertificate(certificate);
    const wrong = Uint8Array.from(signature);
    wrong[12] = (wrong[12] ?? 0) ^ 1;
    const forged = sequence(tbs, SIGNATURE_ALGORITHMS['ecdsa-p256-sha256'].identifier, bitString(wrong));
    expect(refusalBy(admitOwnSigners(signers), verifier(forged))).to.equal(
      'the certificate was not issued by this CA',
    );
  });

  it('admits a certificate from its first second on, as long as its entry can get a time before its end', () => {
    const { notBefore, notAfter } = parseCertificate(certificate);
    const admission = admitOwnSigners(signers);
    for (now of [notBefore, notAfter - 4_001]) expect(admission(verifier(certificate))).to.equal(undefined);
    now = notBefore - 1;
    expect(lateRefusalBy(admission, verifier(certificate))).to.equal('the certificate is not valid yet');
    // An entry may get its time seconds later, and verifiers refuse one with a time after the end.
    for (now of [notAfter - 4_000, notAfter + 999])
      expect(lateRefusalBy(admission, verifier(certificate))).to.equal(
        'the certificate ends before its entry would have its time',
      );
    now = notAfter + 1000;
    expect(lateRefusalBy(admission, verifier(certificate))).to.equal('the certificate is not valid any more');
    expect(refusalBy(admission, verifier(foreign))).to.equal('the certificate was not issued by this CA');
  });

  it('admits no certificate whose SCT is of another log, or not over it, or missing', async () => {
    const sentence = 'the certificate has no SCT of a log of this CA';
    const elsewhere = admitOwnSigners({ ...signers, logs: () => [otherLog.identity] });
    expect(refusalBy(elsewhere, verifier(certificate))).to.equal(sentence);
    const [{ logId } = otherLog.identity] = signers.logs();
    const wrongKey = admitOwnSigners({
      ...signers,
      logs: () => [{ logId, publicKey: otherLog.identity.publicKey }],
    });
    expect(refusalBy(wrongKey, verifier(certificate))).to.equal(sentence);
    // Signed by the CA, as only it can, but without what the log says.
    const tbs = loggedTbs(certificate);
    const signature = await own.ca.authority.signer.sign(tbs);
    const bare = sequence(tbs, own.ca.authority.algorithm, bitString(signature));
    expect(refusalBy(admitOwnSigners(signers), verifier(bare))).to.equal(sentence);
  });

  it('admits a certificate of the log before the one in use', () => {
    admitOwnSigners({ ...signers, logs: () => [otherLog.identity, ...signers.logs()] })(
      verifier(certificate),
    );
  });

  it('admits the listed keys without a certificate, and a certificate not for its key', () => {
    const admission = admitOwnSigners({ ...signers, keys: [spkiOf(foreign)] });
    admission({ spki: spkiOf(foreign) });
    expect(refusalBy(admission, { spki: spkiOf(certificate) })).to.equal(
      'the key is not among those that the operator lists',
    );
    expect(refusalBy(admission, verifier(foreign))).to.equal('the certificate was not issued by this CA');
  });
});
