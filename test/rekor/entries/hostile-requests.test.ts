/** Requests that nobody sends by accident: whatever is changed in one, it is an entry whose signatures hold, or a typed refusal, and costs little. */
import { expect } from 'chai';
import { generateKeyPairSync } from 'node:crypto';
import { utf8Text } from '../../../core/bytes.ts';
import { bitString, oid, sequence, unsignedInteger } from '../../../core/der-writer.ts';
import { Tag } from '../../../core/der-tag.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { MAX_BODY, type ProposedEntry } from '../../../rekor/entries/proposed-entry.ts';
import { soughtV1Body, decodeV1Json, readV1Proposal } from '../../../rekor/entries/v1-proposal.ts';
import { readV2Proposal } from '../../../rekor/entries/v2-proposal.ts';
import { readBodyContent } from '../../../rekor/format/body-content.ts';
import { email, namedCertificate } from '../../search/support/bodies.ts';
import { recorded } from './support/recorded.ts';

type Read = (bytes: Uint8Array) => Promise<ProposedEntry>;
const readV1: Read = async (bytes) => readV1Proposal(decodeV1Json(bytes));

/** Undefined for an entry. */
async function outcome(read: Read, bytes: Uint8Array): Promise<EntryError | undefined> {
  try {
    const { body, verifiers } = await read(bytes);
    expect(body.length).to.be.at.most(MAX_BODY);
    expect(verifiers).to.have.length(readBodyContent(body).verifiers.length);
    // Canonical: what reads it and writes it again gets the same bytes.
    expect(JSON.stringify(JSON.parse(utf8Text(body)))).to.equal(utf8Text(body));
    return undefined;
  } catch (error) {
    if (error instanceof EntryError) return error;
    throw error;
  }
}

/** The same sequence in every run. */
function randomly(seed: number): (below: number) => number {
  let state = seed;
  return (below) => (state = (state * 48271) % 2147483647) % below;
}

const CASES: readonly (readonly [string, Read, readonly { readonly request: string }[]])[] = [
  ['the first API', readV1, [...recorded(1).entries, ...(recorded(1).stock ?? [])]],
  ['the second API', readV2Proposal, recorded(2).entries],
];

