import { expect } from 'chai';
import { ed25519ph } from '@noble/curves/ed25519.js';
import { createHash, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { utf8Text } from '../../../core/bytes.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import type { ProposedEntry } from '../../../rekor/entries/proposed-entry.ts';
import { MAX_V2_REQUEST, readV2Proposal } from '../../../rekor/entries/v2-proposal.ts';
import { vectorPath } from '../../support/vectors.ts';
import { leafHashOf, recorded } from './support/recorded.ts';

const VECTORS = recorded(2);
const first = VECTORS.entries[0]?.request ?? '';

const propose = (request: unknown): Promise<ProposedEntry> =>
  readV2Proposal(Buffer.from(typeof request === 'string' ? request : JSON.stringify(request)));

const refusalOf = (request: unknown): Promise<EntryError> =>
  propose(request).then(
    () => {
      throw new Error('it was taken');
    },
    (error: unknown) => {
      if (error instanceof EntryError) return error;
      throw error;
    },
  );

const spkiOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64');

const requestOf = (
  digest: Uint8Array,
  content: Uint8Array,
  rawBytes: string,
  keyDetails: unknown,
): unknown => ({
  hashedRekordRequestV002: {
    digest: Buffer.from(digest).toString('base64'),
    signature: {
      content: Buffer.from(content).toString('base64'),
      verifier: { publicKey: { rawBytes }, keyDetails },
    },
  },
});

const ARTIFACT = Buffer.from('an artifact');
const digestOf = (hash: string, data: Uint8Array = ARTIFACT): Buffer =>
  createHash(hash).update(data).digest();
const P256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ofP256 = (change: (content: Buffer) => Uint8Array = (content) => content): unknown =>
  requestOf(
    digestOf('sha256'),
    change(sign('sha256', ARTIFACT, P256.privateKey)),
    spkiOf(P256.publicKey),
    'PKIX_ECDSA_P256_SHA_256',
  );

/** One key names another one's details, and was logged as sent: verifiers do not find such an entry. */
const LOGGED_WRONGLY = 'rsa-key-with-wrong-details';

describe('rekor/entries/v2-proposal', () => {
  it('makes of each recorded request the body and the leaf hash that Rekor made', async () => {
    const entries = VECTORS.entries.filter(({ name }) => name !== LOGGED_WRONGLY);
    expect(entries).to.have.length(6);
    for (const { name, request, canonicalizedBody, leafHash } of entries) {
      const { body, kind, version, verifiers } = await propose(request);
      expect(utf8Text(body), name).to.equal(canonicalizedBody);
      expect(leafHashOf(body), name).to.equal(leafHash);
      expect([kind, version, verifiers.length]).to.deep.equal(['hashedrekord', '0.0.2', 1]);
    }
  });

  it('refuses what Rekor refused, and has its status, code and message', async () => {
    expect(VECTORS.refusals).to.have.length(16);
    for (const { name, request, status, answer } of VECTORS.refusals) {
      const { stock } = await refusalOf(request);
      // Which space stands there differs from build to build of Go's library.
      const { code, message } = JSON.parse(answer.replace('\u00a0', ' ')) as {
        code: number;
        message: string;
      };
      expect(stock, name).to.deep.include({ status, code, message });
    }
  });

  it('refuses details that are not those of the key, which Rekor logs as sent', async () => {
    const wrong = VECTORS.entries.find(({ name }) => name === LOGGED_WRONGLY);
    const error = await refusalOf(wrong?.request);
    expect(error.code).to.equal('ENTRY_KEY_REFUSED');
    expect(error.hint).to.contain('PKIX_RSA_PKCS1V15_2048_SHA256');
  });

  it('reads what follows the first value no more than Go does, and nothing as an empty message', async () => {
    expect(utf8Text((await propose(`${first} {"x`)).body)).to.equal(VECTORS.entries[0]?.canonicalizedBody);
    expect((await refusalOf('  \n')).stock?.message).to.equal('invalid type, must be hashedrekord');
  });

  it('says of unreadable requests what Go says, with line and column', async () => {
    const rows: readonly (readonly [string, string])[] = [
      ['[]', 'proto: syntax error (line 1:1): unexpected token ['],
      ['null', 'proto: syntax error (line 1:1): unexpected token null'],
      ['{"hashedRekordRequestV002":7}', 'proto: syntax error (line 1:28): unexpected token 7'],
      ['{"é":1}', 'proto: (line 1:2): unknown field "é"'],
      ['{\n "hashedRekordRequestV002":{"digest":"é","x":1}}', 'proto: (line 2:38): invalid value for bytes field digest: "é"'],
      ['{"hashedRekordRequestV002":{"digest":"","digest":""}}', 'proto: (line 1:41): duplicate field "digest"'],
      ['{"hashedRekordRequestV002":{"digest":null,"digest":""}}', 'proto: (line 1:43): duplicate field "digest"'],
      ['{"hashedRekordRequestV002":{},"dsseRequestV002":{}}', 'proto: (line 1:31): error parsing "dsseRequestV002", oneof dev.sigstore.rekor.v2.CreateEntryRequest.spec is already set'],
      ['{"hashedRekordRequestV002":{"digest":{}}}', 'proto: (line 1:38): invalid value for bytes field digest: {'],
      ['{"hashedRekordRequestV002":{"signature":{"verifier":{"keyDetails":1.5}}}}', 'proto: (line 1:67): invalid value for enum field keyDetails: 1.5'],
      ['{"a":1', 'unexpected EOF'],
      ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ]; // prettier-ignore
    for (const [request, message] of rows)
      expect((await refusalOf(request)).stock, request).to.deep.include({ status: 400, code: 3, message });
  });

  it('says of hundreds of unreadable requests what Go says', async () => {
    const path = vectorPath('rekor/protojson-v2.json');
    const rows = JSON.parse(readFileSync(path, 'utf8')) as { request: string; message: string }[];
    expect(rows).to.have.length(240);
    for (const { request, message } of rows)
      expect((await refusalOf(request)).stock, request).to.deep.include({ status: 400, code: 3, message });
  });

  it('quotes no more than a short piece of the request', async () => {
    const { stock, message } = await refusalOf(
      `{"hashedRekordRequestV002":{"digest":"${'!'.repeat(100_000)}"}}`,
    );
    expect(stock?.message.length).to.be.lessThan(300);
    expect(message.length).to.be.lessThan(300);
  });

  it('takes ECDSA of each curve, RSA of each size and Ed25519ph, each with its own details and hash alone', async () => {
    const keys = [
      [generateKeyPairSync('ec', { namedCurve: 'P-384' }), 'sha384', 'PKIX_ECDSA_P384_SHA_384'],
      [generateKeyPairSync('ec', { namedCurve: 'P-521' }), 'sha512', 'PKIX_ECDSA_P521_SHA_512'],
      [generateKeyPairSync('rsa', { modulusLength: 2048 }), 'sha256', 'PKIX_RSA_PKCS1V15_2048_SHA256'],
    ] as const;
    for (const [{ publicKey, privateKey }, hash, details] of keys) {
      const content = sign(hash, ARTIFACT, privateKey);
      const ask = (name: string, by: string = hash): unknown =>
        requestOf(digestOf(by), content, spkiOf(publicKey), name);
      expect(utf8Text((await propose(ask(details))).body), details).to.contain(`"keyDetails":"${details}"`);
      expect((await refusalOf(ask('PKIX_ECDSA_P256_SHA_256'))).code).to.equal('ENTRY_KEY_REFUSED');
      const other = hash === 'sha256' ? 'sha512' : 'sha256';
      expect((await refusalOf(ask(details, other))).message).to.match(/^the digest has \d+ bytes$/);
    }
  });

  it('refuses a pure signature of an Ed25519 key, and takes the one over the digest', async () => {
    const { secretKey, publicKey } = ed25519ph.keygen();
    const spki = `MCowBQYDK2VwAyEA${Buffer.from(publicKey).toString('base64')}`;
    const digest = digestOf('sha512');
    await propose(requestOf(digest, ed25519ph.sign(ARTIFACT, secretKey), spki, 'PKIX_ED25519_PH'));
    const pure = generateKeyPairSync('ed25519');
    const request = requestOf(
      digest,
      sign(null, digest, pure.privateKey),
      spkiOf(pure.publicKey),
      'PKIX_ED25519_PH',
    );
    expect((await refusalOf(request)).code).to.equal('ENTRY_SIGNATURE_INVALID');
  });

  it('refuses signatures in another form, and keys that are none', async () => {
    const trailing = (content: Buffer): Buffer => Buffer.concat([content, Buffer.alloc(1)]);
    const raw = (): Buffer => sign('sha256', ARTIFACT, { key: P256.privateKey, dsaEncoding: 'ieee-p1363' });
    for (const change of [trailing, raw, () => Buffer.alloc(8), () => Buffer.from('3006020100020100', 'hex')])
      expect((await refusalOf(ofP256(change))).code).to.equal('ENTRY_SIGNATURE_INVALID');
    const infinity = '301930130607' + '2a8648ce3d0201' + '0608' + '2a8648ce3d030107' + '0302' + '0000';
    const offCurve = createPublicKey(P256.publicKey.export({ type: 'spki', format: 'pem' }))
      .export({ type: 'spki', format: 'der' })
      .fill(1, 30);
    for (const bad of [
      Buffer.from(infinity, 'hex'),
      offCurve,
      Buffer.from('garbage'),
      Buffer.alloc(60_000),
    ]) {
      const request = requestOf(
        digestOf('sha256'),
        Buffer.alloc(70, 1),
        bad.toString('base64'),
        'PKIX_ECDSA_P256_SHA_256',
      );
      expect((await refusalOf(request)).code).to.be.oneOf([
        'ENTRY_KEY_REFUSED',
        'ENTRY_TOO_LARGE',
        // A point of the right form that does not lie on its curve makes no signature.
        'ENTRY_SIGNATURE_INVALID',
      ]);
    }
  });

  it('refuses RSA keys of other sizes and with exponents that take long', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const request = requestOf(
      digestOf('sha256'),
      sign('sha256', ARTIFACT, privateKey),
      spkiOf(publicKey),
      'PKIX_RSA_PKCS1V15_2048_SHA256',
    );
    expect((await refusalOf(request)).message).to.equal('the RSA key has 1024 bits');
  });

  describe('an envelope, as sigstore-js sends it', () => {
    const payload = Buffer.from(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ name: 'a', digest: { sha256: 'AB'.repeat(32), gitCommit: 'c'.repeat(40) } }],
        predicateType: 'https://example.com/p',
        predicate: { materials: [{ uri: 'x', digest: { sha1: 'd'.repeat(40) } }] },
      }),
    );
    const type = 'application/vnd.in-toto+json';
    const signed = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
    const sig = sign('sha256', signed, P256.privateKey).toString('base64');
    const verifier = {
      publicKey: { rawBytes: spkiOf(P256.publicKey) },
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
    };
    const ask = (signatures: unknown, verifiers: unknown): unknown => ({
      dsseRequestV002: {
        envelope: { payload: payload.toString('base64'), payloadType: type, signatures },
        verifiers,
      },
    });

    it('is logged as the digest of what its signature is over, and found by the digests that it names', async () => {
      const { body, namedDigests } = await propose(ask([{ sig, keyid: '' }], [verifier]));
      const direct = await propose(
        requestOf(
          digestOf('sha256', signed),
          Buffer.from(sig, 'base64'),
          verifier.publicKey.rawBytes,
          verifier.keyDetails,
        ),
      );
      expect(utf8Text(body)).to.equal(utf8Text(direct.body));
      expect(namedDigests).to.deep.equal([
        `sha256:${'ab'.repeat(32)}`,
        `gitcommit:${'c'.repeat(40)}`,
        `sha1:${'d'.repeat(40)}`,
      ]);
    });

    it('is refused with another signature, with two, with none, and with two verifiers', async () => {
      const wrong = sign('sha256', payload, P256.privateKey).toString('base64');
      expect((await refusalOf(ask([{ sig: wrong }], [verifier]))).code).to.equal('ENTRY_SIGNATURE_INVALID');
      for (const [signatures, verifiers] of [
        [[{ sig }, { sig }], [verifier]],
        [[], [verifier]],
        [[{ sig }], [verifier, verifier]],
        [[{ sig }], null],
      ]) {
        const error = await refusalOf(ask(signatures, verifiers));
        expect(error.code).to.equal('ENTRY_UNSUPPORTED');
        expect(error.stock?.message).to.equal('invalid type, must be hashedrekord');
      }
    });
  });

  it('refuses a request and an entry that are too large', async () => {
    const long = `{"hashedRekordRequestV002":{"digest":"${'A'.repeat(MAX_V2_REQUEST)}"}}`;
    expect((await refusalOf(long)).stock?.message).to.equal('http: request body too large');
  });
});
