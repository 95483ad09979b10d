import { expect } from 'chai';
import fc from 'fast-check';
import { generateKeyPairSync } from 'node:crypto';
import { decodePem, encodePem } from '../../core/pem.ts';
import { expectTypedErrorsOnText, refusalOf } from '../support/parsers.ts';

describe('core/pem', () => {
  it('reads back every block that it writes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const [block, ...rest] = decodePem(encodePem('THING', bytes));
        expect(rest).to.be.empty;
        expect(block).to.deep.equal({ label: 'THING', headers: [], bytes });
      }),
    );
  });

  it('writes what OpenSSL writes', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const der = publicKey.export({ type: 'spki', format: 'der' });
    expect(encodePem('PUBLIC KEY', der)).to.equal(publicKey.export({ type: 'spki', format: 'pem' }));
  });

  it('keeps the header lines of old key files apart', () => {
    const text = '-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A,B\n\nAAAA\n-----END X-----\n';
    expect(decodePem(text)[0]?.headers).to.deep.equal(['Proc-Type: 4,ENCRYPTED', 'DEK-Info: A,B']);
    expect(decodePem(text)[0]?.bytes.length).to.equal(3);
  });

  it('takes Windows line ends, blanks at line ends and text around the blocks', () => {
    const text = `subject=/CN=x\r\n${encodePem('A', new Uint8Array(90)).replaceAll('\n', ' \r\n')}\r\nissuer\r\n${encodePem('B', new Uint8Array(1))}`;
    expect(decodePem(text).map(({ label, bytes }) => [label, bytes.length])).to.deep.equal([
      ['A', 90],
      ['B', 1],
    ]);
  });

  it('stops at the limit of blocks', () => {
    expect(decodePem(encodePem('A', new Uint8Array(3)).repeat(20))).to.have.length(16);
    expect(decodePem(encodePem('A', new Uint8Array(3)).repeat(20), 2)).to.have.length(2);
  });

  it('refuses a block without its own end, or with content that is not base64', () => {
    expect(refusalOf(() => decodePem('-----BEGIN A-----\nAAAA\n-----END B-----\n'))?.code).to.equal(
      'TRUNCATED',
    );
    expect(refusalOf(() => decodePem('-----BEGIN A-----\nAA*A\n-----END A-----\n'))?.code).to.equal(
      'MALFORMED',
    );
    expect(decodePem('no block at all')).to.be.empty;
  });

  it('throws nothing but FormatError, whatever the text', () => {
    expectTypedErrorsOnText((text) => decodePem(text), [encodePem('A', new Uint8Array(70))]);
  });
});
