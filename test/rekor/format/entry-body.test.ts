import { expect } from 'chai';
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { fromBase64, fromHex, utf8, utf8Text } from '../../../core/bytes.ts';
import { decodePem } from '../../../core/pem.ts';
import { preAuthenticationEncoding } from '../../../bundle/format/envelope.ts';
import { apiOfKind, requireBodyOf } from '../../../rekor/format/entry-body.ts';
import type { EntryHash } from '../../../rekor/format/entry-digest.ts';
import type { LoggedSignature } from '../../../rekor/format/logged-signature.ts';
import { firstVectors, secondVectors, V1, type RekorVector } from './support/rekor-vectors.ts';

const digestOf = (hash: EntryHash, data: Uint8Array): Uint8Array => createHash(hash).update(data).digest();

/** The entry of a vector. */
const entryOf = ({ canonicalizedBody }: RekorVector): { kind: string; version: string; body: Uint8Array } => {
  const body = utf8(canonicalizedBody);
  const { kind, apiVersion: version } = JSON.parse(canonicalizedBody) as { kind: string; apiVersion: string };
  return { kind, version, body };
};

function verifierOfPem(base64: string): LoggedSignature['verifier'] {
  const [block] = decodePem(Buffer.from(base64, 'base64').toString());
  if (block === undefined) throw new Error('no PEM');
  return verifierOf(block.bytes, block.label === 'CERTIFICATE');
}

const verifierOf = (der: Uint8Array, isCertificate: boolean): LoggedSignature['verifier'] =>
  isCertificate
    ? {
        certificate: der,
        spki: new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' }),
      }
    : { spki: der };

const envelope = (payloadType: string, payload: Uint8Array, keyId = ''): LoggedSignature['signed'] => ({
  type: 'envelope',
  payloadType,
  payload,
  keyId,
  preAuthenticationEncoding: preAuthenticationEncoding({ payloadType, payload }),
});

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call --
   recorded requests of several shapes */

/** What a client sent to a log of the first API. */
function sent1({ request }: RekorVector): LoggedSignature {
  const { kind, spec } = JSON.parse(request) as { kind: string; spec: any };
  if (kind === 'hashedrekord') {
    const { algorithm, value } = spec.data.hash;
    return {
      verifier: verifierOfPem(spec.signature.publicKey.content),
      signature: Buffer.from(spec.signature.content, 'base64'),
      signed: { type: 'message', hash: algorithm, digest: fromHex(value) },
    };
  }
  if (kind === 'dsse') {
    const { payload, payloadType, signatures } = JSON.parse(spec.proposedContent.envelope);
    return {
      verifier: verifierOfPem(spec.proposedContent.verifiers[0]),
      signature: Buffer.from(signatures[0].sig, 'base64'),
      signed: envelope(payloadType, Buffer.from(payload, 'base64')),
    };
  }
  const { payload, payloadType, signatures } = spec.content.envelope;
  const twice = (text: string): Buffer =>
    Buffer.from(Buffer.from(text, 'base64').toString('latin1'), 'base64');
  return {
    verifier: verifierOfPem(signatures[0].publicKey),
    signature: twice(signatures[0].sig),
    signed: envelope(payloadType, twice(payload), signatures[0].keyid),
  };
}

/** What a client sent to a log of the second API. */
function sent2({ canonicalizedBody, payloadType, payload }: RekorVector): LoggedSignature {
  const { data, signature } = JSON.parse(canonicalizedBody).spec.hashedRekordV002;
  const { x509Certificate, publicKey } = signature.verifier;
  return {
    verifier: verifierOf(
      Buffer.from((x509Certificate ?? publicKey).rawBytes, 'base64'),
      x509Certificate !== undefined,
    ),
    signature: Buffer.from(signature.content, 'base64'),
    signed:
      payloadType === undefined || payload === undefined
        ? {
            type: 'message',
            hash: data.algorithm.replace('SHA2_', 'sha') as EntryHash,
            digest: fromBase64(data.digest),
          }
        : envelope(payloadType, fromBase64(payload)),
  };
}
/* eslint-enable */

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
          : envelope(signed.payloadType, Buffer.from('{}'), signed.keyId);
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
