import { expect } from 'chai';
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { fromBase64, toBase64, toHex, utf8, utf8Text } from '../../../core/bytes.ts';
import { FormatError } from '../../../core/errors.ts';
import {
  checkpointText,
  encodeCheckpoint,
  parseCheckpoint,
  parseDecimal,
} from '../../../tlog/format/checkpoint.ts';
import { logV3Json, parseLogV3Json } from '../../../ct-log/format/log-v3-json.ts';
import { encodeNote, isKeyName, parseNote } from '../../../tlog/format/signed-note.ts';
import { encodeTlogProof, parseTlogProof } from '../../../tlog/format/tlog-proof.ts';
import {
  encodeTreeHead,
  encodeTreeHeadSignature,
  parseTreeHeadSignature,
} from '../../../ct-log/format/tree-head.ts';
import { encodeVkey, makeVkey, parseVkey, parseVkeys } from '../../../tlog/format/vkey.ts';
import { expectTypedErrors, expectTypedErrorsOnText, hex, refusalOf, sha256 } from '../../support/parsers.ts';

const ORIGIN = 'rome2026h1.example.org';
const SPKI = fromBase64(
  'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPIcer7RB32jt4bTEbhgUKLKvOctFD+I2hoDItFxUBlJiGFvftBuRk3fO7e1T7gC2ekyfL7XoO2oN/ObcZyc4EA==',
);
const ROOT = fromBase64('lCkHUpkmVBEms2r2T1K6Og69+wUuuN3MIEW1/ezu2v0=');
const TIME = 1767139200000;
const body = { origin: ORIGIN, size: 300, root: ROOT };
const signature = { name: ORIGIN, keyId: hex('01020304'), signature: hex('aabb') };
const note = encodeCheckpoint(body, [signature]);

describe('tlog/format/vkey', () => {
  it('computes the known log id and key id of a static-ct key', () => {
    expect(toBase64(sha256(SPKI))).to.equal('CKIDXIl+znJaHUyhzhNVaSxIUov59RCXLh3fJXJExnk=');
    expect(toHex(makeVkey(sha256, ORIGIN, 'static-ct', SPKI).keyId)).to.equal('91507526');
  });

  it('reads back what it writes, one a line', () => {
    const ed25519 = new Uint8Array(32).fill(7);
    const keys = [
      makeVkey(sha256, ORIGIN, 'static-ct', SPKI),
      makeVkey(sha256, ORIGIN, 'ed25519', ed25519),
      makeVkey(sha256, 'w', 'cosignature', ed25519),
    ];
    expect(parseVkeys(sha256, `${keys.map(encodeVkey).join('\n')}\n`)).to.deep.equal(keys);
    expect(encodeVkey(keys[0] ?? makeVkey(sha256, '', 'ed25519', ed25519))).to.match(
      /^rome2026h1\.example\.org\+91507526\+BTBZ/,
    );
    expect(new Set(keys.map(({ keyId }) => toHex(keyId))).size).to.equal(3);
  });

  it('refuses an id that is not the key’s, unknown types, short keys and names that cannot be one', () => {
    const text = encodeVkey(makeVkey(sha256, ORIGIN, 'static-ct', SPKI));
    expect(refusalOf(() => parseVkey(sha256, text.replace('91507526', '91507527')))?.code).to.equal(
      'MALFORMED',
    );
    expect(refusalOf(() => parseVkey(sha256, text.replace('+BTBZ', '+AjBZ')))?.code).to.equal('UNSUPPORTED');
    expect(refusalOf(() => parseVkey(sha256, `x${text}`))?.code).to.equal('MALFORMED');
    expect(() => makeVkey(sha256, 'a', 'ed25519', new Uint8Array(31))).to.throw(FormatError);
    for (const name of ['', 'a b', 'a+b', 'a\u00a0b'])
      expect(() => makeVkey(sha256, name, 'ed25519', new Uint8Array(32)), name).to.throw(FormatError);
    expectTypedErrorsOnText((input) => parseVkeys(sha256, input), [text]);
  });
});

