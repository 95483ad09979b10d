import { expect } from 'chai';
import { createPublicKey } from 'node:crypto';
import { utf8, utf8Text } from '../../../core/bytes.ts';
import { apiOfKind, requireBodyOf } from '../../../rekor/format/entry-body.ts';
import type { LoggedSignature } from '../../../rekor/format/logged-signature.ts';
import { firstVectors, secondVectors, V1, type RekorVector } from './support/rekor-vectors.ts';
import { digestOf, sent1, sent2, sentEnvelope, verifierOf } from './support/sent-signatures.ts';

/** The entry of a vector. */
const entryOf = ({ canonicalizedBody }: RekorVector): { kind: string; version: string; body: Uint8Array } => {
  const body = utf8(canonicalizedBody);
  const { kind, apiVersion: version } = JSON.parse(canonicalizedBody) as { kind: string; apiVersion: string };
  return { kind, version, body };
};

const sentenceOf = async (vector: RekorVector, signature: LoggedSignature): Promise<string> =>
  requireBodyOf(entryOf(vector), signature, digestOf).then(
    () => 'same',
    (error: unknown) => (error as Error).message,
  );

describe('rekor/format/entry-body', () => {
  it('rebuilds the body of every recorded entry to the byte', async () => {
    for (const vector of firstVectors)
      expect(await sentenceOf(vector, sent1(vector)), vector.name).to.equal('same');
    for (const vector of secondVectors)
      expect(await sentenceOf(vector, sent2(vector)), vector.name).to.equal('same');
    expect([firstVectors.length, secondVectors.length]).to.deep.equal([20, 6]);
  });

  it('refuses the entry of another artifact, signature or key, and says which differs', async () => {
    const other = { signature: Uint8Array.of(1, 2, 3), key: verifierOf(Buffer.alloc(4), false) };
    const rows = [
      ...firstVectors.map((one) => [one, sent1(one)] as const),
      ...secondVectors.map((one) => [one, sent2(one)] as const),
    ];
    for (const [vector, sent] of rows) {
      const { signed } = sent;
      const elsewhere: LoggedSignature['signed'] =
        signed.type === 'message'
          ? { ...signed, digest: signed.digest.map((byte) => byte ^ 1) }
          : sentEnvelope(signed.payloadType, Buffer.from('{}'), signed.keyId);
      expect(await sentenceOf(vector, { ...sent, signed: elsewhere }), vector.name).to.match(
        /another artifact/,
      );
      expect(await sentenceOf(vector, { ...sent, signature: other.signature }), vector.name).to.match(
        /another signature/,
      );
      const spki = createPublicKey(V1.log.publicKeyPem).export({ type: 'spki', format: 'der' });
      expect(await sentenceOf(vector, { ...sent, verifier: { spki } }), vector.name).to.match(
        /another (?:certificate or key|artifact)|by sha/,
      );
    }
  });

  it('refuses a body of another spelling, with a member more, or of another kind', async () => {
    const [vector] = firstVectors;
    if (vector === undefined) throw new Error('no vector');
    const sent = sent1(vector);
    const { body, ...kind } = entryOf(vector);
    const sentence = async (text: string, as: Partial<typeof kind> = {}): Promise<string> =>
      requireBodyOf({ ...kind, ...as, body: Buffer.from(text) }, sent, digestOf).then(
        () => 'same',
        (error: unknown) => (error as Error).message,
      );
    const text = utf8Text(body);
    expect(await sentence(text)).to.equal('same');
    expect(await sentence(`${text} `)).to.equal('the body of the log entry is not in its canonical form');
    expect(await sentence(text.replace('"spec":{', '"spec":{"extra":1,'))).to.equal(
      'the log entry is about another thing than the bundle: spec.extra differs',
    );
    expect(await sentence(text.replace('{', '{"kind":"x",'))).to.match(/names "kind" twice/);
    expect(await sentence(text, { version: '0.0.2' })).to.match(/apiVersion differs/);
    expect(await sentence(text, { kind: 'rekord' })).to.match(/of a kind that is not known/);
    expect(await sentence('[1]')).to.match(/apiVersion differs/);
    expect(await sentence('null')).to.match(/apiVersion differs/);
  });

  it('knows which API has which kinds', () => {
    expect(apiOfKind('hashedrekord', '0.0.1')).to.equal(1);
    expect(apiOfKind('dsse', '0.0.2')).to.equal(undefined);
    expect(apiOfKind('intoto', '0.0.1')).to.equal(undefined);
  });
});
