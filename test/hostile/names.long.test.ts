/**
 * Attacks on the name in the certificate: what looks like another name, breaks off for some readers, or means more than
 * one thing. Each is refused, or stands in the certificate byte for byte as one name that another program reads so.
 */
import { expect } from 'chai';
import * as x509 from '../../ca/x509.ts';
import { decodeSubjectAltNames } from '../../core/subject-alt-name.ts';
import { bodyV2, clientKey, post, refusalOf } from '../support/test-service.ts';
import { startEveryType, TYPE_CASES, typedToken, type TypeCase } from './support/every-type.ts';
import type { World } from './support/world.ts';

/** Characters with which names have been forged. */
const CHARACTERS: readonly (readonly [string, string])[] = [
  ['NUL', '\0'],
  ['a line feed', '\n'],
  ['a carriage return', '\r'],
  ['a tab', '\t'],
  ['escape', '\x1b'],
  ['delete', '\x7f'],
  ['a control of ISO 6429', '\x9b'],
  ['a right-to-left override', '\u202e'],
  ['a left-to-right mark', '\u200e'],
  ['an isolate', '\u2067'],
  ['a line separator', '\u2028'],
  ['a byte order mark', '\ufeff'],
  ['next line', '\u0085'],
  ['a soft hyphen', '\u00ad'],
  ['a combining grapheme joiner', '\u034f'],
  ['a vowel separator', '\u180e'],
  ['a zero-width space', '\u200b'],
  ['a zero-width joiner', '\u200d'],
  ['a word joiner', '\u2060'],
  ['a filler', '\u3164'],
  ['a blank of braille', '\u2800'],
  ['a variation selector', '\ufe0f'],
  ['a supplementary variation selector', '\u{e0100}'],
  ['a tag', '\u{e0041}'],
  ['half a pair', '\ud800'],
];