describe('hostile requests for entries', () => {
  for (const [name, read, entries] of CASES)
    it(`of ${name}: every changed byte is an entry or a typed refusal`, async () => {
      const random = randomly(5);
      let taken = 0;
      for (let i = 0; i < 1500; i++) {
        const bytes = Buffer.from(entries[random(entries.length)]?.request ?? '');
        for (let changes = 1 + random(3); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
        const refused = await outcome(
          read,
          bytes.subarray(0, random(20) === 0 ? random(bytes.length) : undefined),
        );
        if (refused === undefined) taken++;
        else expect(refused.message.length).to.be.lessThan(300);
      }
      // White space, unknown names, and the like.
      expect(taken).to.be.lessThan(300);
    }).timeout(30_000);

  it('is no entry when a signature, a digest or a key is another one', async () => {
    const { entries } = recorded(2);
    const p256 = JSON.parse(entries[0]?.request ?? '') as { hashedRekordRequestV002: { digest: string; signature: { content: string } } }; // prettier-ignore
    const { digest, signature } = p256.hashedRekordRequestV002;
    for (let bit = 0; bit < 256; bit += 8) {
      const changed = Buffer.from(digest, 'base64');
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ 1;
      const request = { hashedRekordRequestV002: { digest: changed.toString('base64'), signature } };
      const refused = await outcome(readV2Proposal, Buffer.from(JSON.stringify(request)));
      expect(refused?.code).to.equal('ENTRY_SIGNATURE_INVALID');
    }
  });

  const asked = (rawBytes: Uint8Array, member: 'publicKey' | 'x509Certificate'): Buffer =>
    Buffer.from(
      JSON.stringify({
        hashedRekordRequestV002: {
          digest: Buffer.alloc(32, 1).toString('base64'),
          signature: {
            content: Buffer.alloc(72, 1).toString('base64'),
            verifier: {
              [member]: { rawBytes: Buffer.from(rawBytes).toString('base64') },
              keyDetails: 'PKIX_ECDSA_P256_SHA_256',
            },
          },
        },
      }),
    );
  const RSA = sequence(oid('1.2.840.113549.1.1.1'), Uint8Array.of(Tag.null, 0));
  const rsa = (modulus: Uint8Array, exponent: Uint8Array): Uint8Array =>
    sequence(RSA, bitString(sequence(unsignedInteger(modulus), unsignedInteger(exponent))));

  it('looks at huge, weak and impossible keys no longer than at good ones', async () => {
    const modulus = Buffer.alloc(512, 0xff);
    const keys: readonly Uint8Array[] = [
      rsa(Buffer.alloc(4096, 0xff), Uint8Array.of(1, 0, 1)),
      rsa(modulus, modulus),
      rsa(modulus, Uint8Array.of(1)),
      rsa(Buffer.alloc(256, 0x80), Uint8Array.of(1, 0, 1)),
      // The point at infinity, in one byte and in all of them.
      sequence(sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')), bitString(Uint8Array.of(0))),
      sequence(
        sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
        bitString(Uint8Array.of(4, ...Buffer.alloc(64))),
      ),
      // On a curve of which no entries are logged.
      sequence(
        sequence(oid('1.2.840.10045.2.1'), oid('1.3.132.0.10')),
        bitString(Uint8Array.of(4, ...Buffer.alloc(64, 1))),
      ),
      // An Ed25519 point of order one, for which everybody can sign.
      sequence(sequence(oid('1.3.101.112')), bitString(Uint8Array.of(1, ...Buffer.alloc(31)))),
      sequence(sequence(oid('1.3.101.110')), bitString(Buffer.alloc(32, 9))),
      Buffer.alloc(700_000, 0x30),
    ];
    const started = process.cpuUsage();
    for (const key of keys)
      for (const member of ['publicKey', 'x509Certificate'] as const) {
        const refused = await outcome(readV2Proposal, asked(key, member));
        expect(refused?.code, Buffer.from(key.subarray(0, 40)).toString('hex')).to.be.oneOf([
          'ENTRY_KEY_REFUSED',
          'ENTRY_TOO_LARGE',
          // A point of the right form that lies on no curve makes no signature.
          'ENTRY_SIGNATURE_INVALID',
        ]);
      }
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000, 'milliseconds of CPU').to.be.lessThan(2000);
  });

  it('takes no certificate with more names than an entry is found by', async () => {
    for (const [count, code] of [
      [64, 'ENTRY_SIGNATURE_INVALID'],
      [65, 'ENTRY_KEY_REFUSED'],
    ] as const) {
      const names = Array.from({ length: count }, (_, i) => email(`${i}@example.org`));
      const refused = await outcome(readV2Proposal, asked(namedCertificate(names).der, 'x509Certificate'));
      expect(refused?.code).to.equal(code);
    }
  });

  it('reads deep and wide JSON no further than it has to', async () => {
    const started = process.cpuUsage();
    for (const read of [readV1, readV2Proposal])
      for (const text of [
        '['.repeat(900_000),
        `{"a":${'['.repeat(400_000)}${']'.repeat(400_000)}}`,
        `{${'"a":{'.repeat(100_000)}`,
        `{"kind":"dsse","apiVersion":"0.0.1","spec":{${Array.from({ length: 60_000 }, (_, i) => `"${i}":0`).join(',')}}}`,
        `"${'\\u0061'.repeat(150_000)}"`,
        `{"kind":"${'x'.repeat(900_000)}"}`,
      ])
        expect(await outcome(read, Buffer.from(text))).to.be.instanceOf(EntryError);
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000, 'milliseconds of CPU').to.be.lessThan(5000);
  });

  it('reads of a long list no more than a few elements', async () => {
    const lists = (length: number): readonly string[] => [
      `{"dsseRequestV002":{"envelope":{"signatures":[${Array<string>(length).fill('{}').join(',')}]}}}`,
      `{"dsseRequestV002":{"verifiers":[${Array<string>(length).fill('{"publicKey":{}}').join(',')}]}}`,
    ];
    for (const text of lists(9))
      expect((await outcome(readV2Proposal, Buffer.from(text)))?.stock?.message).to.match(
        /more than 8 elements$/,
      );
    for (const text of lists(50_000))
      expect((await outcome(readV2Proposal, Buffer.from(text)))?.message).to.match(/more than 10000 values$/);
    const zeros = Buffer.from(`{"a":[${'0,'.repeat(500_000)}0]}`);
    expect((await outcome(readV1, zeros))?.message).to.match(/more than 10000 values$/);
  });

  it('asks no more of a body that is looked for than of one that is proposed', async () => {
    const random = randomly(9);
    const { entries } = recorded(1);
    for (let i = 0; i < 500; i++) {
      const bytes = Buffer.from(entries[random(entries.length)]?.canonicalizedBody ?? '');
      bytes[random(bytes.length)] = 32 + random(95);
      try {
        await soughtV1Body(decodeV1Json(bytes));
      } catch (error) {
        expect(error).to.be.instanceOf(EntryError);
      }
    }
  });

  it('takes certificates that name no key of ours for what they are: none', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const refused = await outcome(readV2Proposal, asked(spki, 'publicKey'));
    expect(refused?.code).to.equal('ENTRY_KEY_REFUSED');
  });
});
