import { expect } from 'chai';
import fc from 'fast-check';
import {
  bearer,
  decodeSigningRequestV1,
  decodeSigningRequestV2,
} from '../../../server/fulcio/signing-request-json.ts';
import { TransportError } from '../../../server/http/transport-error.ts';
import { runs } from '../../support/runs.ts';

const PROOF = Uint8Array.from([0xfb, 0xff, 0xfe, 1]);
const STANDARD = '+//+AQ==';
const URL_SAFE = '-__-AQ==';
const PEM = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n';

const v2 = (value: unknown, authorization?: string) =>
  decodeSigningRequestV2(
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    authorization,
  );
const v1 = (value: unknown, authorization?: string) =>
  decodeSigningRequestV1(
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    authorization,
  );
const plain = (request: ReturnType<typeof v2>) => ({
  token: request.token,
  ...(request.key.kind === 'csr'
    ? { csr: Buffer.from(request.key.pem).toString() }
    : { content: Buffer.from(request.key.content).toString(), proof: [...request.key.proof] }),
});
const good = {
  credentials: { oidcIdentityToken: 'a.b.c' },
  publicKeyRequest: {
    publicKey: { algorithm: 'ECDSA', content: PEM },
    proofOfPossession: STANDARD,
  },
};
const decoded = { token: 'a.b.c', content: PEM, proof: [...PROOF] };

/** What is thrown; undefined when nothing is. */
function complaintOf(decode: () => unknown): TransportError | undefined {
  try {
    decode();
    return undefined;
  } catch (error) {
    return error as TransportError;
  }
}

