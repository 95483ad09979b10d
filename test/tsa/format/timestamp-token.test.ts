import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { fromBase64, toHex } from '../../../core/bytes.ts';
import { parseTimestamp } from '../../../tsa/format/timestamp-token.ts';
import { expectTypedErrors } from '../../support/parsers.ts';
import { vectorPath } from '../../support/vectors.ts';
import { timestampNodes, tokenOf } from '../../verify/support/timestamp-world.ts';

describe('tsa/format/timestamp-token', () => {
  const { cases } = JSON.parse(readFileSync(vectorPath('sigstore-timestamps.json'), 'utf8')) as {
    cases: { name: string; timestamp: string }[];
  };
  const tokens = cases.map(({ timestamp }) => fromBase64(timestamp));

  it('reads what a timestamp says', () => {
    const at = cases.findIndex(({ name }) => name === 'rekor2-dsse-happy-path');
    const { info, certificates, signer } = parseTimestamp(tokens[at] ?? new Uint8Array());
    expect([info.policy, info.imprint.hash, certificates.length]).to.deep.equal([
      '1.3.6.1.4.1.57264.2',
      'sha256',
      0,
    ]);
    expect(new Date(info.time).toISOString()).to.match(/^202\d-.*\.000Z$/);
    expect([signer.digest, signer.scheme.keyType]).to.deep.equal(['sha256', 'ec']);
    expect(toHex(signer.signedBytes.subarray(0, 1))).to.equal('31');
  });

  it('leaves the bytes as they are, those of a buffer too', () => {
    const [token = new Uint8Array()] = tokens;
    const buffer = Buffer.from(token);
    parseTimestamp(buffer);
    expect(Uint8Array.from(buffer)).to.deep.equal(token);
  });

  it('throws FormatError and nothing else, whatever the bytes', async () => {
    expectTypedErrors(parseTimestamp, [...tokens, tokenOf(await timestampNodes())]);
  });
});
