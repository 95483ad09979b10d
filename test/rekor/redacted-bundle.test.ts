/** A bundle whose entry its log has redacted: it goes on verifying offline, with the proof that it has and with one that the log makes afterwards. */
import { expect } from 'chai';
import { utf8 } from '../../core/bytes.ts';
import type { Bundle } from '../../bundle/format/bundle.ts';
import { openArtifactReads } from '../../rekor/artifact-reads.ts';
import { redactEntries } from '../../rekor/redact-entries.ts';
import type { TrustedRoot } from '../../trust/format/trusted-root.ts';
import { judged, messageBundle, WORLD } from '../verify/bundle/support/bundle-world.ts';
import { rekorLog, type RekorLog } from './support/rekor-log.ts';

for (const api of [1, 2] as const)
  describe(`a bundle with a redacted entry, API ${api}`, () => {
    let made: RekorLog;
    beforeEach(async () => {
      made = await rekorLog(api);
    });
    afterEach(() => made.remove());

    const trustedRoot = (): TrustedRoot => ({
      ...WORLD.trustedRoot,
      artifactLogs: [
        {
          baseUrl: `https://${made.identity.host}`,
          publicKey: made.identity.publicKey,
          keyDetails: api === 1 ? 'PKIX_ECDSA_P256_SHA_256' : 'PKIX_ED25519',
          window: { start: 0 },
          logId: made.identity.logId,
        },
      ],
    });

    /** The bundle with the proof that the log makes now. */
    const provenBundle = async (entry: Bundle['entries'][number], index: number): Promise<Bundle> => {
      const reads = await openArtifactReads(made.directory);
      try {
        const proven = await reads.provenAt(index);
        if (proven === undefined) throw new Error('it is not there');
        const { size, root, hashes, checkpoint } = proven.proof;
        const proof = { index, size, root, hashes, checkpoint: utf8(checkpoint) };
        const { logId } = made.identity;
        // Without its promise, an entry of the first API has no time, and the timestamp counts.
        return messageBundle({ entries: [{ ...entry, logId, logIndex: index, promise: undefined, proof }] });
      } finally {
        await reads.close();
      }
    };

    it('verifies as before', async () => {
      const entry = messageBundle().entries[api - 1];
      if (entry === undefined) throw new Error('no entry');
      const log = await made.open();
      const { entry: logged } = await log.add({ body: entry.body, namedDigests: [] });
      await log.close();
      const held = await provenBundle(entry, logged.index);
      expect(await judged(held, { trustedRoot: trustedRoot() })).to.equal('ok');
      const redaction = { index: logged.index, leafHash: logged.leafHash };
      const record = { redactedAt: Date.now(), reason: 'a test', isAudited: false };
      await redactEntries(made.directory, made.identity, [{ ...redaction, ...record }]);
      expect(await judged(held, { trustedRoot: trustedRoot() })).to.equal('ok');
      const grown = await made.open();
      await grown.add({ body: utf8('{"another":1}'), namedDigests: [] });
      await grown.close();
      const later = await provenBundle(entry, logged.index);
      expect(later.entries[0]?.proof?.size).to.equal(3);
      expect(await judged(later, { trustedRoot: trustedRoot() })).to.equal('ok');
    });
  });
