import { expect } from 'chai';
import { createPublicKey, verify } from 'node:crypto';
import { fromBase64, fromHex } from '../../../core/bytes.ts';
import { signedEntryTimestampPayload } from '../../../rekor/format/signed-entry-timestamp.ts';
import { firstVectors, V1 } from './support/rekor-vectors.ts';

describe('rekor/format/signed-entry-timestamp', () => {
  it('makes what the log signed as its promise', () => {
    const key = createPublicKey(V1.log.publicKeyPem);
    for (const { name, answer } of firstVectors) {
      const [[, entry] = []] = Object.entries(
        JSON.parse(answer) as Record<
          string,
          {
            body: string;
            integratedTime: number;
            logID: string;
            logIndex: number;
            verification: { signedEntryTimestamp: string };
          }
        >,
      );
      if (entry === undefined) throw new Error('no entry');
      const payload = signedEntryTimestampPayload({
        body: fromBase64(entry.body),
        integratedTime: entry.integratedTime,
        logId: fromHex(entry.logID),
        logIndex: entry.logIndex,
      });
      const promise = Buffer.from(entry.verification.signedEntryTimestamp, 'base64');
      expect(verify('sha256', payload, key, promise), name).to.equal(true);
    }
  });
});
