import { expect } from 'chai';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { utf8Text } from '../../../core/bytes.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import type { ProposedEntry } from '../../../rekor/entries/proposed-entry.ts';
import { soughtV1Body, decodeV1Json, readV1Proposal } from '../../../rekor/entries/v1-proposal.ts';
import { vectorPath } from '../../support/vectors.ts';
import { leafHashOf, recorded } from './support/recorded.ts';

const VECTORS = recorded(1);
const ENTRIES = [...VECTORS.entries, ...(VECTORS.stock ?? [])];

const propose = async (request: unknown): Promise<ProposedEntry> =>
  readV1Proposal(decodeV1Json(Buffer.from(typeof request === 'string' ? request : JSON.stringify(request))));

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

/** A recorded request with one member changed, and what Rekor makes of it. */
interface Changed {
  readonly of: string;
  readonly path: string;
  /** Absent where the member is taken away. */
  readonly value?: unknown;
  readonly leafHash?: string;
  readonly code?: number;
  readonly message?: string;
}

function changedRequest(change: Changed): unknown {
  const all = [...ENTRIES, ...VECTORS.refusals];
  const request: unknown = JSON.parse(all.find(({ name }) => name === change.of)?.request ?? '');
  const path = change.path.split('.');
  const last = path.pop() ?? '';
  const holder = path.reduce((value, name) => (value as Record<string, unknown>)[name], request) as Record<
    string,
    unknown
  >;
  if (Object.hasOwn(change, 'value')) holder[last] = change.value;
  else if (Array.isArray(holder)) holder.splice(Number(last), 1);
  else Reflect.deleteProperty(holder, last);
  return request;
}

const PAYLOAD = JSON.stringify({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'a', digest: { sha256: 'ab'.repeat(32) } }],
  predicateType: 'https://example.com/p',
  predicate: {},
});
const TYPE = 'application/vnd.in-toto+json';
const SIGNED = Buffer.from(`DSSEv1 ${TYPE.length} ${TYPE} ${PAYLOAD.length} ${PAYLOAD}`);

const pemOf = (key: KeyObject): string =>
  Buffer.from(key.export({ type: 'spki', format: 'pem' })).toString('base64');

const newKey = (): { pem: string; sig: string } => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { pem: pemOf(publicKey), sig: sign('sha256', SIGNED, privateKey).toString('base64') };
};

const envelopeOf = (sigs: readonly string[]): string =>
  JSON.stringify({
    payloadType: TYPE,
    payload: Buffer.from(PAYLOAD).toString('base64'),
    signatures: sigs.map((sig) => ({ sig })),
  });

const dsse = (sigs: readonly string[], verifiers: readonly string[]): unknown => ({
  apiVersion: '0.0.1',
  kind: 'dsse',
  spec: { proposedContent: { envelope: envelopeOf(sigs), verifiers } },
});

const twice = (text: string): string => Buffer.from(text).toString('base64');

const intoto2 = (sigs: readonly string[], pems: readonly string[]): unknown => ({
  apiVersion: '0.0.2',
  kind: 'intoto',
  spec: {
    content: {
      envelope: {
        payloadType: TYPE,
        payload: twice(Buffer.from(PAYLOAD).toString('base64')),
        signatures: sigs.map((sig, i) => ({ sig: twice(sig), publicKey: pems[i] })),
      },
      hash: { algorithm: 'sha256', value: '0'.repeat(64) },
    },
  },
});

const intoto1 = (envelope: string, publicKey: string): unknown => ({
  apiVersion: '0.0.1',
  kind: 'intoto',
  spec: { content: { envelope }, publicKey },
});

