import { expect } from 'chai';
import { fromBase64 } from '../../../core/bytes.ts';
import { FormatError } from '../../../core/errors.ts';
import { entryRequest } from '../../../rekor/format/entry-request.ts';
import { failureAs } from '../../support/failure.ts';
import { firstVectors, secondVectors, type RekorVector } from './support/rekor-vectors.ts';
import { digestOf, sent1, sent2, sentEnvelope } from './support/sent-signatures.ts';

const textOf = async (vector: RekorVector, api: 1 | 2): Promise<string> =>
  (await entryRequest(api, api === 1 ? sent1(vector) : sent2(vector), digestOf)).text;

/** PEM in base64, as a JSON text has it. */
const PEM = /"(LS0tLS1[\w+/=]*)"/g;

/** sigstore-js sends PEM without the line feed at its end, and all others send it. */
const withLineFeeds = (request: string): string =>
  request.replace(PEM, (_, pem: string) => {
    const text = Buffer.from(pem, 'base64').toString();
    return `"${Buffer.from(text.endsWith('\n') ? text : `${text}\n`).toString('base64')}"`;
  });

/** A request as JSON, without members that are null or an empty hint at a key, and with its envelope as JSON too: other clients have other orders and white space. */
const meaningOf = (request: string): unknown =>
  JSON.parse(request, (name, value: unknown) => {
    if (value === null || (name === 'keyid' && value === '')) return undefined;
    return name === 'envelope' && typeof value === 'string' ? meaningOf(value) : value;
  });

const named = (pattern: RegExp): readonly RekorVector[] =>
  firstVectors.filter(({ name }) => pattern.test(name));

describe('rekor/format/entry-request', () => {
  it('asks v1 to the byte as sigstore-js does, but for the line feed at the end of PEM', async () => {
    const vectors = named(/^sigstore-js\/5\.1\.0 (?:hashedrekord|dsse)$/);
    for (const vector of vectors)
      expect(await textOf(vector, 1), vector.name).to.equal(withLineFeeds(vector.request));
    expect(vectors).to.have.length(2);
  });

  it('asks v1 for what sigstore-go, sigstore-python, cosign and gitsign ask it for', async () => {
    const vectors = named(/^(?:sigstore-go|sigstore-python|cosign|gitsign)\b/);
    for (const vector of vectors)
      expect(meaningOf(await textOf(vector, 1)), vector.name).to.deep.equal(meaningOf(vector.request));
    expect(vectors).to.have.length(8);
  });

  it('asks v1 to the byte as the recorded requests with keys of every kind do', async () => {
    const vectors = named(/^hashedrekord-(?!p256-key-odd-pem)/);
    for (const vector of vectors) expect(await textOf(vector, 1), vector.name).to.equal(vector.request);
    expect(vectors).to.have.length(5);
  });

  it('asks v2 to the byte as the recorded requests do, of an envelope over its encoding', async () => {
    const vectors = secondVectors.filter(({ name }) => name !== 'p256-certificate');
    for (const vector of vectors) expect(await textOf(vector, 2), vector.name).to.equal(vector.request);
    expect(vectors.map(({ name }) => name))
      .to.have.length(5)
      .and.include('p384-dsse-pae');
  });

  it('asks v2 with a certificate in the spelling of Protobuf', async () => {
    const vector = secondVectors.find(({ name }) => name === 'p256-certificate');
    if (vector === undefined) throw new Error('no vector');
    // Recorded in another spelling: snake case, base64 for URLs, and a number for the kind of key.
    const { verifier, signature, signed } = sent2(vector);
    if (signed.type !== 'message' || verifier.certificate === undefined) throw new Error('another vector');
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    expect(await textOf(vector, 2)).to.equal(
      `{"hashedRekordRequestV002":{"digest":"${base64(signed.digest)}","signature":{"content":"${base64(signature)}",` +
        `"verifier":{"x509Certificate":{"rawBytes":"${base64(verifier.certificate)}"},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}}}}`,
    );
  });

  it('says which kind of entry comes of it', async () => {
    const [message] = named(/^sigstore-js\/5\.1\.0 hashedrekord$/);
    const [envelope] = named(/^sigstore-js\/5\.1\.0 dsse$/);
    if (message === undefined || envelope === undefined) throw new Error('no vector');
    const kindOf = async (api: 1 | 2, vector: RekorVector): Promise<string> => {
      const { kind, version } = await entryRequest(api, sent1(vector), digestOf);
      return `${kind} ${version}`;
    };
    expect(await kindOf(1, message)).to.equal('hashedrekord 0.0.1');
    expect(await kindOf(1, envelope)).to.equal('dsse 0.0.1');
    expect(await kindOf(2, message)).to.equal('hashedrekord 0.0.2');
    expect(await kindOf(2, envelope)).to.equal('hashedrekord 0.0.2');
  });

  it('sends the hint at the key of an envelope where it has one', async () => {
    const [vector] = named(/^sigstore-js\/5\.1\.0 dsse$/);
    if (vector === undefined) throw new Error('no vector');
    const sent = sent1(vector);
    const { text } = await entryRequest(
      1,
      { ...sent, signed: sentEnvelope('text/plain', fromBase64('aGk='), 'key-1') },
      digestOf,
    );
    expect(meaningOf(text)).to.have.nested.property(
      'spec.proposedContent.envelope.signatures[0].keyid',
      'key-1',
    );
  });

  it('refuses a digest by another hash than the key signs with in logs of v2', async () => {
    const [vector] = named(/^hashedrekord-p384$/);
    if (vector === undefined) throw new Error('no vector');
    const sent = sent1(vector);
    if (sent.signed.type !== 'message') throw new Error('another vector');
    const wrong = { ...sent, signed: { ...sent.signed, hash: 'sha256' as const } };
    expect((await failureAs(FormatError, entryRequest(2, wrong, digestOf))).message).to.match(/by sha384/);
  });
});
