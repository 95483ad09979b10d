import { expect } from 'chai';
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fromBase64, fromHex, toHex, utf8, utf8Text } from '../../../core/bytes.ts';
import { decodePem } from '../../../core/pem.ts';
import { preAuthenticationEncoding } from '../../../bundle/format/envelope.ts';
import {
  apiOfKind,
  rememberedDigest,
  requireBodyOf,
  type EntryHash,
  type LoggedSignature,
} from '../../../rekor/format/entry-body.ts';
import { noteKeyHash } from '../../../rekor/format/log-key-id.ts';
import { signedEntryTimestampPayload } from '../../../rekor/format/signed-entry-timestamp.ts';
import { sha256 } from '../../support/parsers.ts';
import { vectorPath } from '../../support/vectors.ts';

interface Vector {
  readonly name: string;
  readonly request: string;
  readonly answer: string;
  readonly payloadType?: string;
  readonly payload?: string;
  readonly canonicalizedBody: string;
  readonly leafHash: string;
}

interface Vectors {
  readonly log: { readonly publicKeyPem: string; readonly publicKeySpkiDer: string };
  readonly entries: readonly Vector[];
  readonly stock: readonly Vector[];
}

const vectorsOf = (file: string): Vectors =>
  JSON.parse(readFileSync(vectorPath(`rekor/${file}`), 'utf8')) as Vectors;
const V1 = vectorsOf('vectors-v1.json');
const V2 = vectorsOf('vectors-v2.json');

const digestOf = (hash: EntryHash, data: Uint8Array): Uint8Array => createHash(hash).update(data).digest();

/** The entry of a vector. */
const entryOf = ({ canonicalizedBody }: Vector): { kind: string; version: string; body: Uint8Array } => {
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
function sent1({ request }: Vector): LoggedSignature {
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
function sent2({ canonicalizedBody, payloadType, payload }: Vector): LoggedSignature {
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

const sentenceOf = async (vector: Vector, signature: LoggedSignature): Promise<string> =>
  requireBodyOf(entryOf(vector), signature, digestOf).then(
    () => 'same',
    (error: unknown) => (error as Error).message,
  );

/** One entry for several signatures, of which a bundle holds none; and one that names its key wrongly. */
const NEVER: readonly string[] = ['dsse-two-signatures', 'rsa-key-with-wrong-details'];
const first = [...V1.entries, ...V1.stock].filter(({ name }) => !NEVER.includes(name));
const second = V2.entries.filter(({ name }) => !NEVER.includes(name));

describe('rekor/format', () => {
  it('rebuilds the body of every recorded entry to the byte', async () => {
    for (const vector of first) expect(await sentenceOf(vector, sent1(vector)), vector.name).to.equal('same');
    for (const vector of second)
      expect(await sentenceOf(vector, sent2(vector)), vector.name).to.equal('same');
    expect([first.length, second.length]).to.deep.equal([20, 6]);
  });

  it('refuses the entry of another artifact, signature or key, and says which differs', async () => {
    const other = { signature: Uint8Array.of(1, 2, 3), key: verifierOf(Buffer.alloc(4), false) };
    const rows = [
      ...first.map((one) => [one, sent1(one)] as const),
      ...second.map((one) => [one, sent2(one)] as const),
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
    const [vector] = first;
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

  it('can compute the digest of the same bytes once', () => {
    let computed = 0;
    const remembered = rememberedDigest((_, data) => {
      computed++;
      return Uint8Array.from(data);
    });
    const [a, b] = [Uint8Array.of(1), Uint8Array.of(2)];
    for (let i = 0; i < 3; i++)
      for (const hash of ['sha256', 'sha384'] as const)
        expect([remembered(hash, a), remembered(hash, b)]).to.deep.equal([a, b]);
    expect(computed).to.equal(4);
  });

  it('knows which API has which kinds', () => {
    expect(apiOfKind('hashedrekord', '0.0.1')).to.equal(1);
    expect(apiOfKind('dsse', '0.0.2')).to.equal(undefined);
    expect(apiOfKind('intoto', '0.0.1')).to.equal(undefined);
  });

  it('makes what the log signed as its promise', () => {
    const key = createPublicKey(V1.log.publicKeyPem);
    for (const { name, answer } of first) {
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

  it('calls the keys of logs as the logs do', () => {
    const [{ answer } = { answer: '' }] = V2.entries;
    const { logId } = JSON.parse(answer) as { logId: { keyId: string } };
    const spki = fromBase64(V2.log.publicKeySpkiDer);
    expect(toHex(noteKeyHash(sha256, 'localhost', spki))).to.equal(toHex(fromBase64(logId.keyId)));
    const ecdsa = createPublicKey(V1.log.publicKeyPem).export({ type: 'spki', format: 'der' });
    expect(noteKeyHash(sha256, 'localhost', ecdsa)).to.deep.equal(sha256(ecdsa));
  });
});