describe('rekor/entries/v1-proposal', () => {
  it('makes of each recorded request, also of stock clients, the body and the leaf hash that Rekor made', async () => {
    expect(ENTRIES).to.have.length(21);
    for (const { name, request, canonicalizedBody, leafHash } of ENTRIES) {
      const { body, kind, version, verifiers } = await propose(request);
      expect(utf8Text(body), name).to.equal(canonicalizedBody);
      expect(leafHashOf(body), name).to.equal(leafHash);
      expect({ kind, apiVersion: version }).to.deep.equal({
        kind: (JSON.parse(request) as { kind: string }).kind,
        apiVersion: (JSON.parse(request) as { apiVersion: string }).apiVersion,
      });
      expect(verifiers.length, name).to.equal(name === 'dsse-two-signatures' ? 2 : 1);
    }
  });

  it('refuses what Rekor refused, and has its status, code and message', async () => {
    expect(VECTORS.refusals).to.have.length(17);
    for (const { name, request, status, answer } of VECTORS.refusals) {
      const { stock } = await refusalOf(request);
      expect(stock, name).to.deep.include({ status, ...(JSON.parse(answer) as object) });
      expect(stock?.by, name).to.equal(answer.endsWith('\n') ? 'handler' : 'framework');
    }
  });

  it('makes of hundreds of changed requests what Rekor makes of them', async () => {
    const rows = JSON.parse(readFileSync(vectorPath('rekor/changed-v1.json'), 'utf8')) as Changed[];
    expect(rows).to.have.length(486);
    for (const row of rows) {
      const request = changedRequest(row);
      const what = `${row.of} ${row.path} ${JSON.stringify(row.value)}`;
      if (row.leafHash !== undefined)
        expect(leafHashOf((await propose(request)).body), what).to.equal(row.leafHash);
      else {
        const { code, message } = row;
        expect((await refusalOf(request)).stock, what).to.deep.include({ code, message });
      }
    }
  }).timeout(20_000);

  it('finds of a proposed entry and of the body of one that is logged the same body', async () => {
    for (const { name, request, canonicalizedBody } of ENTRIES)
      for (const json of [request, canonicalizedBody]) {
        const body = await soughtV1Body(decodeV1Json(Buffer.from(json)));
        expect(utf8Text(body ?? new Uint8Array(0)), name).to.equal(canonicalizedBody);
      }
  });

  it('finds nothing for kinds of Rekor that are not logged here, and refuses others', async () => {
    const ask = (kind: string): Promise<unknown> => soughtV1Body({ kind, apiVersion: '0.0.1', spec: {} });
    expect(await ask('rekord')).to.equal(undefined);
    const error = await ask('nope').catch((caught: unknown) => caught);
    expect((error as EntryError).stock?.message).to.equal('invalid kind value: "nope"');
  });

  it('has no beginning before the sentences of retrieve', async () => {
    const request = JSON.parse(ENTRIES[0]?.request ?? '') as { spec: { data: { hash: { value: string } } } };
    request.spec.data.hash.value = 'ab';
    const error = await soughtV1Body(request).catch((caught: unknown) => caught);
    expect((error as EntryError).stock).to.deep.include({ status: 400, message: 'invalid value for hash' });
  });

  it('looks for an entry without a check of its signatures', async () => {
    const { request } = VECTORS.refusals.find(({ name }) => name === 'bad-signature') ?? { request: '' };
    const hashed = await soughtV1Body(JSON.parse(request));
    expect(utf8Text(hashed ?? new Uint8Array())).to.contain('"kind":"hashedrekord"');
    const [one, other] = [newKey(), newKey()];
    for (const foreign of [
      dsse([one.sig], [other.pem]),
      intoto1(envelopeOf([one.sig]), other.pem),
      intoto2([one.sig, other.sig], [other.pem, one.pem]),
    ]) {
      expect((await soughtV1Body(foreign))?.length).to.be.greaterThan(0);
      expect((await refusalOf(foreign)).code).to.equal('ENTRY_SIGNATURE_INVALID');
    }
    // Which key made which of several signatures, the envelope does not say.
    const both = await soughtV1Body(dsse([one.sig, other.sig], [other.pem, one.pem]));
    expect(both).to.deep.equal((await propose(dsse([one.sig, other.sig], [one.pem, other.pem]))).body);
  });

  it('logs one digest once, whatever the case of its letters', async () => {
    const entry = ENTRIES[0];
    const upper = (entry?.request ?? '').replace(/"value":"([0-9a-f]+)"/, (_, hex: string) => `"value":"${hex.toUpperCase()}"`); // prettier-ignore
    expect(upper).to.not.equal(entry?.request);
    expect(utf8Text((await propose(upper)).body)).to.equal(entry?.canonicalizedBody);
  });

  it('reads what follows the first value no more than Go does', async () => {
    const entry = ENTRIES[0];
    expect(utf8Text((await propose(`${entry?.request ?? ''} {"x`)).body)).to.equal(entry?.canonicalizedBody);
  });

  it('refuses a request or an envelope that names a member twice: two readers could see two', async () => {
    const { pem, sig } = newKey();
    expect((await refusalOf('{"kind":"dsse","kind":"intoto"}')).message).to.contain('"kind" twice');
    const twofold = envelopeOf([sig]).replace('{', '{"payload":"AAAA",');
    const request = {
      apiVersion: '0.0.1',
      kind: 'dsse',
      spec: { proposedContent: { envelope: twofold, verifiers: [pem] } },
    };
    expect((await refusalOf(request)).message).to.contain('"payload" twice');
  });

  it('refuses a member whose name is ours but for the case of its letters: Go would take it for ours', async () => {
    const { pem, sig } = newKey();
    const upper = envelopeOf([sig]).replace(/\}$/, ',"Payload":"ZXZpbA=="}');
    const request = (envelope: string): string =>
      JSON.stringify({ apiVersion: '0.0.1', kind: 'dsse', spec: { proposedContent: { envelope, verifiers: [pem] } } }); // prettier-ignore
    const good = request(envelopeOf([sig]));
    await propose(good);
    for (const twofold of [
      request(upper),
      request(envelopeOf([sig]).replace('"sig":', '"\u017fig":"","sig":')),
      good.replace('"kind"', '"Kind":"intoto","kind"'),
      good.replace('"envelope"', '"ENVELOPE":"","envelope"'),
    ])
      expect((await refusalOf(twofold)).message).to.contain('but for the case of its letters');
  });

  it('asks of each kind who the signers are before it checks a signature, and lets no refusal of theirs look like another', async () => {
    const { pem, sig } = newKey();
    const other = newKey();
    for (const request of [
      ENTRIES[0]?.request,
      dsse([sig], [other.pem]),
      intoto2([sig], [other.pem]),
      intoto1(envelopeOf([sig]), other.pem),
    ]) {
      const json: unknown = typeof request === 'string' ? JSON.parse(request) : request;
      const refused = new EntryError('ENTRY_NOT_ADMITTED', 'not you');
      const admit = (): never => {
        throw refused;
      };
      expect(await readV1Proposal(json, admit).catch((error: unknown) => error)).to.equal(refused);
    }
    const asked: unknown[] = [];
    await readV1Proposal(dsse([sig, other.sig], [pem, other.pem]), (verifier) => asked.push(verifier));
    expect(asked).to.have.length(2);
  });

  describe('of an envelope', () => {
    it('wants each signature by one of the keys, and of each key one signature', async () => {
      const [one, other] = [newKey(), newKey()];
      await propose(dsse([one.sig, other.sig], [other.pem, one.pem]));
      await propose(intoto2([one.sig, other.sig], [one.pem, other.pem]));
      const unsigned = 'all signatures must have a key that verifies it';
      const superfluous =
        'could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1';
      const rows = [
        [dsse([one.sig, other.sig], [one.pem]), unsigned],
        [dsse([one.sig], [other.pem, one.pem]), superfluous],
        [dsse([one.sig, other.sig], [one.pem, one.pem]), unsigned],
      ] as const;
      for (const [request, message] of rows)
        expect((await refusalOf(request)).stock?.message).to.equal(`error processing entry: ${message}`);
      // After the last signature is known, no key is looked at.
      await propose(dsse([one.sig], [one.pem, other.pem]));
    });

    it('wants beside each signature of an intoto 0.0.2 the key that made it', async () => {
      const [one, other] = [newKey(), newKey()];
      const error = await refusalOf(intoto2([one.sig, other.sig], [other.pem, one.pem]));
      expect(error.message).to.equal('a signature is not by the key that stands beside it');
    });

    it('takes intoto 0.0.1 with its only signature, and is found by the digests of its subjects', async () => {
      const [one, other] = [newKey(), newKey()];
      const { body, verifiers, namedDigests } = await propose(intoto1(envelopeOf([one.sig]), one.pem));
      expect(JSON.parse(utf8Text(body))).to.have.nested.property('spec.content.payloadHash.value');
      expect(verifiers).to.have.length(1);
      expect(namedDigests).to.deep.equal([`sha256:${'ab'.repeat(32)}`]);
      const bad = await refusalOf(intoto1(envelopeOf([other.sig]), one.pem));
      expect(bad.stock?.message).to.equal(
        'error processing entry: accepted signatures do not match threshold, Found: 0, Expected 1',
      );
      const two = await refusalOf(intoto1(envelopeOf([one.sig, other.sig]), one.pem));
      expect(two.code).to.equal('ENTRY_UNSUPPORTED');
    });

    it('verifies by SHA-256 whatever the curve, and Ed25519 purely', async () => {
      const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
      const ed25519 = generateKeyPairSync('ed25519');
      const ask = (hash: string | null, { publicKey, privateKey }: typeof p384): unknown =>
        dsse([sign(hash, SIGNED, privateKey).toString('base64')], [pemOf(publicKey)]);
      await propose(ask('sha256', p384));
      await propose(ask(null, ed25519));
      expect((await refusalOf(ask('sha384', p384))).code).to.equal('ENTRY_SIGNATURE_INVALID');
    });

    it('refuses more signatures and keys than anybody sends, before it verifies one', async () => {
      const { pem, sig } = newKey();
      const many = Array.from({ length: 9 }, () => sig);
      for (const request of [
        dsse(many, [pem]),
        dsse(
          [sig],
          Array.from(many, () => pem),
        ),
        intoto2(
          many,
          Array.from(many, () => pem),
        ),
      ])
        expect((await refusalOf(request)).code).to.equal('ENTRY_TOO_LARGE');
    });

    it('tries no more pairs of signatures and keys than 16, and each key once', async () => {
      const keys = Array.from({ length: 8 }, newKey);
      const [sigs, pems] = [keys.map(({ sig }) => sig), keys.map(({ pem }) => pem)];
      await propose(dsse(sigs, pems));
      await propose(dsse(sigs.slice(0, 5), pems.slice(0, 5).toReversed()));
      for (const read of [propose, soughtV1Body]) {
        const error = await read(dsse(sigs, pems.toReversed())).catch((caught: unknown) => caught);
        expect((error as EntryError).code).to.equal('ENTRY_TOO_LARGE');
      }
      // One right signature among others, and its key eight times.
      const foreign = Array.from({ length: 7 }, () => sign('sha256', Buffer.from('x'), generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey).toString('base64')); // prettier-ignore
      const [sig = '', pem = ''] = [sigs[0], pems[0]];
      const repeated = dsse([...foreign, sig], Array<string>(8).fill(pem));
      expect((await refusalOf(repeated)).stock?.message).to.contain('all signatures must have a key');
    });

    it('makes one entry of a signature in intoto 0.0.2, however it is spelled', async () => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      let sig = '';
      while (!/[+/]/.test(sig) || !sig.endsWith('=')) sig = sign('sha256', SIGNED, privateKey).toString('base64'); // prettier-ignore
      const text = String(publicKey.export({ type: 'spki', format: 'pem' }));
      const pem = Buffer.from(text).toString('base64');
      const urlSafe = sig.replaceAll('+', '-').replaceAll('/', '_');
      const last = sig.search(/[^=]=*$/);
      const strayBits = `${sig.slice(0, last)}${String.fromCharCode(sig.charCodeAt(last) + 1)}${sig.slice(last + 1)}`; // prettier-ignore
      await propose(intoto2([sig], [pem]));
      for (const spelled of [
        `${sig.slice(0, 8)}\n${sig.slice(8)}`,
        urlSafe,
        strayBits,
        `${sig}\n`,
        `\uFEFF${sig}`,
      ])
        expect((await refusalOf(intoto2([spelled], [pem]))).code, spelled).to.equal('ENTRY_MALFORMED');
      const lines = text.trim().split('\n');
      for (const other of [
        text.replaceAll('\n', '\r\n'),
        `\n${text}`,
        `\uFEFF${text}`,
        `${text}\n`,
        [lines[0], lines.slice(1, -1).join(''), lines.at(-1), ''].join('\n'),
      ]) {
        const sent = Buffer.from(other).toString('base64');
        expect((await refusalOf(intoto2([sig], [sent]))).code, other).to.equal('ENTRY_MALFORMED');
      }
      expect((await refusalOf(intoto2([sig, sig], [pem, pem]))).message).to.contain('twice');
    });

    it('bounds the id of a key, which nobody signs', async () => {
      const { pem, sig } = newKey();
      const withId = (keyid: string): unknown => {
        const request = intoto2([sig], [pem]) as {
          spec: { content: { envelope: { signatures: object[] } } };
        };
        request.spec.content.envelope.signatures = request.spec.content.envelope.signatures.map((one) => ({ ...one, keyid })); // prettier-ignore
        return request;
      };
      await propose(withId('ab'.repeat(32)));
      for (const keyid of ['a'.repeat(257), '\u0001'])
        expect((await refusalOf(withId(keyid))).code).to.equal('ENTRY_MALFORMED');
    });

    it('refuses a signature that clients would not read in the body: URL-safe, or over two lines', async () => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      let sig = '';
      while (!/[+/]/.test(sig)) sig = sign('sha256', SIGNED, privateKey).toString('base64');
      for (const spelled of [
        sig.replaceAll('+', '-').replaceAll('/', '_'),
        `${sig.slice(0, 8)}\n${sig.slice(8)}`,
      ])
        expect((await refusalOf(dsse([spelled], [pemOf(publicKey)]))).code).to.equal('ENTRY_MALFORMED');
    });
  });

  it('is found by its subjects whatever else a statement says, or is refused', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const about = (statement: string): unknown => {
      const signed = Buffer.from(
        `DSSEv1 ${TYPE.length} ${TYPE} ${Buffer.byteLength(statement)} ${statement}`,
      );
      const envelope = {
        payloadType: TYPE,
        payload: Buffer.from(statement).toString('base64'),
        signatures: [{ sig: sign('sha256', signed, privateKey).toString('base64') }],
      };
      return {
        apiVersion: '0.0.1',
        kind: 'dsse',
        spec: { proposedContent: { envelope: JSON.stringify(envelope), verifiers: [pemOf(publicKey)] } },
      };
    };
    const subjects = (count: number): string =>
      JSON.stringify(Array.from({ length: count }, (_, i) => ({ digest: { sha256: i.toString(16).padStart(64, '0') } }))); // prettier-ignore
    for (const predicate of ['{"d":"y","d":"z"}', '['.repeat(5000) + ']'.repeat(5000), '"\\ud800"', '7']) {
      const statement = `{"subject":[],"subject":${subjects(1)},"predicate":${predicate}}`;
      expect((await propose(about(statement))).namedDigests, predicate).to.deep.equal([
        `sha256:${'0'.repeat(64)}`,
      ]);
    }
    // Go matches names of whatever case.
    for (const statement of [
      `{"Subject":${subjects(1)},"subject":[]}`,
      `{"\u017fubject":[{"DIGEST":{"SHA256":"${'0'.repeat(64)}"}}]}`,
    ])
      expect((await propose(about(statement))).namedDigests, statement).to.deep.equal([
        `sha256:${'0'.repeat(64)}`,
      ]);
    // Of what stands there twice one reader takes the first, another the last, and Go puts objects together.
    const [zero, one, two] = [0, 1, 2].map((i) => i.toString(16).padStart(64, '0'));
    for (const statement of [
      `{"subject":[{"digest":{"sha256":"${zero}"}}],"subject":[{"digest":{"sha256":"${one}"}}]}`,
      `{"subject":[{"digest":{"sha256":"${zero}"},"digest":{"sha256":"${one}"}}]}`,
      `{"subject":[{"digest":{"sha256":"${zero}","sha256":"${one}"}}]}`,
      `{"predicate":{"materials":[{"digest":{"sha256":"${zero}"}}]},"predicate":{"materials":[{"digest":{"sha256":"${one}"}}]}}`,
      // JSON for Python alone.
      `{"a":NaN,"subject":[{"digest":{"sha256":"${zero}","sha256":"${one}"}}],"b":Infinity}`,
    ])
      expect((await propose(about(statement))).namedDigests, statement).to.deep.equal([
        `sha256:${zero}`,
        `sha256:${one}`,
      ]);
    const mixed = `{"subject":[{"digest":{"sha256":"${zero}"}}],"predicate":{"x":{"subject":[{"digest":{"sha256":"${two}"}}]}}}`;
    expect((await propose(about(mixed))).namedDigests).to.deep.equal([`sha256:${zero}`]);
    expect((await propose(about(`{"subject":${subjects(400)}}`))).namedDigests).to.have.length(400);
    expect((await propose(about('no statement'))).namedDigests).to.deep.equal([]);
    for (const statement of [
      `{"subject":${subjects(401)}}`,
      `{"subject":${subjects(1)},"a":[${'0,'.repeat(1_000_000)}0]}`,
    ])
      expect((await refusalOf(about(statement))).code).to.equal('ENTRY_TOO_LARGE');
  });

  it('refuses JSON that is nested deeply or has very many parts, and says so at once', async () => {
    const deep = `{"kind":"dsse","apiVersion":"0.0.1","spec":${'['.repeat(5000)}${']'.repeat(5000)}}`;
    const wide = `{"kind":"dsse","apiVersion":"0.0.1","spec":[${'0,'.repeat(200_000)}0]}`;
    for (const request of [deep, wide]) expect((await refusalOf(request)).code).to.equal('ENTRY_MALFORMED');
  });

  it('refuses certificates and keys in all other forms than one block of PEM', async () => {
    const entry = JSON.parse(ENTRIES[0]?.request ?? '') as { spec: { signature: { publicKey: { content: string } } } }; // prettier-ignore
    const pem = Buffer.from(entry.spec.signature.publicKey.content, 'base64').toString();
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'pkcs1', format: 'pem' }); // prettier-ignore
    for (const other of [
      pem + pem,
      `text\n${pem}`,
      pem.replace('END', 'ENDE'),
      rsa.toString(),
      'x',
      '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
    ]) {
      const request = structuredClone(entry);
      request.spec.signature.publicKey.content = Buffer.from(other).toString('base64');
      expect((await refusalOf(request)).code, other).to.be.oneOf(['ENTRY_KEY_REFUSED', 'ENTRY_MALFORMED']);
    }
  });
});