describe('server/fulcio/signing-request-json', () => {
  it('reads the request of v2 in camelCase and in snake_case', () => {
    expect(plain(v2(good))).to.deep.equal(decoded);
    const snake = {
      credentials: { oidc_identity_token: 'a.b.c' },
      public_key_request: {
        public_key: { algorithm: 2, content: PEM },
        proof_of_possession: STANDARD,
      },
    };
    expect(plain(v2(snake))).to.deep.equal(decoded);
  });

  it('reads bytes in both alphabets, padded or not, with line breaks', () => {
    for (const proof of [STANDARD, URL_SAFE, '+//+AQ', '-__-AQ', '+//+\r\nAQ==\n']) {
      const pair = { ...good.publicKeyRequest, proofOfPossession: proof };
      expect(plain(v2({ ...good, publicKeyRequest: pair })), proof).to.deep.equal(decoded);
    }
  });

  it('refuses bytes that no alphabet has', () => {
    for (const proof of ['+_AA', 'A', 'AAAAA', 'AA=', 'A===', 'AA==AA', 'ä', 'AA AA', 7, {}, []]) {
      const pair = { ...good.publicKeyRequest, proofOfPossession: proof };
      const decode = () => v2({ ...good, publicKeyRequest: pair });
      expect(decode, JSON.stringify(proof))
        .to.throw(TransportError, /^proofOfPossession (is not|must be) /)
        .with.property('code', 'BODY_MALFORMED');
    }
  });

  it('takes the token of the body first and that of the header else', () => {
    expect(v2(good, 'Bearer other').token).to.equal('a.b.c');
    for (const credentials of [undefined, null, {}, { oidcIdentityToken: '' }, { oidcIdentityToken: null }]) {
      expect(v2({ ...good, credentials }, 'Bearer x.y.z').token, JSON.stringify(credentials)).to.equal(
        'x.y.z',
      );
    }
    expect(v1({}, 'x.y.z').token).to.equal('x.y.z');
    expect(v1({ credentials: { oidcIdentityToken: 'a' } }).token).to.equal('');
  });

  it('takes one Bearer off, spelled exactly so', () => {
    expect(bearer(undefined)).to.equal('');
    expect(bearer('Bearer a')).to.equal('a');
    expect(bearer('Bearer Bearer a')).to.equal('Bearer a');
    expect(bearer('bearer a')).to.equal('bearer a');
    expect(bearer('Bearer')).to.equal('Bearer');
  });

  it('takes what is empty, absent, null or unknown as Fulcio does', () => {
    const nothing = { token: '', content: '', proof: [] };
    const bodies = [
      '',
      ' \r\n\t',
      '{}',
      '{"publicKeyRequest":null}',
      '{"publicKeyRequest":{"publicKey":null}}',
    ];
    for (const body of [...bodies, '{"unknown":{"deep":[1,{}]},"publicKeyRequest":{"x":1}}']) {
      expect(plain(v2(body)), body).to.deep.equal(nothing);
    }
  });

  it('does not look behind the first value', () => {
    const body = JSON.stringify({ ...good, note: 'a "quoted } brace" \\' });
    for (const rest of ['{}', '\n{"a":', ' garbage', ']', '\0']) {
      expect(plain(v2(body + rest)), rest).to.deep.equal(decoded);
    }
  });

  it('reads a certificate signing request', () => {
    const csr = Buffer.from(PEM).toString('base64');
    expect(plain(v2({ certificateSigningRequest: csr }))).to.deep.equal({ token: '', csr: PEM });
    expect(plain(v2({ certificate_signing_request: csr }))).to.deep.equal({ token: '', csr: PEM });
  });

  it('refuses key and signing request together in v2, and prefers the signing request in v1', () => {
    const csr = Buffer.from('csr').toString('base64');
    expect(() => v2({ ...good, certificateSigningRequest: csr })).to.throw(
      TransportError,
      'exclude each other',
    );
    const publicKey = { content: Buffer.from(PEM).toString('base64') };
    const key = { publicKey, signedEmailAddress: STANDARD };
    const both = { ...key, certificateSigningRequest: csr };
    expect(plain(v1(both))).to.deep.equal({ token: '', csr: 'csr' });
    const keyOnly = { token: '', content: PEM, proof: [...PROOF] };
    expect(plain(v1(key))).to.deep.equal(keyOnly);
    expect(plain(v1({ ...key, certificateSigningRequest: '' }))).to.deep.equal(keyOnly);
  });

  it('says which field has the wrong type', () => {
    const table: readonly (readonly [unknown, RegExp])[] = [
      ['[]', /JSON object, not an array/],
      ['null', /JSON object, not null/],
      ['"text"', /JSON object, not a string/],
      ['{', /JSON object, not text that is not JSON/],
      ['nonsense', /not text that is not JSON/],
      [{ credentials: 'token' }, /^credentials must be an object, not a string/],
      [{ credentials: { oidcIdentityToken: 5 } }, /^oidcIdentityToken must be a string, not a number/],
      [{ publicKeyRequest: [] }, /^publicKeyRequest must be an object, not an array/],
      [{ publicKeyRequest: { publicKey: 1 } }, /^publicKey must be an object/],
      [{ publicKeyRequest: { publicKey: { content: {} } } }, /^content must be a string, not an object/],
      [{ publicKeyRequest: { publicKey: { algorithm: 1.5 } } }, /^algorithm must be the name or number/],
      [{ publicKeyRequest: { publicKey: { algorithm: true } } }, /^algorithm must be/],
      [{ certificateSigningRequest: 1 }, /^certificateSigningRequest must be a base64 string/],
      [{ publicKeyRequest: {}, public_key_request: {} }, /are the same field/],
    ];
    for (const [body, sentence] of table) {
      expect(() => v2(body), JSON.stringify(body)).to.throw(TransportError, sentence);
    }
    expect(() => v1({ publicKey: { algorithm: 3 } })).to.throw(TransportError, /^algorithm must be a string/);
    expect(() => decodeSigningRequestV2(Buffer.from([0x7b, 0xff, 0x7d]), undefined)).to.throw(
      TransportError,
      'not UTF-8',
    );
  });

  it('repeats nothing of the body in a complaint', () => {
    const secret = 'eyJhbGciOiJSUzI1NiJ9';
    for (const body of [`{"credentials":"${secret}"}`, `{${secret}`, `["${secret}"]`, `{"a":"${secret}`]) {
      const complaint = complaintOf(() => v2(body));
      expect(complaint, body).to.be.instanceOf(TransportError);
      expect(JSON.stringify([String(complaint), complaint?.hint])).to.not.contain(secret);
    }
  });

  it('throws nothing but TransportError, whatever comes', () => {
    const messageLike = fc.letrec((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom<unknown>(null, '', 'AA==', 1, true, 'x'),
        fc.dictionary(
          fc.constantFrom(
            ...['credentials', 'oidcIdentityToken', 'publicKeyRequest', 'public_key_request', 'publicKey'],
            ...[
              'content',
              'algorithm',
              'proofOfPossession',
              'certificateSigningRequest',
              'signedEmailAddress',
            ],
            '__proto__',
          ),
          tie('node'),
        ),
        fc.array(tie('node'), { maxLength: 2 }),
      ),
    })).node;
    const bodies = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.string().map((text) => Buffer.from(text)),
      messageLike.map((value) => Buffer.from(JSON.stringify(value))),
      fc
        .tuple(messageLike, fc.nat(40))
        .map(([value, cut]) => Buffer.from(JSON.stringify(value).slice(0, cut))),
    );
    fc.assert(
      fc.property(bodies, fc.option(fc.string(), { nil: undefined }), (body, authorization) => {
        for (const decode of [decodeSigningRequestV2, decodeSigningRequestV1]) {
          try {
            expect(decode(body, authorization).token).to.be.a('string');
          } catch (error) {
            expect(error).to.be.instanceOf(TransportError);
          }
        }
      }),
      { numRuns: runs(500) },
    );
  });

  it('takes deep nesting in its stride', () => {
    const nested = (depth: number): string => `{"x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    for (const depth of [1000, 9000]) expect(plain(v2(nested(depth))).token).to.equal('');
    expect(() => v2(nested(100_000))).to.throw(TransportError, 'more than 10000 values');
    expect(() => v2('['.repeat(200_000))).to.throw(TransportError);
  });
});
