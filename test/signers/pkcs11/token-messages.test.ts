import { expect } from 'chai';
import fc from 'fast-check';
import { FormatError } from '../../../core/errors.ts';
import {
  arrivedAnswer,
  arrivedBytes,
  arrivedKeys,
  arrivedModule,
  arrivedTaken,
  FrameReader,
  frameOf,
} from '../../../signers/pkcs11/token-messages.ts';
import { failureAs } from '../../support/failure.ts';
import { rebuiltJson } from '../../support/parsers.ts';
import { runs } from '../../support/runs.ts';

const key = {
  label: 'ca',
  id: 'AQ==',
  maySign: true,
  isExtractable: false,
  isLoginEachTime: false,
  spki: 'AAAA',
};
const token = {
  label: 'mayfly',
  manufacturer: 'm',
  model: 'v2',
  serial: '1',
  isInitialized: true,
  pin: 'count-low',
};
const module = { library: 'l', slots: [{ id: '7', description: 'd', manufacturer: 'm', token }] };

describe('signers/pkcs11/token-messages', () => {
  it('puts frames together, however they were cut', () => {
    const values = [{ of: 0, answer: null }, { of: 1, answer: 'ä'.repeat(500) }, 7];
    const bytes = Buffer.concat(values.map(frameOf));
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 8 }), (cuts) => {
        const reader = new FrameReader();
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const found = at.slice(1).flatMap((end, i) => reader.push(bytes.subarray(at[i], end)));
        expect(found).to.deep.equal(values);
      }),
      { numRuns: runs(100) },
    );
  });

  it('refuses a frame that is too long before it is there, and one that is no JSON', async () => {
    const long = Buffer.from('00040001', 'hex');
    expect(await failureAs(FormatError, () => new FrameReader().push(long))).to.include({
      code: 'TOO_LARGE',
    });
    const broken = Buffer.concat([Buffer.from('00000003', 'hex'), Buffer.from('{"a')]);
    expect(await failureAs(FormatError, () => new FrameReader().push(broken))).to.include({
      code: 'MALFORMED',
    });
  });

  it('reads what it is answered', () => {
    const fault = { reason: 'PKCS11_TIMEOUT', message: 'm', hint: 'h' };
    expect(arrivedAnswer({ of: 3, fault })).to.deep.equal({ of: 3, fault });
    expect(arrivedAnswer({ of: 3, answer: 'x' })).to.deep.equal({ of: 3, answer: 'x' });
    expect(arrivedModule(module).slots[0]?.token?.pin).to.equal('count-low');
    expect(arrivedTaken({ number: 2, key })).to.deep.include({ number: 2 });
    expect(arrivedKeys([key])[0]).to.deep.include({ id: Uint8Array.of(1), spki: new Uint8Array(3) });
  });

  it('answers or throws FormatError, whatever a module made of its process', () => {
    const readers = [arrivedAnswer, arrivedModule, arrivedTaken, arrivedKeys, arrivedBytes];
    const good = [
      { of: 1, fault: { reason: 'PKCS11_TIMEOUT', message: 'm' } },
      module,
      { number: 1, key },
      [key],
      'AAAA',
    ];
    const json = rebuiltJson(good.map((value) => JSON.stringify(value)));
    fc.assert(
      fc.property(json, (text) => {
        for (const read of readers)
          try {
            read(JSON.parse(text));
          } catch (error) {
            expect(error).to.be.instanceOf(FormatError);
          }
      }),
      { numRuns: runs(1_000) },
    );
  });
});