describe('ct-log/format/tree-head', () => {
  it('lays out the 50 bytes of the known tree head', () => {
    const head = encodeTreeHead({ timestamp: TIME, size: 300, root: ROOT });
    expect(toHex(head)).to.equal(`00010000019b71b44c00000000000000012c${toHex(ROOT)}`);
    expect(head.length).to.equal(50);
  });

  it('begins the signature as the known checkpoint does', () => {
    const ecdsa = Uint8Array.from([...hex('3045'), ...new Uint8Array(69)]);
    const blob = encodeTreeHeadSignature(TIME, ecdsa);
    const line = toBase64(Uint8Array.from([...hex('91507526'), ...blob]));
    expect(line.slice(0, 24)).to.equal('kVB1JgAAAZtxtEwABAMARzBF');
    expect(parseTreeHeadSignature(blob)).to.deep.equal({
      timestamp: TIME,
      hashAlgorithm: 4,
      signatureAlgorithm: 3,
      signature: ecdsa,
    });
  });

  it('refuses parts out of range and damaged signatures', () => {
    for (const change of [{ size: -1 }, { timestamp: 2 ** 60 }, { root: new Uint8Array(31) }]) {
      expect(() => encodeTreeHead({ timestamp: TIME, size: 1, root: ROOT, ...change })).to.throw(FormatError);
    }
    const late = encodeTreeHeadSignature(8_640_000_000_000_001, hex('3000'));
    expect(refusalOf(() => parseTreeHeadSignature(late))?.code).to.equal('MALFORMED');
    expectTypedErrors(parseTreeHeadSignature, [encodeTreeHeadSignature(TIME, hex('3000'))]);
  });
});

/** The checkpoint of the example tree of FiloSottile/sunlight, cmd/skylight/testdata/tree. */
const SUNLIGHT = `${ORIGIN}
300
lCkHUpkmVBEms2r2T1K6Og69+wUuuN3MIEW1/ezu2v0=

— ${ORIGIN} kVB1JgAAAZtxtEwABAMARzBFAiEAi+mTa2xjL1IdWpH82OeciGsGvwRAP+f1WkfKaSZCfFECIHoNPZ/Q3y6UNzvKOO9cuLr6V16vPNfhwhle9f6r5H/Z
`;

describe("another log's checkpoint", () => {
  it('is read, and its signature holds over our tree head', () => {
    const { origin, size, root, signatures } = parseCheckpoint(utf8(SUNLIGHT));
    expect([origin, size, toBase64(root)]).to.deep.equal([ORIGIN, 300, toBase64(ROOT)]);
    const [line] = signatures;
    expect(toHex(line?.keyId ?? hex(''))).to.equal(toHex(makeVkey(sha256, ORIGIN, 'static-ct', SPKI).keyId));
    const { timestamp, signature: ecdsa, ...rest } = parseTreeHeadSignature(line?.signature ?? hex(''));
    expect({ timestamp, ...rest }).to.deep.equal({
      timestamp: TIME,
      hashAlgorithm: 4,
      signatureAlgorithm: 3,
    });
    const key = createPublicKey({ key: Buffer.from(SPKI), format: 'der', type: 'spki' });
    expect(verify('sha256', encodeTreeHead({ timestamp, size, root }), key, ecdsa)).to.equal(true);
    expect(verify('sha256', encodeTreeHead({ timestamp: timestamp + 1, size, root }), key, ecdsa)).to.equal(
      false,
    );
  });

  it('is written again to the same bytes', () => {
    const { signatures, ...read } = parseCheckpoint(utf8(SUNLIGHT));
    expect(utf8Text(encodeCheckpoint(read, signatures))).to.equal(SUNLIGHT);
  });
});

