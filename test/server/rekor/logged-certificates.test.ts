import { expect } from 'chai';
import { createPublicKey } from 'node:crypto';
import { equalBytes } from '../../../core/bytes.ts';
import { parseCertificate } from '../../../core/certificate.ts';
import { bitString, sequence } from '../../../core/der-writer.ts';
import type { CtLog } from '../../../ct-log/ct-log.ts';
import { loggedTbs } from '../../../ct-log/logged-tbs.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { certificateVerifier, type EntryVerifier } from '../../../rekor/entries/proposed-entry.ts';
import { admitOwnSigners } from '../../../server/rekor/admission.ts';
import { LoggedCertificates } from '../../../server/rekor/logged-certificates.ts';
import { LogError, LogReadError } from '../../../tlog/core/log-error.ts';
import { issuingLog, type IssuingLog } from '../../ct-log/support/issuing-log.ts';
import { testLog, type TestLog } from '../../ct-log/support/test-log.ts';
import { failureAs } from '../../support/failure.ts';

const verifierOf = (certificate: Uint8Array): EntryVerifier =>
  certificateVerifier(parseCertificate(certificate));

for (const extensions of ['leaf_index', 'none'] as const)
  describe(`server/rekor/logged-certificates, SCTs with extensions: ${extensions}`, () => {
    let own: IssuingLog;
    /** Where somebody with copies of all keys issues. */
    let stolen: TestLog;
    let log: CtLog;
    let issuers: readonly Uint8Array[];
    let logged: readonly Uint8Array[];
    let unlogged: Uint8Array;

    before(async () => {
      own = await issuingLog(extensions);
      const issued = await own.issue(3);
      ({ log } = issued);
      logged = issued.issued.map(({ certificate }) => certificate);
      issuers = own.ca.authority.chain.slice(0, 1);
      stolen = await testLog({ sctExtensions: extensions, signers: own.signers });
      const elsewhere = await stolen.open({ chain: own.ca.authority.chain });
      unlogged = (await own.issueWith(elsewhere, 1))[0]?.certificate ?? new Uint8Array();
    });
    after(async () => {
      await own.remove();
      await stolen.remove();
    });

    const lookingIn = (...logs: readonly CtLog[]): LoggedCertificates =>
      new LoggedCertificates(issuers, (logId) =>
        Promise.resolve(logs.find(({ identity }) => equalBytes(identity.logId, logId))?.reader),
      );
    const refusal = async (certificates: LoggedCertificates, ...ders: Uint8Array[]): Promise<string> =>
      (await failureAs(EntryError, certificates.require(ders.map(verifierOf)))).code;

    it('takes those that the log holds, and keys without a certificate', async () => {
      const spki = createPublicKey(own.ca.authority.chainPems[0] ?? '').export({
        type: 'spki',
        format: 'der',
      });
      await lookingIn(log).require([...logged.map(verifierOf), { spki }]);
    });

    it('takes one of any of the names that the CA has had', async () => {
      const other = await issuingLog(extensions);
      try {
        const all = new LoggedCertificates([...other.ca.authority.chain.slice(0, 1), ...issuers], () =>
          Promise.resolve(log.reader),
        );
        await all.require(logged.map(verifierOf));
      } finally {
        await other.remove();
      }
    });

    it('refuses one with a good SCT that the log does not hold, also beside one that it holds', async () => {
      // Nothing else is wrong with it.
      admitOwnSigners({ issuers, logs: () => [log.identity], keys: [], clock: Date.now })(
        verifierOf(unlogged),
      );
      for (const ders of [[unlogged], [logged[0] ?? unlogged, unlogged]])
        expect(await refusal(lookingIn(log), ...ders)).to.equal('ENTRY_CERTIFICATE_UNLOGGED');
    });

    it('says that it is busy while nothing says what the log holds', async () => {
      const unready = new LoggedCertificates(issuers, () =>
        Promise.resolve({ holds: () => Promise.reject(new LogReadError('NOT_READY', 'not yet')) }),
      );
      const failure = await failureAs(LogError, unready.require([verifierOf(unlogged)]));
      expect(failure.code).to.equal('LOG_BUSY');
    });

    it('refuses one whose log is not known here, and one without an SCT', async () => {
      expect(await refusal(lookingIn(), logged[0] ?? unlogged)).to.equal('ENTRY_CERTIFICATE_UNLOGGED');
      const tbs = loggedTbs(logged[0] ?? unlogged);
      const signature = await own.ca.authority.signer.sign(tbs);
      const bare = sequence(tbs, own.ca.authority.algorithm, bitString(signature));
      expect(await refusal(lookingIn(log), bare)).to.equal('ENTRY_CERTIFICATE_UNLOGGED');
    });
  });
