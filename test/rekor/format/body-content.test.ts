import { expect } from 'chai';
import { utf8, utf8Text } from '../../../core/bytes.ts';
import { parseCertificate } from '../../../core/certificate.ts';
import { FormatError } from '../../../core/errors.ts';
import { parsePublicKey } from '../../../core/public-key.ts';
import { readBodyContent } from '../../../rekor/format/body-content.ts';
import { failureAs } from '../../support/failure.ts';
import { expectTypedErrors } from '../../support/parsers.ts';
import { V1, V2 } from './support/rekor-vectors.ts';

describe('rekor/format/body-content', () => {
  for (const { name, canonicalizedBody } of [...V1.entries, ...V1.stock, ...V2.entries])
    it(`reads whose signatures the recorded entry "${name}" is about, and what they are over`, () => {
      const { kind, version, verifiers, digests } = readBodyContent(utf8(canonicalizedBody));
      expect(canonicalizedBody).to.contain(`"kind":"${kind}"`).and.to.contain(`"apiVersion":"${version}"`);
      expect(verifiers).to.have.length(name === 'dsse-two-signatures' ? 2 : 1);
      for (const { pem, blocks, isCertificate } of verifiers) {
        const [first = new Uint8Array()] = blocks;
        const spki = isCertificate ? parseCertificate(first).spki : first;
        expect(parsePublicKey(spki).type).to.be.oneOf(['ec', 'rsa', 'ed25519']);
        expect(utf8Text(pem)).to.match(
          isCertificate ? /^-----BEGIN CERTIFICATE-----\n/ : /^-----BEGIN PUBLIC KEY-----\n/,
        );
      }
      expect(digests).to.have.length(kind === 'dsse' ? 2 : 1);
      for (const digest of digests)
        expect(digest).to.match(/^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/);
    });

  it('throws nothing but FormatError, whatever the body', () => {
    const good = [...V1.entries, ...V2.entries].map(({ canonicalizedBody }) => utf8(canonicalizedBody));
    expectTypedErrors(readBodyContent, good);
  });

  const refused: readonly (readonly [string, unknown])[] = [
    ['of another kind', { apiVersion: '0.0.1', kind: 'rpm', spec: {} }],
    ['without a specification', { apiVersion: '0.0.1', kind: 'hashedrekord' }],
    ['with a key that is none', { apiVersion: '0.0.1', kind: 'intoto', spec: { publicKey: 'QQ==' } }],
    ['with no list of signatures', { apiVersion: '0.0.1', kind: 'dsse', spec: { signatures: {} } }],
    ['that is a list', []],
  ];
  for (const [what, body] of refused)
    it(`refuses a body ${what}`, async () => {
      await failureAs(FormatError, () => readBodyContent(utf8(JSON.stringify(body))));
    });
});