describe('tlog/format/signed-note', () => {
  it('lets an Ed25519 key sign and check the text of a note', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    const vkey = makeVkey(sha256, ORIGIN, 'ed25519', raw);
    const text = checkpointText(body);
    const signed = encodeCheckpoint(body, [{ ...vkey, signature: sign(null, utf8(text), privateKey) }]);
    const read = parseCheckpoint(signed);
    const [line] = read.signatures;
    expect(line?.keyId).to.deep.equal(Uint8Array.from(vkey.keyId));
    expect(
      verify(
        null,
        read.text,
        createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
        line?.signature ?? hex(''),
      ),
    ).to.equal(true);
  });

  it('keeps sixteen signatures and more, refuses a flood of them', () => {
    const many = Array.from({ length: 40 }, (_, i) => ({ ...signature, name: `witness${i}` }));
    expect(parseNote(encodeNote({ text: 'x\n', signatures: many })).signatures).to.deep.equal(many);
    const line = utf8Text(encodeNote({ text: 'x\n', signatures: [signature] })).slice(3);
    expect(refusalOf(() => parseNote(utf8(`x\n\n${line.repeat(101)}`)))?.code).to.equal('TOO_LARGE');
  });

  it('refuses to write a note that would not read back', () => {
    expect(() => encodeNote({ text: 'no newline', signatures: [signature] })).to.throw(FormatError);
    expect(() => encodeNote({ text: 'a\tb\n', signatures: [signature] })).to.throw(FormatError);
    expect(() => encodeNote({ text: 'x\n', signatures: [] })).to.throw(FormatError);
    for (const change of [{ name: 'a b' }, { keyId: hex('00') }, { signature: hex('') }]) {
      expect(() => encodeNote({ text: 'x\n', signatures: [{ ...signature, ...change }] })).to.throw(
        FormatError,
      );
    }
  });

  it('refuses notes that are not quite one', () => {
    const good = utf8Text(note);
    const wrong = [
      good.trimEnd(),
      good.replace('—', '-'),
      good.replace('\n\n', '\n'),
      `${good}\n`,
      good.replace('300', '30\r'),
      good.replace('— ', '—  '),
      good.replace(/ [^ ]+\n$/, ' AQIDBA==\n'),
      'x\n\n',
    ];
    for (const text of wrong)
      expect(
        refusalOf(() => parseNote(utf8(text))),
        text,
      ).to.not.equal(undefined);
    expect(refusalOf(() => parseNote(hex('ff 0a 0a')))?.code).to.equal('MALFORMED');
    expect([isKeyName('localhost:8899/2026'), isKeyName('a+b'), isKeyName('')]).to.deep.equal([
      true,
      false,
      false,
    ]);
  });
});

describe('tlog/format/checkpoint', () => {
  it('writes the three lines and reads them back', () => {
    expect(checkpointText(body)).to.equal(`${ORIGIN}\n300\nlCkHUpkmVBEms2r2T1K6Og69+wUuuN3MIEW1/ezu2v0=\n`);
    expect(parseCheckpoint(note)).to.deep.equal({
      ...body,
      extensions: [],
      text: utf8(checkpointText(body)),
      signatures: [signature],
    });
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (size, root) => {
        expect(parseCheckpoint(encodeCheckpoint({ origin: ORIGIN, size, root }, [signature]))).to.include({
          size,
        });
      }),
    );
  });

  it('takes an origin of several words, which no name of a key can have', () => {
    const other = { ...body, origin: 'rekor.localhost - 4711' };
    expect(parseCheckpoint(encodeCheckpoint(other, [signature]))).to.deep.include(other);
  });

  it('keeps extension lines apart', () => {
    const text = `${checkpointText(body)}ext one\next two\n`;
    expect(parseCheckpoint(encodeNote({ text, signatures: [signature] })).extensions).to.deep.equal([
      'ext one',
      'ext two',
    ]);
  });

  it('refuses sizes, roots and origins of another form', () => {
    const root = toBase64(ROOT);
    for (const text of [
      `${ORIGIN}\n0300\n${root}\n`,
      `${ORIGIN}\n-1\n${root}\n`,
      `${ORIGIN}\n1e3\n${root}\n`,
      `${ORIGIN}\n300\n${toBase64(hex('00'))}\n`,
      `\n300\n${root}\n`,
      `${ORIGIN}\n300\n`,
      `${ORIGIN}\n300\n${root}\n\n`,
      `${ORIGIN}\n9007199254740993\n${root}\n`,
    ]) {
      expect(() => parseCheckpoint(encodeNote({ text, signatures: [signature] })), text).to.throw(
        FormatError,
      );
    }
    const origins = ['', ' a', 'a ', 'a  b', 'a\tb', 'a\nb', 'a\u0000'].map((origin) => ({ origin }));
    for (const change of [...origins, { size: -1 }, { root: hex('00') }]) {
      expect(() => checkpointText({ ...body, ...change }), JSON.stringify(change)).to.throw(FormatError);
    }
    expectTypedErrors(parseCheckpoint, [note]);
    expectTypedErrorsOnText(parseDecimal, ['300']);
  });
});

