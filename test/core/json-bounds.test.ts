import { expect } from 'chai';
import fc from 'fast-check';
import { hasTooManyValues, MAX_VALUES } from '../../core/json-bounds.ts';
import { decodeSigningRequestV2 } from '../../server/fulcio/signing-request-json.ts';

const KIB = 1024;

/** A value with so much text behind it that it is looked at. */
const large = (json: string): Buffer => Buffer.from(`{"x":${json},"padding":"${'a'.repeat(16 * KIB)}"}`);

/** What is counted: objects and arrays, members twice less one, elements less one. */
function count(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value) as unknown[];
  const separators = Math.max(0, inner.length - 1) + (Array.isArray(value) ? 0 : inner.length);
  return 1 + separators + inner.reduce<number>((sum, one) => sum + count(one), 0);
}

describe('server: how much a large JSON text may contain', () => {
  it('is counted as by parsing it, whatever its strings look like', () => {
    const text = fc.string({
      unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', 'a', 'ä', '\n'),
    });
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.oneof(text, fc.integer(), fc.constantFrom(null, true)),
        fc.array(tie('tree'), { maxLength: 60 }),
        fc.dictionary(text, tie('tree'), { maxKeys: 60, noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        // Filled up with elements to the limit, and to one beyond it.
        const own = count(JSON.parse(large(JSON.stringify(value)).toString()));
        const filled = (missing: number): Buffer =>
          large(`[${JSON.stringify(value)}${',1'.repeat(MAX_VALUES - own - 1 + missing)}]`);
        expect(hasTooManyValues(filled(0))).to.equal(false);
        expect(hasTooManyValues(filled(1))).to.equal(true);
      }),
      { numRuns: 50 },
    );
  });

  it('is bounded in values, and so in depth, and not in text', () => {
    expect(hasTooManyValues(large(`[${'1,'.repeat(MAX_VALUES)}1]`))).to.equal(true);
    const deep = (depth: number): Buffer => large(`${'['.repeat(depth)}${']'.repeat(depth)}`);
    expect(hasTooManyValues(deep(MAX_VALUES - 10))).to.equal(false);
    expect(hasTooManyValues(deep(MAX_VALUES))).to.equal(true);
    expect(hasTooManyValues(large(JSON.stringify('\\"{[,:'.repeat(30_000))))).to.equal(false);
  });

  it('is not checked in a small text', () => {
    expect(hasTooManyValues(Buffer.from('['.repeat(16 * KIB)))).to.equal(false);
  });

  it('ends with the text when a string does not', () => {
    for (const end of ['"', '"\\', '"\\"', '"a', '\\'])
      expect(hasTooManyValues(Buffer.from(`${' '.repeat(17 * KIB)}${end}`))).to.equal(false);
  });

  it('leaves room for the largest request that can succeed, with fields that nobody knows', () => {
    const unknown = Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`field ${i}`, i]));
    const body = Buffer.from(
      JSON.stringify({
        credentials: { oidcIdentityToken: 't'.repeat(32 * KIB) },
        certificateSigningRequest: Buffer.alloc(64 * KIB, 'c').toString('base64'),
        ...unknown,
      }),
    );
    const { token, key } = decodeSigningRequestV2(body, undefined);
    expect(token).to.have.length(32 * KIB);
    expect(key)
      .to.have.property('pem')
      .with.length(64 * KIB);
  });

  it('refuses the request otherwise, in a sentence', () => {
    const body = Buffer.from(`{"a":${'['.repeat(127 * KIB)}${']'.repeat(127 * KIB)}}`);
    expect(() => decodeSigningRequestV2(body, undefined))
      .to.throw('the request body has more than 10000 values')
      .with.property('code', 'BODY_MALFORMED');
  });

  it('keeps of a key that is too long no more than what shows that it is', () => {
    const body = (over: object): Buffer => Buffer.from(JSON.stringify(over));
    const text = 'A'.repeat(200 * KIB);
    const { key } = decodeSigningRequestV2(
      body({ publicKeyRequest: { publicKey: { content: text }, proofOfPossession: text } }),
      undefined,
    );
    expect(key)
      .to.have.property('content')
      .with.length(16 * KIB + 1);
    // Base64 is decoded in groups of three bytes.
    expect(key).to.have.property('proof').with.length(1026);
    const csr = decodeSigningRequestV2(body({ certificateSigningRequest: text }), undefined).key;
    expect(csr)
      .to.have.property('pem')
      .with.length(64 * KIB + 2);
  });
});
