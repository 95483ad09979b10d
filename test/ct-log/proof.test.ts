import { expect } from 'chai';
import type { Issued } from './support/issuing-log.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { verifyInclusion } from '../../tlog/format/merkle-verify.ts';
import { parseTlogProof } from '../../tlog/format/tlog-proof.ts';
import { httpSource } from '../../ct-log/http-source.ts';
import { LogError, LogReadError } from '../../tlog/core/log-error.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { proveCertificate, type CertificateProof, type ProofLog } from '../../ct-log/proof.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import type { LogSource } from '../../ct-log/source.ts';
import { TILE_LEAVES } from '../../ct-log/tile-leaves.ts';
import { readEntries } from '../../tlog/tree/entry-bundle.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';
import { serveReader } from './support/serve-reader.ts';
import { testLog } from './support/test-log.ts';

for (const sctExtensions of ['leaf_index', 'none'] as const) {
  describe(`ct-log/proof in a log with SCT extensions: ${sctExtensions}`, function () {
    this.timeout(60_000);
    let test: IssuingLog;
    let log: CtLog;
    let issued: Issued[];
    before(async () => {
      test = await issuingLog(sctExtensions);
      const first = await test.issue(290);
      await first.log.close();
      const second = await test.issue(10);
      log = second.log;
      issued = [...first.issued, ...second.issued];
    });
    after(() => test.remove());

    const proofLog = async (source: LogSource): Promise<ProofLog> => {
      const checkpoint = await source.checkpoint();
      const verified = verifyCheckpoint(checkpoint, logKeys(test.identity));
      return { source, logId: test.identity.logId, checkpoint, verified };
    };

    const expectProof = (
      { index, leafHash, proof }: CertificateProof,
      certificate: Issued | undefined,
    ): void => {
      expect(index).to.equal(certificate?.committed.index);
      const parsed = parseTlogProof(proof);
      expect(parsed.index).to.equal(index);
      const { size, root } = verifyCheckpoint(parsed.checkpoint, logKeys(test.identity));
      expect(verifyInclusion(sha256, { leafHash, index, size }, parsed.path, root)).to.equal(true);
      expect(leafHash).to.deep.equal(certificate?.committed.leafHash);
    };

    it('finds certificates over HTTP and proves them', async () => {
      const server = await serveReader(log.reader);
      try {
        const from = await proofLog(httpSource(`${server.url}/`));
        for (const i of [0, 137, 255, 256, 289, 299]) {
          const certificate = issued[i];
          expectProof(
            await proveCertificate(from, certificate?.certificate ?? new Uint8Array()),
            certificate,
          );
        }
      } finally {
        await server.close();
      }
    });

    it('says so when the checkpoint does not reach the certificate yet', async () => {
      const source = await openDirectorySource(test.directory);
      const from = await proofLog(source);
      const early = { ...from, verified: { ...from.verified, size: 3 } };
      const failure: unknown = await proveCertificate(
        early,
        issued[200]?.certificate ?? new Uint8Array(),
      ).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(LogReadError).with.property('code', 'NOT_FOUND');
    });

    it('proves from the directory once the log is closed', async () => {
      await log.close();
      const from = await proofLog(await openDirectorySource(test.directory));
      for (const i of [0, 255, 299]) {
        expectProof(await proveCertificate(from, issued[i]?.certificate ?? new Uint8Array()), issued[i]);
      }
    });

    it('proves nothing that the tiles do not bear out', async () => {
      const source = await openDirectorySource(test.directory);
      const crooked: LogSource = {
        name: source.name,
        checkpoint: () => source.checkpoint(),
        chainCertificate: (hex) => source.chainCertificate(hex),
        tile: async (path) => {
          const bytes = Uint8Array.from(await source.tile(path));
          if (path.startsWith('tile/0/')) bytes[40] = (bytes[40] ?? 0) ^ 1;
          return bytes;
        },
      };
      const failure: unknown = await proveCertificate(
        await proofLog(crooked),
        issued[0]?.certificate ?? new Uint8Array(),
      ).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    });

    it('proves no other entry for a certificate: another one of its time, or its own of another time', async () => {
      // A log with the same keys, whose history is another one: as a log that was rolled back, or cheats.
      const time = Date.now() + 5000;
      const other = await issuingLog(sctExtensions, test.signers);
      const again = await issuingLog(sctExtensions, test.signers);
      try {
        const { log: first, issued: mine } = await again.issue(1, { clock: () => time });
        const [certificate] = mine.map((one) => one.certificate);
        const [entry] = readEntries(TILE_LEAVES, await first.reader.tile('tile/data/000.p/1'), 1);
        await first.close();
        if (certificate === undefined || entry?.entry.type !== 'precert')
          throw new Error('nothing was logged');
        const prove = async (directory: string): Promise<unknown> =>
          proveCertificate(await proofLog(await openDirectorySource(directory)), certificate).catch(
            (error: unknown) => error,
          );
        expect(await prove(again.directory)).to.have.property('index', 0);
        await (await other.issue(1, { clock: () => time })).log.close();
        const later = await testLog({ sctExtensions, signers: test.signers });
        const log = await later.open({ chain: again.ca.authority.chain, clock: () => time + 1 });
        const { issuerKeyHash, tbs } = entry.entry;
        const { precertificate = new Uint8Array(), chainFingerprints } = entry;
        await log.append({ issuerKeyHash, tbs, precertificate, chainFingerprints });
        await log.close();
        for (const { directory } of [other, later])
          expect(await prove(directory))
            .to.be.instanceOf(LogReadError)
            .with.property('code', 'NOT_FOUND');
        await later.remove();
      } finally {
        await other.remove();
        await again.remove();
      }
    });

    it('refuses certificates of other logs and without an SCT', async () => {
      const from = await proofLog(await openDirectorySource(test.directory));
      const other = { ...from, logId: new Uint8Array(32) };
      const [root] = test.ca.authority.chain.slice(-1);
      for (const [place, certificate] of [
        [other, issued[0]?.certificate],
        [from, root],
      ] as const) {
        const failure: unknown = await proveCertificate(place, certificate ?? new Uint8Array()).catch(
          (error: unknown) => error,
        );
        expect(failure).to.be.instanceOf(LogReadError).with.property('code', 'BAD_PARAMETER');
      }
    });
  });
}