describe('tlog/format/tlog-proof', () => {
  const proof = { extra: undefined, index: 7, path: [ROOT, sha256(ROOT)], checkpoint: note };

  it('writes the header, the index, the path and the checkpoint', () => {
    const lines = [
      'c2sp.org/tlog-proof@v1',
      'index 7',
      toBase64(ROOT),
      toBase64(sha256(ROOT)),
      '',
      utf8Text(note),
    ];
    expect(utf8Text(encodeTlogProof(proof))).to.equal(lines.join('\n'));
  });

  it('reads back what it writes, with and without extra data, with an empty path', () => {
    for (const extra of [undefined, hex(''), hex('0102')]) {
      for (const path of [[], proof.path])
        expect(parseTlogProof(encodeTlogProof({ ...proof, extra, path }))).to.deep.equal({
          ...proof,
          extra,
          path,
        });
    }
  });

  it('refuses other versions, missing lines, odd numbers and endless paths', () => {
    const text = utf8Text(encodeTlogProof(proof));
    expect(refusalOf(() => parseTlogProof(utf8(text.replace('@v1', '@v2'))))?.code).to.equal('UNSUPPORTED');
    for (const wrong of [
      text.replace('index 7\n', ''),
      text.replace('index 7', 'index 07'),
      text.replace('\n\n', '\n'),
      text.replace('index 7', 'index 7\nAAAA'),
    ]) {
      expect(refusalOf(() => parseTlogProof(utf8(wrong)))).to.not.equal(undefined);
    }
    const endless = encodeTlogProof({ ...proof, path: Array.from({ length: 64 }, () => ROOT) });
    expect(refusalOf(() => parseTlogProof(endless))?.code).to.equal('TOO_LARGE');
    expectTypedErrors(parseTlogProof, [
      encodeTlogProof(proof),
      encodeTlogProof({ ...proof, extra: hex('01') }),
    ]);
  });
});

describe('ct-log/format/log-v3-json', () => {
  const description = {
    origin: ORIGIN,
    logId: sha256(SPKI),
    publicKey: SPKI,
    url: 'https://ca.example/log/2026',
    createdAt: TIME,
    intendedUse: 'production',
    software: { name: 'mayfly', version: '1' },
  } as const;

  it('describes a log with the fields that readers look for', () => {
    const url = 'https://ca.example/log/2026/';
    expect(logV3Json(description)).to.include({
      description: ORIGIN,
      log_id: 'CKIDXIl+znJaHUyhzhNVaSxIUov59RCXLh3fJXJExnk=',
      mmd: 60,
      submission_url: url,
      monitoring_url: url,
      log_spec: 'static-ct-api',
      tls_only: true,
      status: 'active',
      status_timestamp: '2025-12-31T00:00:00Z',
    });
    expect(logV3Json({ ...description, url: 'http://localhost:1/log/2026/' })).to.include({
      tls_only: false,
      monitoring_url: 'http://localhost:1/log/2026/',
    });
  });

  it('is read back as the identity of the log', () => {
    expect(parseLogV3Json(sha256, JSON.stringify(logV3Json(description)))).to.deep.equal({
      origin: ORIGIN,
      logId: Uint8Array.from(sha256(SPKI)),
      publicKey: SPKI,
      final: undefined,
    });
  });

  it('refuses a log id that is not the key’s, missing fields and other JSON', () => {
    const text = JSON.stringify(logV3Json({ ...description, logId: new Uint8Array(32) }));
    expect(refusalOf(() => parseLogV3Json(sha256, text))?.code).to.equal('MALFORMED');
    for (const wrong of [
      '',
      '{',
      'null',
      '[]',
      '"x"',
      '{"description":1}',
      '{"__proto__":{"description":"x"}}',
    ]) {
      expect(
        refusalOf(() => parseLogV3Json(sha256, wrong)),
        wrong,
      ).to.not.equal(undefined);
    }
    expectTypedErrorsOnText(
      (input) => parseLogV3Json(sha256, input),
      [JSON.stringify(logV3Json(description))],
    );
  });
});
