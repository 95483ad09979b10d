import { expect } from 'chai';
import { createPublicKey } from 'node:crypto';
import { fromBase64, toHex } from '../../../core/bytes.ts';
import { noteKeyHash } from '../../../rekor/format/log-key-id.ts';
import { sha256 } from '../../support/parsers.ts';
import { V1, V2 } from './support/rekor-vectors.ts';

describe('rekor/format/log-key-id', () => {
  it('calls the keys of logs as the logs do', () => {
    const [{ answer } = { answer: '' }] = V2.entries;
    const { logId } = JSON.parse(answer) as { logId: { keyId: string } };
    const spki = fromBase64(V2.log.publicKeySpkiDer);
    expect(toHex(noteKeyHash(sha256, 'localhost', spki))).to.equal(toHex(fromBase64(logId.keyId)));
    const ecdsa = createPublicKey(V1.log.publicKeyPem).export({ type: 'spki', format: 'der' });
    expect(noteKeyHash(sha256, 'localhost', ecdsa)).to.deep.equal(sha256(ecdsa));
  });
});