/** Claims that would name somebody else for a careless reader, and the reason for which they are refused. */
const LOOKALIKES: readonly (readonly [type: string, claim: string, value: string, outcome: string])[] = [
  ['email', 'email', 'аlice@example.com', 'IDENTITY_UNENCODABLE'], // Cyrillic
  ['email', 'email', 'alice@exаmple.com', 'IDENTITY_UNENCODABLE'],
  ['email', 'email', 'alice＠example.com', 'IDENTITY_REFUSED'],
  ['email', 'email', 'alice@example。com', 'IDENTITY_REFUSED'],
  ['email', 'email', 'ａｌｉｃｅ@example.com', 'IDENTITY_UNENCODABLE'],
  ['email', 'email', 'alice@example.com\0.evil.example', 'IDENTITY_REFUSED'],
  ['email', 'email', 'alice@example.com,bob@example.com', 'IDENTITY_REFUSED'],
  ['email', 'email', 'alice@example.com bob@example.com', 'IDENTITY_REFUSED'],
  ['email', 'email', 'Alice <alice@example.com>', 'IDENTITY_REFUSED'],
  ['email', 'email', '<alice@example.com>', 'IDENTITY_REFUSED'],
  ['email', 'email', 'alice@example.com>', 'IDENTITY_REFUSED'],
  ['email', 'email', 'alice@[127.0.0.1]', 'IDENTITY_REFUSED'],
  ['email', 'email', 'alice@127.0.0.1', 'IDENTITY_REFUSED'],
  ['email', 'email', '@example.com', 'IDENTITY_REFUSED'],
  ['email', 'email', 'alice@', 'IDENTITY_REFUSED'],
  ['email', 'email', 'mailto:alice@example.com', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://127.0.0.1@evil.example/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://evil.example\\@127.0.0.1/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://127.0.0.1\\.evil.example/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://127.0.0.1.evil.example/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://127.0.0.1%00.evil.example/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://127.0.0.1%2f.evil.example/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://127.1/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://０x7f.0.0.1/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://127。0。0。1/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'javascript:alert(1)//127.0.0.1', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http:/\\127.0.0.1/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', ' http://127.0.0.1/', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://127.0.0.1/%zz', 'IDENTITY_REFUSED'],
  ['uri', 'sub', 'http://127.0.0.1/\nX: y', 'IDENTITY_REFUSED'],
  ['username', 'sub', 'alice!evil.example', 'IDENTITY_REFUSED'],
  ['username', 'sub', 'alice@example.com', 'IDENTITY_REFUSED'],
  ['spiffe', 'sub', 'spiffe://example.org\u0000/a', 'IDENTITY_REFUSED'],
  ['spiffe', 'sub', 'spiffe://exаmple.org/a', 'IDENTITY_REFUSED'],
  ['spiffe', 'sub', 'spiffe://example.org/а', 'IDENTITY_REFUSED'],
  ['spiffe', 'sub', 'spiffe://example.org\\.evil.example/a', 'IDENTITY_REFUSED'],
  ['spiffe', 'sub', 'spiffe://example.org@evil.example/a', 'IDENTITY_REFUSED'],
  ['spiffe', 'sub', 'SPIFFE://example.org/a', 'IDENTITY_REFUSED'],
];

describe('hostile: names in certificates', () => {
  let world: World;
  before(async () => (world = await startEveryType()));
  after(() => world.close());

  /** The reason of the refusal, or `issued` with the name as the certificate has it. The proof is made for the subject. */
  async function named(one: TypeCase, changes: Record<string, unknown>): Promise<[string, string]> {
    const token = await typedToken(world, one, changes);
    const all: Record<string, unknown> = { ...one.claims, ...changes };
    const challenge = one.definition.type === 'email' ? all['email'] : all['sub'];
    const body = bodyV2(token, clientKey(String(challenge)));
    const response = await post(`${world.service.url}/api/v2/signingCert`, body);
    if (response.status !== 200) return [(await refusalOf(response)).details[0].reason, ''];
    const text = (await response.json()) as {
      signedCertificateEmbeddedSct: { chain: { certificates: [string] } };
    };
    const [pem] = text.signedCertificateEmbeddedSct.chain.certificates;
    const extension = new x509.X509Certificate(pem).getExtension('2.5.29.17');
    const names = decodeSubjectAltNames(new Uint8Array(extension?.value ?? new ArrayBuffer(0)));
    expect(names).to.have.length(1);
    return ['issued', names[0]?.value ?? ''];
  }

  const REFUSALS = ['IDENTITY_REFUSED', 'IDENTITY_UNENCODABLE', 'CLAIM_INVALID', 'TOKEN_MALFORMED'];
  for (const one of TYPE_CASES) {
    for (const name of one.naming) {
      it(`of type ${one.definition.type} never hold a control or an invisible character, wherever it stands in ${name}`, async () => {
        const good = String(one.claims[name]);
        for (const [what, character] of CHARACTERS) {
          for (const value of [character + good, good + character, good.replace(/(?<=.{3})/s, character)]) {
            const [outcome, san] = await named(one, { [name]: value });
            if (outcome !== 'issued') expect(REFUSALS, what).to.include(outcome);
            // A URI may have it as an escape, which is another name for every reader.
            else expect(san, what).to.match(/^[\x21-\x7e]+$/);
          }
        }
      });
    }
  }

  for (const [type, claim, value, expected] of LOOKALIKES) {
    it(`of type ${type} are not ${JSON.stringify(value)}: ${expected}`, async () => {
      const one = TYPE_CASES.find(({ definition }) => definition.type === type);
      if (one === undefined) throw new Error(type);
      expect(await named(one, { [claim]: value })).to.deep.equal([expected, '']);
    });
  }

  it('of a user may hold letters of any script, since they are no URI', async () => {
    const one = TYPE_CASES.find(({ definition }) => definition.type === 'username');
    if (one === undefined) throw new Error('no such type');
    for (const sub of ['jörg', 'аlice', '有', 'ﺝﻭﺮﺟ', 'a\u0301', '😀'])
      expect(await named(one, { sub })).to.deep.equal(['issued', `${sub}!127.0.0.1`]);
  });
});
