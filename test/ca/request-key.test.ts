import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { readRequestKey } from '../../ca/request-key.ts';
import { RequestError, type RequestReason } from '../../ca/request-error.ts';
import { bitString, oid, sequence, unsignedInteger } from '../../core/der-writer.ts';
import { encodePem } from '../../core/pem.ts';
import { pemOf, testAuthority } from './support/authority.ts';
import { csrOf } from './support/csr.ts';
import { KEY_TYPES, testKey } from './support/keys.ts';
import { bytesOf, F4 } from '../support/open-rsa.ts';
import { runs } from '../support/runs.ts';

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

function expectRefusal(code: RequestReason, content: Uint8Array, about?: RegExp): void {
  const check = expect(() => readRequestKey(content)).to.throw(RequestError, about ?? /./);
  check.with.property('code', code);
}

describe('ca/request-key', () => {
  for (const type of KEY_TYPES) {
    it(`reads ${type} as PEM and as DER, and keeps the bytes`, () => {
      const { publicKey } = testKey(type);
      const spki = publicKey.export({ type: 'spki', format: 'der' });
      for (const content of [pemOf(publicKey), new Uint8Array(spki)]) {
        const key = readRequestKey(content);
        expect(key.type).to.equal(type);
        expect(Buffer.from(key.spki).equals(spki)).to.equal(true);
        expect(key.handle.equals(publicKey)).to.equal(true);
      }
    });
  }

  it('reads PKCS#1 and makes a SubjectPublicKeyInfo of it', () => {
    const { publicKey } = testKey('RSA-2048');
    const key = readRequestKey(text(publicKey.export({ type: 'pkcs1', format: 'pem' }) as string));
    expect(Buffer.from(key.spki).equals(publicKey.export({ type: 'spki', format: 'der' }))).to.equal(true);
  });

  it('refuses an RSA key of a good size whose factors anybody finds', () => {
    // A multiple of three, and the product of two numbers that lie side by side.
    for (const modulus of [3n * (2n ** 2046n + 1n), (2n ** 1024n - 105n) * (2n ** 1024n - 107n)]) {
      const numbers = sequence(unsignedInteger(bytesOf(modulus)), unsignedInteger(bytesOf(F4)));
      expectRefusal('KEY_INSECURE', text(encodePem('RSA PUBLIC KEY', numbers)), /prime factor/);
    }
  });

  it('takes the first block and ignores what stands around it', () => {
    const first = testKey('P-256').publicKey;
    const second = Buffer.from(pemOf(testKey('P-384').publicKey)).toString();
    const content = text(`# my key\n${Buffer.from(pemOf(first)).toString()}\n${second}trailing`);
    expect(readRequestKey(content).handle.equals(first)).to.equal(true);
  });

  it('reads PEM on one line and with CRLF, as some clients write it', () => {
    const { publicKey } = testKey('P-256');
    const base64 = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    for (const newline of ['\n', '\r\n']) {
      const content = `-----BEGIN PUBLIC KEY-----${newline}${base64}${newline}-----END PUBLIC KEY-----`;
      expect(readRequestKey(text(content)).type).to.equal('P-256');
    }
  });

  it('says what was given instead of a public key', async () => {
    const { privateKey, publicKey } = testKey('P-256');
    const { rootDer } = await testAuthority();
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const sec1 = privateKey.export({ type: 'sec1', format: 'pem' }) as string;
    expectRefusal('KEY_MALFORMED', text(pkcs8), /holds a private key/);
    expectRefusal('KEY_MALFORMED', text(sec1), /holds a private key/);
    expectRefusal('KEY_MALFORMED', text(encodePem('CERTIFICATE', rootDer)), /holds a certificate /);
    expectRefusal('KEY_MALFORMED', csrOf(testKey('P-256')), /certificate signing request/);
    expectRefusal(
      'KEY_MALFORMED',
      text(encodePem('EC PARAMETERS', oid('1.2.840.10045.3.1.7'))),
      /parameters/,
    );
    expectRefusal('KEY_MALFORMED', text(encodePem('PGP MESSAGE', oid('1.2.3'))), /another type/);
    expectRefusal(
      'KEY_MALFORMED',
      text(String(publicKey.export({ type: 'spki', format: 'pem' })).slice(0, 90)),
    );
    expectRefusal('KEY_MISSING', new Uint8Array(0));
    expectRefusal('KEY_MALFORMED', new Uint8Array(20_000).fill(0x30));
    expectRefusal('KEY_MALFORMED', text('invalid'));
  });

  it('refuses a point that is not on its curve, by whichever way it comes', () => {
    for (const type of ['P-256', 'P-384'] as const) {
      const spki = new Uint8Array(testKey(type).publicKey.export({ type: 'spki', format: 'der' }));
      spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1;
      expectRefusal('KEY_MALFORMED', spki);
      expectRefusal('KEY_MALFORMED', text(encodePem('PUBLIC KEY', spki)));
    }
  });

  it('refuses a compressed point, infinity and trailing bytes', () => {
    const { publicKey } = testKey('P-256');
    const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
    const algorithm = sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7'));
    const compressed = Uint8Array.of(2 + ((spki.at(-1) ?? 0) & 1), ...spki.subarray(27, 59));
    expectRefusal('KEY_MALFORMED', sequence(algorithm, bitString(compressed)));
    expectRefusal('KEY_MALFORMED', sequence(algorithm, bitString(Uint8Array.of(0))));
    expectRefusal('KEY_MALFORMED', Uint8Array.of(...spki, 0));
  });

  it('refuses another head of a P-256 key than the one: unused bits, and the hybrid form of a point', () => {
    const good = new Uint8Array(testKey('P-256').publicKey.export({ type: 'spki', format: 'der' }));
    const hybrid = 6 + ((good.at(-1) ?? 0) & 1);
    for (const [at, value] of [
      [25, 1],
      [25, 7],
      [26, hybrid],
      [26, hybrid ^ 1],
    ] as const) {
      const spki = Uint8Array.from(good);
      spki[at] = value;
      expectRefusal('KEY_MALFORMED', spki, /could not be parsed/);
    }
  });

  it('reads so much and no more', () => {
    const pem = Buffer.from(pemOf(testKey('P-256').publicKey)).toString();
    expect(readRequestKey(text(pem.padEnd(16_384, '\n'))).type).to.equal('P-256');
    expectRefusal('KEY_MALFORMED', text(pem.padEnd(16_385, '\n')), /longer than 16384 bytes/);
  });

  it('refuses kinds of key that nobody should sign with, and says which do', () => {
    const kinds = {
      'RSA-PSS': generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey,
      secp256k1: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey,
      'P-224': generateKeyPairSync('ec', { namedCurve: 'P-224' }).publicKey,
      X25519: generateKeyPairSync('x25519').publicKey,
      Ed448: generateKeyPairSync('ed448').publicKey,
    };
    for (const key of Object.values(kinds)) {
      expectRefusal('KEY_UNSUPPORTED', pemOf(key));
    }
    const explicit = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).publicKey;
    expect(() => readRequestKey(pemOf(explicit)))
      .to.throw(RequestError, 'the key spells its curve out in numbers instead of naming it')
      .that.includes({ code: 'KEY_UNSUPPORTED' })
      .with.property('hint')
      .that.contains('-param_enc named_curve')
      .and.does.not.contain('P-256');
  });

  it('refuses RSA of another size or exponent as insecure, with the reason', () => {
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    expectRefusal('KEY_INSECURE', pemOf(small), /1024 bits/);
    const odd = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey;
    expectRefusal('KEY_INSECURE', pemOf(odd), /exponent other than 65537/);
  });

  it('never throws anything but RequestError, and agrees with OpenSSL on what it accepts', () => {
    const seeds = KEY_TYPES.map(
      (type) => new Uint8Array(testKey(type).publicKey.export({ type: 'spki', format: 'der' })),
    );
    const mutated = fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      )
      .map(([seed, edits]) => {
        const out = Uint8Array.from(seed);
        for (const [at, value] of edits) out[at % out.length] = value;
        return out;
      });
    const pem = mutated.map((der) => text(encodePem('PUBLIC KEY', der)));
    const junk = fc.string({ unit: 'binary' }).map((body) => text(`-----BEGIN PUBLIC KEY-----\n${body}`));
    fc.assert(
      fc.property(fc.oneof(mutated, pem, junk, fc.uint8Array({ maxLength: 300 })), (content) => {
        try {
          const { spki } = readRequestKey(content);
          const again = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
          expect(again.export({ type: 'spki', format: 'der' }).equals(spki)).to.equal(true);
        } catch (error) {
          expect(error).to.be.instanceOf(RequestError);
        }
      }),
      { numRuns: runs(300) },
    );
  });
});
