import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { utf8 } from '../../../core/bytes.ts';
import { encodeBundle } from '../../../bundle/format/bundle-json.ts';
import { parseBundle } from '../../../bundle/format/bundle.ts';
import { preAuthenticationEncoding } from '../../../bundle/format/envelope.ts';
import { assetPath, caseBundle, CONFORMANCE_CASES } from '../support/conformance.ts';
import { expectTypedErrorsOnText, refusalOf } from '../../support/parsers.ts';

type Json = Record<string, unknown>;

/** A good bundle of the suite, changed. */
function changed(name: string, change: (bundle: Json, material: Json) => void): string {
  const bundle = JSON.parse(caseBundle(name)) as Json;
  change(bundle, bundle['verificationMaterial'] as Json);
  return JSON.stringify(bundle);
}

const sentenceOf = (text: string): string => refusalOf(() => parseBundle(text))?.message ?? 'read';
const refused = (name: string, change: (bundle: Json, material: Json) => void): string =>
  sentenceOf(changed(name, change));

const V1 = 'happy-path-v0.1';
const V3 = 'happy-path-v0.3';
const DSSE = 'happy-path-intoto-in-dsse-v3';
const TIMED = 'rekor2-happy-path';

describe('bundle format', () => {
  it('reads every good bundle of the conformance suite, and writes it so that stock clients see the same', () => {
    const good = CONFORMANCE_CASES.filter((one) => one.expect === 'pass');
    expect(good.length).to.equal(21);
    for (const { bundle } of good) {
      const text = readFileSync(assetPath(bundle), 'utf8');
      const written = encodeBundle(parseBundle(text));
      expect(parseBundle(written)).to.deep.equal(parseBundle(text));
      const stock = (json: string): unknown => bundleToJSON(bundleFromJSON(JSON.parse(json)));
      expect(stock(written), bundle).to.deep.equal(stock(text));
    }
  });

  it('refuses the bundles of the suite that are malformed', () => {
    const sentences: Record<string, string> = {
      'bundle-empty-certificate-chain_fail': 'the chain of the bundle is empty',
      'bundle-invalid-base64-signature_fail': 'bundle.messageSignature.signature is not base64',
      'bundle-malformed-json_fail': 'the text is not JSON',
      'bundle-negative-log-index_fail':
        'bundle.verificationMaterial.tlogEntries[0].logIndex is not a whole number',
      'bundle-unknown-version_fail': 'the bundle is not of the version 0.1, 0.2 or 0.3',
    };
    for (const [name, sentence] of Object.entries(sentences))
      expect(sentenceOf(caseBundle(name)), name).to.equal(sentence);
  });

  it('takes a chain in old bundles and one certificate in new ones, and exactly one signer', () => {
    const chainOf = (material: Json): unknown => material['x509CertificateChain'];
    const chain = { certificates: [{ rawBytes: 'MAA=' }] };
    expect(
      refused(V3, (_, material) => {
        delete material['certificate'];
        material['x509CertificateChain'] = chain;
      }),
    ).to.equal('a bundle of version 0.3 has one certificate, and this one has a chain');
    expect(
      refused(V1, (_, material) => {
        material['certificate'] = { rawBytes: 'MAA=' };
        delete material['x509CertificateChain'];
      }),
    ).to.equal('a bundle of version 0.1 has a chain, and this one has one certificate');
    const neither = 'the bundle does not name exactly one certificate, chain or key';
    expect(refused(V3, (_, material) => delete material['certificate'])).to.equal(neither);
    expect(refused(V3, (_, material) => (material['publicKey'] = { hint: '' }))).to.equal(neither);
    expect(refused(V1, (_, material) => (material['publicKey'] = chainOf(material)))).to.match(
      /not known|hint/,
    );
  });

  it('takes exactly one signature or envelope, with exactly one signature in it that is not empty', () => {
    const one = 'the bundle does not hold exactly one signature or envelope';
    expect(refused(V3, (bundle) => delete bundle['messageSignature'])).to.equal(one);
    const { dsseEnvelope } = JSON.parse(caseBundle(DSSE)) as { dsseEnvelope: Json };
    expect(refused(V3, (bundle) => (bundle['dsseEnvelope'] = dsseEnvelope))).to.equal(one);
    const signatures = dsseEnvelope['signatures'] as unknown[];
    for (const list of [[], [...signatures, ...signatures]])
      expect(
        refused(DSSE, (bundle) => (bundle['dsseEnvelope'] = { ...dsseEnvelope, signatures: list })),
      ).to.equal('the envelope in the bundle does not have exactly one signature');
    expect(
      refused(DSSE, (bundle) => (bundle['dsseEnvelope'] = { ...dsseEnvelope, signatures: [{ sig: '' }] })),
    ).to.equal('the signature of the envelope in the bundle is empty');
    expect(
      refused(
        V3,
        (bundle) => (bundle['messageSignature'] = { ...(bundle['messageSignature'] as Json), signature: '' }),
      ),
    ).to.equal('the signature in the bundle is empty');
  });

  it('refuses what is unknown, there twice, or too much', () => {
    expect(refused(V3, (bundle) => (bundle['extra'] = 1))).to.equal('bundle.extra is not known');
    expect(refused(V3, (_, material) => (material['extra'] = 1))).to.equal(
      'bundle.verificationMaterial.extra is not known',
    );
    const twice = caseBundle(V3).replace('"mediaType"', '"mediaType": "x", "mediaType"');
    expect(sentenceOf(twice)).to.equal('the JSON names "mediaType" twice in one object');
    expect(refused(V3, (bundle) => (bundle['media_type'] = bundle['mediaType']))).to.equal(
      'bundle.mediaType is there in two spellings',
    );
    const entries = (material: Json): unknown[] => material['tlogEntries'] as unknown[];
    expect(
      refused(
        V3,
        (_, material) => (material['tlogEntries'] = new Array<unknown>(33).fill(entries(material)[0])),
      ),
    ).to.equal('the bundle has more than 32 log entries: 33');
    expect(
      refused(TIMED, (_, material) => {
        const timestamps = new Array<unknown>(33).fill({ signedTimestamp: 'MAA=' });
        material['timestampVerificationData'] = { rfc3161Timestamps: timestamps };
      }),
    ).to.equal('the bundle has more than 32 timestamps: 33');
    const proof = (material: Json): Json => (entries(material)[0] as Json)['inclusionProof'] as Json;
    expect(
      refused(V3, (_, material) => (proof(material)['hashes'] = new Array<unknown>(64).fill('AAAA'))),
    ).to.equal('an inclusion proof has more than 63 hashes');
    expect(refused(V3, (_, material) => (proof(material)['treeSize'] = '9007199254740993'))).to.match(
      /treeSize is not a whole number/,
    );
    expect(sentenceOf(`${caseBundle(V3)}{}`)).to.equal('the text is not JSON');
    expect(sentenceOf('['.repeat(40) + ']'.repeat(40))).to.equal('the JSON is nested deeper than 32');
    expect(sentenceOf(`"${'a'.repeat(33 * 1024 * 1024)}"`)).to.match(/more than 34603008 characters/);
  });

  it('has room for a statement as long as one may be', () => {
    const payload = Buffer.alloc(24 * 1024 * 1024, 'a');
    const text = changed(DSSE, (bundle) => {
      bundle['dsseEnvelope'] = { ...(bundle['dsseEnvelope'] as Json), payload: payload.toString('base64') };
    });
    const { content } = parseBundle(text);
    expect(content.type === 'envelope' && payload.equals(content.envelope.payload)).to.equal(true);
  });

  it('takes base64 of both alphabets, padded as it should be or not at all', () => {
    const withSignature = (signature: string): string =>
      changed(V3, (bundle) => (bundle['messageSignature'] = { signature }));
    for (const good of ['+/8=', '+/8', '-_8=', '-_8'])
      expect(parseBundle(withSignature(good)).content, good).to.deep.include({
        signature: Uint8Array.of(251, 255),
      });
    for (const odd of ['+/8==', '+_8=', '+/9=', 'AA=', 'A', 'AAA A', 'AA==AA==', ' AAA', 'AAAA\n'])
      expect(sentenceOf(withSignature(odd)), odd).to.match(/signature is not base64/);
  });

  it('encodes what an envelope signs as DSSE does, in bytes and not in characters', () => {
    const bytes = preAuthenticationEncoding({ payloadType: 'té/x', payload: utf8('ä') });
    expect(Buffer.from(bytes).toString()).to.equal('DSSEv1 5 té/x 2 ä');
  });

  it('answers whatever text with a bundle or an error of its own', () => {
    const small = {
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: { certificate: { rawBytes: 'MAA=' }, tlogEntries: [] },
      messageSignature: { signature: 'AAAA' },
    };
    expectTypedErrorsOnText(parseBundle, [JSON.stringify(small)]);
  });
});
