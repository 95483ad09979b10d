import { expect } from 'chai';
import { ed25519ph } from '@noble/curves/ed25519.js';
import { createHash, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { platformCrypto } from '../../../cli/verify/platform-crypto.ts';
import { utf8 } from '../../../core/bytes.ts';
import * as der from '../../../core/der-writer.ts';
import { encodeBundle } from '../../../bundle/format/bundle-json.ts';
import type { BundleEntry } from '../../../bundle/format/bundle-entry.ts';
import type { Bundle } from '../../../bundle/format/bundle.ts';
import { encodeTlogProof } from '../../../tlog/format/tlog-proof.ts';
import type { TrustedLogInstance, TrustedRoot, Window } from '../../../trust/format/trusted-root.ts';
import { spkiOfEd25519Key } from '../../../core/public-key.ts';
import { artifactOfBytes, artifactOfDigests, type Artifact } from '../../../verify/bundle/artifact.ts';
import { trustOf } from '../../../verify/bundle/bundle-trust.ts';
import { exactly } from '../../../verify/identity-policy.ts';
import { fulcioExtensionOf } from '../../../core/fulcio-extensions.ts';
import {
  fulcio,
  IDENTITY,
  ISSUER,
  KEYS,
  T0,
  withExponent,
  withExtensions,
} from '../../support/verify-world.ts';
import { sha256 } from '../../support/parsers.ts';
import { caNode, type CaNode, type CaOptions } from '../../ca/support/ca-certificates.ts';
import { attribute, certificateId, GOOD_LEAF, timestampNodes, trusted } from '../support/timestamp-world.ts';
import { SIGNING_CERTIFICATE_V2 } from '../../../tsa/format/object-identifiers.ts';
import { BODIES, entryOf, rekor1, rekor2, trustedLog, type EntryBend } from './support/artifact-log.ts';
import {
  ARTIFACT,
  attestationBundle,
  bundleWorld,
  encodingOf,
  entry1,
  entry2,
  judged,
  messageBundle,
  noted,
  signatureIn,
  signatureOf,
  SIGNED_AT,
  statementOf,
  timestampOf,
  verified,
  WORLD,
} from './support/bundle-world.ts';

const MINUTE = 60_000;
const END = T0 + 10 * MINUTE;
const { trustedRoot } = WORLD;
const other = Buffer.from('another artifact');

/** The trusted root with the first artifact log, or another list, in another window. */
const withLogs = (...artifactLogs: readonly TrustedLogInstance[]): TrustedRoot => ({
  ...trustedRoot,
  artifactLogs,
});
const bundle = messageBundle();
const signature = signatureIn(bundle);
const [, second] = bundle.entries as [BundleEntry, BundleEntry];

/** The same bundle without a part. */
const withoutEntries = messageBundle({ entries: [] });
const NO_LOGS = withLogs();

/** A bundle that is signed with a key. */
const keyBundle = (change: Partial<Bundle> = {}): Bundle => {
  const made = signatureOf(ARTIFACT, KEYS.other);
  const by = { label: 'PUBLIC KEY', der: KEYS.other.spki } as const;
  return {
    ...messageBundle(),
    signer: { type: 'key', hint: 'a hint' },
    content: { type: 'message', digest: undefined, signature: made },
    entries: [
      entryOf(WORLD.first, BODIES.hashedrekord1(by, made, ARTIFACT), SIGNED_AT),
      entryOf(WORLD.second, BODIES.hashedrekord2(by, made, ARTIFACT), SIGNED_AT),
    ],
    timestamps: [timestampOf(made)],
    ...change,
  };
};
const withKey = { signer: { type: 'key', spki: KEYS.other.spki } } as const;

const failure = (run: () => Promise<unknown>): Promise<unknown> =>
  run().then(
    () => undefined,
    (error: unknown) => error,
  );

describe('verify/bundle', () => {
  describe('what is good', () => {
    it('accepts an artifact and an attestation, with entries of every kind, by file and by digest', async () => {
      const artifact = artifactOfDigests(
        new Map([['sha256', createHash('sha256').update(ARTIFACT).digest()]]),
      );
      for (const one of [bundle, attestationBundle()]) {
        expect(await judged(one)).to.equal('ok');
        expect(await judged(one, { artifact })).to.equal('ok');
      }
      expect(await judged(keyBundle(), withKey)).to.equal('ok');
      expect(await judged(keyBundle(), { ...withKey, artifact })).to.equal('ok');
    });

    it('accepts no time that lies well ahead of the clock of who verifies', async () => {
      const late = (withheld: Partial<Bundle>, ahead: number): Promise<string> =>
        judged(messageBundle(withheld), { clock: SIGNED_AT - ahead, thresholds: { entries: 0 } });
      for (const part of [{}, { entries: [] }, { timestamps: [], entries: bundle.entries.slice(0, 1) }]) {
        expect(await late(part, 5 * MINUTE)).to.equal('ok');
        expect(await late(part, 5 * MINUTE + 1000)).to.match(
          /^clock \| time: the (?:log|timestamp of) .* says 2026-11-22T10:01:00Z, which lies in the future: the clock of this machine says 2026-11-22T09:55:59Z/,
        );
      }
      // Where nothing else says when it was, it is judged at the present, which is not ahead.
      expect(
        await judged(messageBundle({ entries: [], timestamps: [] }), {
          thresholds: { entries: 0 },
          now: SIGNED_AT,
        }),
      ).to.equal('ok');
    });

    it('says every checked fact', async () => {
      const { steps, times, at, identity, issuer, path } = await verified(bundle);
      expect(steps.map(({ name, detail }) => `${name}: ${detail}`)).to.deep.equal([
        'bundle: version 0.3, the signature of an artifact',
        'certificate: for code signing, 2026-11-22T10:00:00Z to 2026-11-22T10:10:00Z',
        'key: ECDSA P-256, of the certificate',
        'signature: over the artifact, by ECDSA P-256 with sha256',
        'artifact: its sha256 digest is that of the bundle',
        'entry: 1004 in the log https://rekor.example; 4 in the log https://log2026.rekor.example',
        'entry-promise: 2026-11-22T10:01:00Z; none, as logs of its kind have no time',
        'entry-proof: number 4 of 7 in the log https://rekor.example; number 4 of 7 in the log https://log2026.rekor.example',
        'timestamp: 2026-11-22T10:01:00Z by "CN=time"',
        'time: 2026-11-22T10:01:00Z',
        'sct: one, of the log https://log.example, at 2026-11-22T10:00:00Z',
        'chain: issued by "CN=Issuing" under "CN=Root", all valid at 2026-11-22T10:01:00Z',
        'sct-signature: the log https://log.example signed for this certificate',
        "sct-time: logged within the certificate's validity",
        `identity: email "${IDENTITY}"`,
        `issuer: "${ISSUER}"`,
      ]);
      expect(times).to.deep.equal([
        { source: 'entry', name: 'https://rekor.example', time: SIGNED_AT },
        { source: 'timestamp', name: 'CN=time', time: SIGNED_AT },
      ]);
      expect([at, identity, issuer, path.length]).to.deep.equal([[SIGNED_AT], IDENTITY, ISSUER, 2]);
    });

    it('needs no artifact log where the trusted root names none', async () => {
      expect(await judged(withoutEntries, { trustedRoot: NO_LOGS })).to.equal('ok');
      expect(await judged(withoutEntries)).to.equal(
        'artifact | time: 0 trusted artifact logs have entries in the bundle, wanted are 1',
      );
    });
  });

  describe('entries of logs', () => {
    it('refuses the entry of another artifact, key or signature, of every kind, whatever its log signed', async () => {
      const by = noted();
      const otherKey = { label: 'PUBLIC KEY', der: KEYS.other.spki } as const;
      const again = signatureOf(ARTIFACT);
      const rows: readonly [string, 'artifact' | 'signature' | 'certificate or key'][] = [
        [BODIES.hashedrekord1(by, signature, other), 'artifact'],
        [BODIES.hashedrekord1(by, again, ARTIFACT), 'signature'],
        [BODIES.hashedrekord1(otherKey, signature, ARTIFACT), 'certificate or key'],
        [BODIES.hashedrekord2(by, signature, other), 'artifact'],
        [BODIES.hashedrekord2(by, again, ARTIFACT), 'signature'],
        [BODIES.hashedrekord2(otherKey, signature, ARTIFACT), 'certificate or key'],
      ];
      for (const [body, what] of rows) {
        const log = body.includes('hashedRekordV002') ? WORLD.second : WORLD.first;
        const found = await judged(messageBundle({ entries: [entryOf(log, body, SIGNED_AT)] }));
        expect(found).to.match(new RegExp(`^artifact \\| entry: the log entry is about another ${what} `));
      }
      const attestation = attestationBundle();
      const made = signatureIn(attestation);
      const payload = Buffer.from(JSON.stringify(statementOf()));
      const kinds = [BODIES.dsse1, BODIES.intoto2, BODIES.hashedrekord2] as const;
      for (const kind of kinds) {
        const log = kind === BODIES.dsse1 || kind === BODIES.intoto2 ? WORLD.first : WORLD.second;
        const signed = kind === BODIES.hashedrekord2 ? encodingOf(payload) : payload;
        const bodies: readonly [string, string][] = [
          [kind(by, made, signed), 'ok'],
          [kind(by, made, Buffer.from('{}')), 'artifact'],
          [kind(by, signatureOf(encodingOf(payload)), signed), 'signature'],
          [kind(otherKey, made, signed), 'certificate or key'],
        ];
        for (const [body, what] of bodies) {
          const found = await judged({ ...attestation, entries: [entryOf(log, body, SIGNED_AT)] });
          expect(found).to.match(what === 'ok' ? /^ok$/ : new RegExp(`entry: .* another ${what} `));
        }
      }
      // The kind of one content for the other.
      const swapped = { ...attestation, entries: [entry1(made)] };
      expect(await judged(swapped)).to.match(/entry: the log entry is of a kind for something else/);
    });

    it('takes the payload in an entry for the very one, in its only spelling', async () => {
      const payload = Buffer.from(JSON.stringify(statementOf()));
      const attestation = attestationBundle(payload);
      const base64 = (data: string | Buffer): string => Buffer.from(data).toString('base64');
      const right = base64(base64(payload));
      const body = JSON.parse(BODIES.intoto2(noted(), signatureIn(attestation), payload)) as {
        spec: { content: { envelope: Record<string, unknown> } };
      };
      const { envelope } = body.spec.content;
      const sentenceOf = (sent: string): Promise<string> => {
        body.spec.content.envelope = { payload: sent, ...envelope };
        return judged({ ...attestation, entries: [entryOf(WORLD.first, JSON.stringify(body), SIGNED_AT)] });
      };
      expect(await sentenceOf(right)).to.equal('ok');
      const other = Buffer.from(payload);
      other.writeUInt8(other.readUInt8(9) ^ 1, 9);
      const longer = `${payload.toString()} `;
      const loose = `${base64(payload).slice(0, -1)} `;
      const wrong = [
        ...['', base64(payload), base64(base64(other)), base64(base64(longer)), base64(loose)],
        ...[`\u{feff}${right}`, right.slice(4), `${right.slice(0, -1)}!`, '-'.repeat(right.length)],
        ...[base64(`\u{feff}${base64(payload)}`), right.replace(/.$/, '\u{e9}'), ` ${right.slice(1)}`],
      ];
      for (const sent of wrong)
        expect(await sentenceOf(sent), sent).to.equal(
          'artifact | entry: the log entry is about another artifact than the bundle: spec.content.envelope.payload differs',
        );
    });

    it('takes no other signature for the same: the identity of an entry is its body', async () => {
      const again = signatureOf(ARTIFACT);
      const changed = { ...bundle.content, signature: again } as Bundle['content'];
      const found = await judged(messageBundle({ content: changed, timestamps: [timestampOf(again)] }));
      expect(found).to.match(/^artifact \| entry: the log entry is about another signature /);
    });

    it('uses no time of an entry before its signed entry timestamp is verified', async () => {
      const rows: readonly [EntryBend & { promise?: null }, RegExp][] = [
        [
          { promised: { integratedTime: 1 } },
          /^artifact \| entry-promise: the signed entry timestamp of the log .* does not hold$/,
        ],
        [{ promised: { logIndex: 5 } }, /entry-promise: .* does not hold$/],
        [{ promised: { logID: 'ab'.repeat(32) } }, /entry-promise: .* does not hold$/],
        [{ promised: { body: '' } }, /entry-promise: .* does not hold$/],
        [{ integratedTime: 0 }, /entry-promise: .* has no time$/],
      ];
      for (const [bend, sentence] of rows)
        expect(await judged(messageBundle({ entries: [entry1(signature, bend)] }))).to.match(sentence);
    });

    it('takes an entry without a signed entry timestamp for one without a time, where proof and checkpoint show it', async () => {
      const bare = { ...entry1(signature), promise: undefined };
      const late = { ...entry1(signature, { integratedTime: END / 1000 + 60 }), promise: undefined };
      for (const entry of [bare, late]) {
        const { ok, times, at, steps } = await verified(messageBundle({ entries: [entry] }));
        expect(ok).to.equal(true);
        expect(times.map(({ source }) => source)).to.deep.equal(['timestamp']);
        expect(at).to.deep.equal([SIGNED_AT]);
        expect(steps.find(({ name }) => name === 'entry-promise')?.detail).to.equal(
          'none, so that its time does not count',
        );
      }
      expect(await judged(messageBundle({ entries: [bare], timestamps: [] }))).to.match(
        /^artifact \| time: nothing trusted says when the signature was made/,
      );
      // Nobody signed its number.
      const forged = await verified(messageBundle({ entries: [{ ...bare, logIndex: 123456789 }] }));
      expect(forged.steps.find(({ name }) => name === 'entry')?.detail).to.match(
        /^one without a signed number in the log /,
      );
      // Its log must count when the signature was made.
      for (const [window, isIn] of [
        [{ start: SIGNED_AT, end: SIGNED_AT + 1 }, true],
        [{ start: SIGNED_AT - 1, end: SIGNED_AT }, true],
        // One that ends where it begins is of what is to be believed in nothing.
        [{ start: SIGNED_AT, end: SIGNED_AT }, false],
        [{ start: SIGNED_AT + 1 }, false],
        [{ start: 0, end: SIGNED_AT - 1 }, false],
      ] as const)
        expect(
          await judged(messageBundle({ entries: [bare] }), {
            trustedRoot: withLogs(trustedLog(WORLD.first, window)),
          }),
        ).to.match(isIn ? /^ok$/ : /^trust \| time: the log .* is trusted .*, not at /);
      const { proof } = bare;
      if (proof === undefined) throw new Error('no proof');
      for (const change of [{ proof: undefined }, { proof: { ...proof, checkpoint: undefined } }])
        expect(await judged(messageBundle({ entries: [{ ...bare, ...change }] }))).to.match(
          /^artifact \| entry-proof: .* has no (?:inclusion proof|checkpoint)$/,
        );
      // In version 0.1 it alone stands for the log.
      const old = {
        ...messageBundle({ entries: [bare] }),
        version: '0.1',
        mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
      } as const;
      expect(await judged(old)).to.match(/^artifact \| entry-promise: .* has no signed entry timestamp$/);
    });

    it('has no time of an entry any part of which fails', async () => {
      const [log, by] = [WORLD.first, noted()];
      const wrong: readonly BundleEntry[] = [
        entry1(signature, { signer: KEYS.other.privateKey }),
        entry1(signature, { root: Buffer.alloc(32) }),
        entryOf(log, BODIES.hashedrekord1(by, signature, other), SIGNED_AT),
      ];
      for (const entry of wrong) {
        const { ok, times } = await verified(messageBundle({ entries: [entry] }));
        expect([ok, times.map(({ source }) => source)]).to.deep.equal([false, ['timestamp']]);
      }
    });

    it('refuses a time, or a promise, in the entry of a log that has none', async () => {
      for (const more of [{ integratedTime: SIGNED_AT / 1000 }, { promise: Uint8Array.of(1) }])
        expect(await judged(messageBundle({ entries: [{ ...second, ...more }] }))).to.match(
          /^artifact \| entry-promise: .* says when it was made, and logs of its kind do not$/,
        );
    });

    it('wants proof and checkpoint since version 0.2, and in 0.1 what is there to be right', async () => {
      const old = (version: '0.1' | '0.2', entry: BundleEntry): Bundle => ({
        ...bundle,
        version,
        mediaType: `application/vnd.dev.sigstore.bundle+json;version=${version}`,
        entries: [entry],
        timestamps: [],
      });
      const entry = entry1(signature);
      const { proof } = entry;
      if (proof === undefined) throw new Error('no proof');
      const noCheckpoint = { ...entry, proof: { ...proof, checkpoint: undefined } };
      const noProof = { ...entry, proof: undefined };
      expect(await judged(old('0.1', entry))).to.equal('ok');
      expect(await judged(old('0.1', noCheckpoint))).to.equal('ok');
      expect(await judged(old('0.1', noProof))).to.equal('ok');
      const asked = { requireInclusion: true, proof: WORLD.proof };
      expect(await judged(old('0.1', entry), asked)).to.equal('ok');
      for (const unproven of [noCheckpoint, noProof]) {
        expect(await judged(old('0.1', unproven), { proof: WORLD.proof })).to.equal('ok');
        expect(await judged(old('0.1', unproven), asked)).to.equal(
          'policy | entry-proof: a proof that the log https://rekor.example has the entry is required, and the bundle has none under a checkpoint',
        );
      }
      expect(await judged(old('0.2', entry))).to.equal('ok');
      expect(await judged(old('0.2', noCheckpoint))).to.match(/entry-proof: .* has no checkpoint$/);
      expect(await judged(old('0.2', noProof))).to.match(/entry-proof: .* has no inclusion proof$/);
      expect(await judged(messageBundle({ entries: [{ ...second, proof: undefined }] }))).to.match(
        /entry-proof: .* has no inclusion proof$/,
      );
      const wrong = { ...proof, root: Buffer.alloc(32), checkpoint: undefined };
      expect(await judged(old('0.1', { ...entry, proof: wrong }))).to.match(
        /entry-proof: the proof does not lead/,
      );
      const bad = {
        ...proof,
        checkpoint: entry1(signature, { signer: KEYS.other.privateKey }).proof?.checkpoint,
      };
      expect(await judged(old('0.1', { ...entry, proof: bad }))).to.match(
        /entry-proof: the signature of the log/,
      );
    });

    it('refuses every part of a proof and of a checkpoint that is not as the log signed it', async () => {
      const rows: readonly [EntryBend, RegExp][] = [
        [{ root: Buffer.alloc(32) }, /the proof does not lead from the entry to the root/],
        [{ size: 9 }, /the proof does not lead/],
        [{ index: 3 }, /the proof does not lead|the entry is number/],
        [{ signer: KEYS.other.privateKey }, /the signature of the log .* on the checkpoint does not hold/],
        [{ name: 'other.example' }, /the checkpoint is not signed by the log/],
        [{ keyId: Buffer.alloc(4) }, /the checkpoint is not signed by the log/],
        [
          { origin: 'other.example' },
          /the checkpoint is of another log, "other\.example", than .*, which is called "(?:rekor\.example - TREE|log2026\.rekor\.example)" there/,
        ],
        [{ origin: 'rekor.example.evil' }, /the checkpoint is of another log/],
        [{ origin: 'rekor' }, /the checkpoint is of another log/],
        [{ origin: 'rekor.example - 1 - 2' }, /the checkpoint is of another log/],
        [{ origin: 'rekor.example - 01' }, /the checkpoint is of another log/],
        [{ origin: 'log2026.rekor.example/' }, /the checkpoint is of another log/],
      ];
      for (const make of [entry1, entry2])
        for (const [bend, sentence] of rows)
          expect(await judged(messageBundle({ entries: [make(signature, bend)] }))).to.match(
            new RegExp(`^artifact \\| entry-proof: ${sentence.source}`),
          );
      for (const logIndex of [3, 5])
        expect(await judged(messageBundle({ entries: [entry2(signature, { logIndex })] }))).to.match(
          new RegExp(`entry-proof: the entry is number ${logIndex}, and its proof is for 4$`),
        );
      // One that the log did sign, of another size or root than the proof says.
      const { proof } = second;
      if (proof === undefined) throw new Error('no proof');
      for (const change of [{ size: 8 }, { root: sha256(utf8('x')) }])
        expect(
          await judged(messageBundle({ entries: [{ ...second, proof: { ...proof, ...change } }] })),
        ).to.match(/entry-proof: the checkpoint (?:is of size|has the root)/);
    });

    it('takes checkpoints with extension lines and with lines of witnesses, wherever they stand', async () => {
      const witness = `— w.example ${Buffer.alloc(76).toString('base64')}`;
      const bend = { extensions: ['Log frozen — Sun Nov 22'], before: [witness], behind: [witness] };
      for (const make of [entry1, entry2])
        expect(await judged(messageBundle({ entries: [make(signature, bend)] }))).to.equal('ok');
      const forged = `— ${WORLD.second.host} ${Buffer.concat([WORLD.second.logId.subarray(0, 4), Buffer.alloc(64)]).toString('base64')}`;
      const found = await judged(messageBundle({ entries: [entry2(signature, { behind: [forged] })] }));
      expect(found).to.match(/entry-proof: the signature of the log .* on the checkpoint does not hold$/);
    });

    it('does not count an entry of an unknown log, and names it; the threshold decides', async () => {
      const outsider = rekor2('log.unknown.example');
      const unknown = entryOf(outsider, BODIES.hashedrekord2(noted(), signature, ARTIFACT), SIGNED_AT);
      const both = await verified(messageBundle({ entries: [second, unknown] }));
      expect(both.ok).to.equal(true);
      expect(both.steps.find(({ name }) => name === 'entry')?.detail).to.match(
        /; not counted: the entry is of a log that is not trusted, .*; trusted: https:\/\/rekor\.example /,
      );
      expect(await judged(messageBundle({ entries: [unknown] }))).to.match(
        /^trust \| time: 0 trusted artifact logs have entries in the bundle, wanted are 1; the entry is of a log that is not trusted/,
      );
      // What is no log id is not repeated.
      const long = await verified(
        messageBundle({ entries: [second, { ...unknown, logId: new Uint8Array(50_000) }] }),
      );
      expect(long.steps.find(({ name }) => name === 'entry')?.detail).to.contain(
        'not trusted, 50000 bytes, which no hash has',
      );
      // Neither of a kind that nobody knows, by whomever: nothing of it is verified, and it stands in for none that is.
      const odd = (entry: BundleEntry): BundleEntry => ({ ...entry, kind: 'rekord' });
      for (const entry of [unknown, second, entry1(signature)])
        expect(await judged(messageBundle({ entries: [second, odd(entry)] }))).to.equal('ok');
      // Rekor v2 has dropped dsse 0.0.2.
      const attestation = attestationBundle();
      const made = signatureIn(attestation);
      const dropped = { ...odd(entry2(made)), kind: 'dsse', version: '0.0.2' };
      expect(await judged({ ...attestation, entries: [dropped] })).to.match(
        /^artifact \| time: 0 trusted artifact logs .* is of a kind that is not known here$/,
      );
      const oddOne = odd(entry1(signature));
      expect(await judged(messageBundle({ entries: [oddOne] }))).to.match(
        /^artifact \| time: 0 trusted artifact logs .*; the entry in the log https:\/\/rekor\.example is of a kind that is not known here$/,
      );
      const { times } = await verified(messageBundle({ entries: [second, oddOne], timestamps: [] }));
      expect(times).to.deep.equal([]);
    });

    it('says of a log whose key is known under another id that it is the id', async () => {
      const bySpki = sha256(WORLD.second.spki);
      const listed = { ...trustedLog(WORLD.second), logId: bySpki };
      const found = await judged(messageBundle({ entries: [second] }), { trustedRoot: withLogs(listed) });
      expect(found).to.match(
        /^trust \| time: .*; the key of the log https:\/\/log2026\.rekor\.example is known, but under another log id: /,
      );
      const misnamed = { ...second, logId: bySpki };
      expect(await judged(messageBundle({ entries: [misnamed] }))).to.match(
        /^trust \| time: .* under another log id/,
      );
      const wrong = { ...trustedLog(WORLD.second), logId: Buffer.alloc(32) };
      expect(
        await judged(messageBundle({ entries: [second] }), {
          trustedRoot: withLogs(wrong, trustedLog(WORLD.first)),
        }),
      ).to.match(/^trust \| time: .*cannot be used: its key is known, but under another log id/);
    });

    it('demands an entry where the trusted root names logs of which none can be used, and says why', async () => {
      const good = trustedLog(WORLD.second);
      const rsa3072 = generateKeyPairSync('rsa', {
        modulusLength: 3072,
        publicKeyEncoding: { type: 'spki', format: 'der' },
        privateKeyEncoding: { type: 'pkcs8', format: 'der' },
      }).publicKey;
      const rows: readonly [TrustedLogInstance, RegExp][] = [
        [{ ...good, logId: Buffer.alloc(32) }, /its key is known, but under another log id/],
        [{ ...good, publicKey: utf8('x') }, /cannot be used: /],
        [{ ...good, keyDetails: 'PKIX_ECDSA_P256_SHA_256' }, /its key is not of the kind/],
        [
          { ...good, publicKey: KEYS.rsa.spki, keyDetails: 'PKIX_RSA_PKCS1V15_3072_SHA256' },
          /its key is not of the kind/,
        ],
        [
          { ...good, publicKey: rsa3072, keyDetails: 'PKIX_RSA_PKCS1V15_2048_SHA256' },
          /its key is not of the kind/,
        ],
        [{ ...good, baseUrl: '' }, /its address has no host/],
      ];
      for (const [log, reason] of rows)
        for (const made of [withoutEntries, bundle]) {
          const found = await judged(made, { trustedRoot: withLogs(log) });
          expect(found).to.match(/^trust \| time: 0 trusted artifact logs have entries .*, wanted are 1; /);
          expect(found).to.match(reason);
        }
      // Who says that none is wanted gets none.
      const [[log]] = rows as [[TrustedLogInstance, RegExp]];
      expect(
        await judged(withoutEntries, { trustedRoot: withLogs(log), thresholds: { entries: 0 } }),
      ).to.equal('ok');
    });

    it('says of a bundle from before every log that none can have its entry', async () => {
      const [later, always] = [trustedLog(WORLD.second, { start: SIGNED_AT + 1 }), trustedLog(WORLD.first)];
      const trustedRoot = withLogs(later);
      expect(await judged(withoutEntries, { trustedRoot })).to.match(
        /^policy \| time: the signature is from before the first of the trusted artifact logs, which begins at 2026-/,
      );
      expect(await judged(withoutEntries, { trustedRoot, thresholds: { entries: 0 } })).to.equal('ok');
      const lacking = /^artifact \| time: 0 trusted artifact logs have entries/;
      for (const logs of [[later, always], [always], [trustedLog(WORLD.second, { start: SIGNED_AT })]])
        expect(await judged(withoutEntries, { trustedRoot: withLogs(...logs) })).to.match(lacking);
    });

    it('holds logs of both kinds to their windows, ends inclusive', async () => {
      const rows: readonly [number, number | undefined, boolean][] = [
        [SIGNED_AT, SIGNED_AT + 1, true],
        [SIGNED_AT - 1, SIGNED_AT, true],
        [SIGNED_AT, SIGNED_AT, false],
        [SIGNED_AT + 1, undefined, false],
        [0, SIGNED_AT - 1, false],
      ];
      for (const [start, end, isIn] of rows)
        for (const [log, make] of [
          [WORLD.first, entry1],
          [WORLD.second, entry2],
        ] as const) {
          const root = withLogs(trustedLog(log, { start, end }));
          const found = await judged(messageBundle({ entries: [make(signature)] }), { trustedRoot: root });
          expect(found).to.match(
            isIn ? /^ok$/ : /^trust \| (?:entry-promise|time): the log .* is trusted .*, not at /,
          );
        }
      // Several windows of one log are several entries of the trusted root.
      const windows = [{ start: 0, end: 1 }, { start: SIGNED_AT }].map((window) =>
        trustedLog(WORLD.second, window),
      );
      expect(
        await judged(messageBundle({ entries: [second] }), { trustedRoot: withLogs(...windows) }),
      ).to.equal('ok');
    });

    it('counts several entries of one log once', async () => {
      const twice = messageBundle({ entries: [second, second] });
      expect(await judged(twice)).to.equal('ok');
      expect(await judged(twice, { thresholds: { entries: 2 } })).to.equal(
        'policy | time: 1 trusted artifact logs have entries in the bundle, wanted are 2',
      );
      expect(await judged(bundle, { thresholds: { entries: 2 } })).to.equal('ok');
    });

    it('counts logs of one key once, whatever they are called', async () => {
      const log = rekor2('log.example');
      const id = sha256(Buffer.concat([utf8('other.example\n'), Uint8Array.of(1), log.spki.subarray(-32)]));
      const renamed = { ...log, host: 'other.example', logId: Buffer.from(id) };
      const body = BODIES.hashedrekord2(noted(), signature, ARTIFACT);
      const entries = [log, renamed].map((one) => entryOf(one, body, SIGNED_AT));
      const root = withLogs(trustedLog(log), trustedLog(renamed));
      expect(await judged(messageBundle({ entries }), { trustedRoot: root })).to.equal('ok');
      expect(
        await judged(messageBundle({ entries }), { trustedRoot: root, thresholds: { entries: 2 } }),
      ).to.match(/^policy \| time: 1 trusted artifact logs/);
    });
  });

  describe('the time', () => {
    it('comes from a timestamp or an entry with a time, never from the SCT', async () => {
      const untimed = messageBundle({ entries: [second], timestamps: [] });
      expect(await judged(untimed)).to.match(
        /^artifact \| time: nothing trusted says when the signature was made/,
      );
      expect(await judged(messageBundle({ timestamps: [] }))).to.equal('ok');
      expect(await judged(messageBundle({ entries: [second] }))).to.equal('ok');
      // At the present time, when that is asked for; and only where nothing else says when.
      expect(await judged(untimed, { now: SIGNED_AT })).to.equal('ok');
      expect(await judged(untimed, { now: END + 1 })).to.match(
        /^artifact \| chain: the certificate was valid until/,
      );
      expect(await judged(messageBundle(), { now: END + MINUTE })).to.equal('ok');
      expect((await verified(untimed, { now: SIGNED_AT })).at).to.deep.equal([SIGNED_AT]);
    });

    it('judges the certificate at every one of several times, and says which is outside', async () => {
      const early = await timestampNodes({ name: 'early' });
      const root = {
        ...trustedRoot,
        timestampAuthorities: [...trustedRoot.timestampAuthorities, trusted([early.leaf, early.root])],
      };
      const timesOf = (...times: readonly number[]): Uint8Array[] =>
        times.map((time, i) => timestampOf(signature, time, i === 0 ? WORLD.authority : early));
      const at = (...times: readonly number[]): Promise<string> =>
        judged(messageBundle({ entries: [], timestamps: timesOf(...times) }), {
          trustedRoot: { ...root, artifactLogs: [] },
        });
      expect(await at(T0, END)).to.equal('ok');
      expect(await at(SIGNED_AT, T0 - 1000)).to.equal(
        'artifact | chain: the certificate is valid from 2026-11-22T10:00:00Z, not yet at 2026-11-22T09:59:59Z',
      );
      expect(await at(END + 1000, SIGNED_AT)).to.equal(
        'artifact | chain: the certificate was valid until 2026-11-22T10:10:00Z, no longer at 2026-11-22T10:10:01Z',
      );
      // One that backdates does not help one that does not.
      const late = messageBundle({ timestamps: [timestampOf(signature, END + MINUTE)] });
      expect(await judged(late)).to.match(/^artifact \| chain: .* no longer at 2026-11-22T10:11:00Z$/);
      const lateEntry = messageBundle({
        entries: [entry1(signature, { integratedTime: (END + MINUTE) / 1000 })],
      });
      expect(await judged(lateEntry)).to.match(/^artifact \| chain: .* no longer at 2026-11-22T10:11:00Z$/);
    });

    it('does not count a timestamp of an unknown authority, and names it; a bad one of a known authority refuses', async () => {
      const outsider = await timestampNodes({ name: 'unknown' }, { name: 'root of others' });
      const good = timestampOf(signature);
      const unknown = timestampOf(signature, SIGNED_AT, outsider);
      const both = await verified(messageBundle({ timestamps: [unknown, good] }));
      expect(both.ok).to.equal(true);
      expect(both.steps.find(({ name }) => name === 'timestamp')?.detail).to.match(
        /^2026-11-22T10:01:00Z by "CN=time"; not counted: the timestamp, of 2026-11-22T10:01:00Z, is by the authority "CN=unknown"/,
      );
      const alone = messageBundle({ entries: [second], timestamps: [unknown] });
      expect(await judged(alone)).to.match(/^trust \| time: nothing trusted says .*"CN=unknown".*; none /);
      // Who takes the name of a known one must have its key.
      const forged = timestampOf(signature, SIGNED_AT, {
        ...outsider,
        leaf: { ...WORLD.authority.leaf, privateKey: outsider.leaf.privateKey },
      });
      expect(await judged(messageBundle({ timestamps: [good, forged] }))).to.equal(
        'artifact | timestamp: the signature of the timestamp authority does not hold',
      );
      // Nobody trusts what others say of other bytes, either.
      const overOther = (by: typeof outsider): Bundle =>
        messageBundle({ timestamps: [good, timestampOf(utf8('x'), SIGNED_AT, by)] });
      expect(await judged(overOther(WORLD.authority))).to.equal(
        'artifact | timestamp: the timestamp is over other bytes',
      );
      expect(await judged(overOther(outsider))).to.equal('ok');
      expect(await judged(messageBundle({ timestamps: [good, utf8('x')] }))).to.match(
        /^artifact \| timestamp: /,
      );
    });

    it('does not count a timestamp of a kind that is not known here, and names it; a malformed one refuses', async () => {
      const outsider = await timestampNodes({ name: 'unknown' }, { name: 'root of others' });
      const refusing = der.sequence(der.sequence(der.unsignedInteger(Uint8Array.of(2))));
      const rows: readonly [Parameters<typeof timestampOf>[3], RegExp | undefined][] = [
        [{ signatureAlgorithm: '1.2.840.113549.1.1.10' }, /unknown or weak/],
        [{ lists: [der.tlv(0xa1, der.sequence())] }, /carries revocation lists/],
        [{ signers: (usual) => [usual, usual] }, undefined],
        [{ messageDigest: Uint8Array.of(1), signerVersion: 3 }, undefined],
      ];
      const ask = (timestamp: Uint8Array): Promise<Awaited<ReturnType<typeof verified>>> =>
        verified(messageBundle({ timestamps: [timestamp, timestampOf(signature)] }));
      const detailOf = ({ steps }: Awaited<ReturnType<typeof verified>>): string | undefined =>
        steps.find(({ name }) => name === 'timestamp')?.detail;
      for (const by of [outsider, WORLD.authority])
        for (const [parts, sentence] of rows) {
          const found = await ask(timestampOf(signature, SIGNED_AT, by, parts));
          expect(found.ok).to.equal(sentence !== undefined);
          if (sentence !== undefined)
            expect(detailOf(found))
              .to.match(sentence)
              .and.match(/; not counted: /);
          expect(found.times.filter(({ source }) => source === 'timestamp')).to.have.lengthOf(
            found.ok ? 1 : 0,
          );
        }
      const refusal = await ask(refusing);
      expect(detailOf(refusal)).to.match(/not counted: the answer grants no timestamp \(status 2\)/);
      // It never stands in for one that is wanted.
      const alone = messageBundle({ timestamps: [refusing] });
      expect(await judged(alone, { thresholds: { timestamps: 1 } })).to.match(
        /^artifact \| time: 0 trusted timestamp authorities .*; the answer grants no timestamp/,
      );
    });

    it('does not count one of an authority below another root, where only CAs are trusted, either', async () => {
      const outsider = await timestampNodes({ name: 'unknown' }, { name: 'root of others' });
      const open = {
        ...trustedRoot,
        artifactLogs: [],
        timestampAuthorities: [trusted([WORLD.authority.root])],
      };
      const timestamps = [timestampOf(signature), timestampOf(signature, SIGNED_AT, outsider)];
      expect(await judged(messageBundle({ entries: [], timestamps }), { trustedRoot: open })).to.equal('ok');
    });

    it('judges an authority at the time of the timestamp, in its window, and never at the present', async () => {
      const short = await timestampNodes({ notBefore: T0, notAfter: SIGNED_AT }, { notAfter: SIGNED_AT });
      const window = { start: SIGNED_AT - 1, end: SIGNED_AT };
      const by = (authority: Parameters<typeof trusted>[0], at: Window = window): TrustedRoot => ({
        ...trustedRoot,
        timestampAuthorities: [trusted(authority, at)],
      });
      const made = messageBundle({ timestamps: [timestampOf(signature, SIGNED_AT, short)] });
      expect(await judged(made, { trustedRoot: by([short.leaf, short.root]) })).to.equal('ok');
      for (const wrong of [{ start: SIGNED_AT + 1 }, { start: 0, end: SIGNED_AT - 1 }])
        expect(await judged(made, { trustedRoot: by([short.leaf, short.root], wrong) })).to.match(
          /^trust \| timestamp: the timestamp authority .* is trusted .*, not at /,
        );
      const late = messageBundle({ timestamps: [timestampOf(signature, SIGNED_AT + 1000, short)] });
      expect(
        await judged(late, {
          trustedRoot: by([short.leaf, short.root], { ...window, end: SIGNED_AT + 1000 }),
        }),
      ).to.match(/^artifact \| timestamp: .* no longer at /);
    });

    it('tries every authority of one name', async () => {
      const rotated = await timestampNodes();
      const root = {
        ...trustedRoot,
        timestampAuthorities: [trusted([rotated.leaf, rotated.root]), ...trustedRoot.timestampAuthorities],
      };
      expect(await judged(bundle, { trustedRoot: root })).to.equal('ok');
      const without = {
        ...root,
        artifactLogs: [],
        timestampAuthorities: root.timestampAuthorities.slice(0, 1),
      };
      expect(await judged(withoutEntries, { trustedRoot: without })).to.match(/^\w+ \| time(?:stamp)?: /);
    });

    it('takes a timestamp with a list of certificate identifiers, wherever its own stands', async () => {
      const { leaf, root } = WORLD.authority;
      const list = (...ids: readonly Uint8Array[]): Uint8Array =>
        attribute(SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(...ids)));
      const made = (...ids: readonly Uint8Array[]): Bundle =>
        messageBundle({
          timestamps: [
            timestampOf(signature, SIGNED_AT, WORLD.authority, {
              attributes: (usual) => [...usual.slice(0, 2), list(...ids)],
            }),
          ],
        });
      expect(await judged(made(certificateId(root.der), certificateId(leaf.der)))).to.equal('ok');
      expect(await judged(made(certificateId(root.der)))).to.match(
        /^artifact \| timestamp: .* another certificate$/,
      );
    });

    it('counts several timestamps of one authority once', async () => {
      const made = messageBundle({
        timestamps: [timestampOf(signature), timestampOf(signature, SIGNED_AT + 1000)],
      });
      expect(await judged(made, { thresholds: { timestamps: 1 } })).to.equal('ok');
      expect(await judged(made, { thresholds: { timestamps: 2 } })).to.equal(
        'policy | time: 1 trusted timestamp authorities have timestamps in the bundle, wanted are 2',
      );
      expect(await judged(messageBundle({ timestamps: [] }), { thresholds: { timestamps: 1 } })).to.match(
        /^policy \| time: 0 /,
      );
    });

    it('counts authorities of one key, or below CAs of one name or key, once', async () => {
      const below = (root: CaNode, name: string, more: Partial<CaOptions> = {}): Promise<CaNode> =>
        caNode({ ...GOOD_LEAF, name, parent: root, ...more });
      const root = await caNode({ name: 'one root' });
      const namesake = await caNode({ name: 'one root' });
      const renamed = await caNode({ name: 'a new name', keyOf: root });
      const elsewhere = await caNode({ name: 'another root' });
      const first = await below(root, 'time');
      const renewed = await below(root, 'time', { serial: '12' });
      const rows: readonly [string, readonly [leaf: CaNode, root: CaNode], number][] = [
        ['a renewal', [renewed, root], 1],
        ['one key', [await below(elsewhere, 'third', { keyOf: first }), elsewhere], 1],
        ['two CAs of one name', [await below(namesake, 'fourth'), namesake], 1],
        ['two CAs of one key', [await below(renamed, 'fifth'), renamed], 1],
        ['two', [await below(elsewhere, 'time', { serial: '13' }), elsewhere], 2],
      ];
      const ask = (
        timestampAuthorities: TrustedRoot['timestampAuthorities'],
        leaf: CaNode,
      ): Promise<string> => {
        const timestamps = [first, leaf].map((one) => timestampOf(signature, SIGNED_AT, { leaf: one, root }));
        const request = { trustedRoot: { ...trustedRoot, timestampAuthorities } };
        return judged(messageBundle({ timestamps }), { ...request, thresholds: { timestamps: 2 } });
      };
      const tooFew =
        'policy | time: 1 trusted timestamp authorities have timestamps in the bundle, wanted are 2';
      for (const [what, chain, count] of rows)
        expect(await ask([trusted([first, root]), trusted(chain)], chain[0]), what).to.equal(
          count === 2 ? 'ok' : tooFew,
        );
      expect(await ask([trusted([root])], renewed)).to.equal(tooFew);
    });
  });

  describe('the signature and its signer', () => {
    it('verifies the signature, whatever good timestamps and entries are over it', async () => {
      const forged = signatureOf(other);
      const made = messageBundle({
        content: { type: 'message', digest: undefined, signature: forged },
        entries: [entry1(forged), entry2(forged)],
        timestamps: [timestampOf(forged)],
      });
      expect(await judged(made)).to.equal(
        'artifact | signature: the signature over the artifact does not hold',
      );
      const payload = Buffer.from(JSON.stringify(statementOf()));
      const attestation = attestationBundle();
      const wrongType = signatureOf(encodingOf(payload, 'text/plain'));
      const envelope = attestation.content.type === 'envelope' ? attestation.content.envelope : undefined;
      if (envelope === undefined) throw new Error('no envelope');
      const swapped = {
        ...attestation,
        content: { type: 'envelope', envelope: { ...envelope, signature: wrongType } } as const,
        entries: [],
        timestamps: [timestampOf(wrongType)],
      };
      expect(await judged(swapped, { trustedRoot: NO_LOGS })).to.equal(
        'artifact | signature: the signature over the envelope does not hold',
      );
    });

    it('is by the certificate or key that is asked for, and by no other thing', async () => {
      const signer = (type: 'certificate' | 'key'): Partial<Parameters<typeof judged>[1]> =>
        type === 'key' ? withKey : {};
      expect(await judged(keyBundle(), signer('certificate'))).to.equal(
        'policy | certificate: the bundle is signed with a key, and no key was given',
      );
      expect(await judged(bundle, signer('key'))).to.equal(
        'policy | key: the bundle is signed with a certificate, and a key was given',
      );
      const wrong = { signer: { type: 'key', spki: KEYS.leaf.spki } } as const;
      expect(await judged(keyBundle(), wrong)).to.match(
        /^artifact \| signature: the signature over the artifact does not hold \| entry: .* certificate or key /,
      );
      const neither = JSON.parse(encodeBundle(bundle)) as { verificationMaterial: Record<string, unknown> };
      delete neither.verificationMaterial['certificate'];
      expect(await judged(JSON.stringify(neither))).to.match(
        /^artifact \| bundle: .* exactly one certificate, chain or key$/,
      );
    });

    it('asks a key for a time and for an entry like a certificate', async () => {
      expect(
        await judged(keyBundle({ timestamps: [], entries: [] }), { ...withKey, trustedRoot: NO_LOGS }),
      ).to.match(/^artifact \| time: nothing trusted says/);
      const bare = keyBundle({ timestamps: [], entries: [] });
      expect(await judged(bare, { ...withKey, trustedRoot: NO_LOGS, now: 1 })).to.equal('ok');
      expect(await judged(keyBundle({ entries: [] }), withKey)).to.match(
        /^artifact \| time: 0 trusted artifact logs/,
      );
    });

    it('refuses keys that are too weak or of an unknown kind', async () => {
      const rows: readonly [Uint8Array, RegExp][] = [
        [
          KEYS.shortRsa.spki,
          /^policy \| key: the given key cannot be used: the RSA key that signed is too short$/,
        ],
        [
          withExponent(KEYS.rsa, new Uint8Array(256).fill(0x7f)).spki,
          /^policy \| key: the given key cannot be used: the RSA key that signed has an exponent that is not/,
        ],
        [utf8('x'), /^policy \| key: the given key cannot be used: /],
        [
          generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({
            type: 'spki',
            format: 'der',
          }),
          /^policy \| key: the given key cannot be used: the key names no|^policy \| key: the given key cannot be used: the key is on an unsupported curve/,
        ],
      ];
      for (const [spki, sentence] of rows)
        expect(await judged(keyBundle(), { signer: { type: 'key', spki } })).to.match(sentence);
    });

    it('verifies signatures of every kind of key, by file and by digest where that can be', async () => {
      const sha384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
      const keys: readonly [KeyObject, string | undefined][] = [
        [KEYS.leaf.privateKey, 'sha256'],
        [sha384, 'sha384'],
        [sha384, 'sha256'],
        [KEYS.p521.privateKey, 'sha512'],
        [KEYS.rsa.privateKey, 'sha256'],
        [KEYS.ed25519.privateKey, undefined],
      ];
      const hashes = ['sha256', 'sha384', 'sha512'] as const;
      const byDigest = artifactOfDigests(
        new Map(hashes.map((hash) => [hash, platformCrypto.digest(hash, ARTIFACT)])),
      );
      for (const [key, hash] of keys) {
        const made = sign(hash, ARTIFACT, key);
        const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
        const signed = (value: Uint8Array): Bundle =>
          keyBundle({
            content: { type: 'message', digest: undefined, signature: value },
            entries: [],
            timestamps: [timestampOf(value)],
          });
        const request = { signer: { type: 'key', spki }, trustedRoot: NO_LOGS } as const;
        const broken = Uint8Array.from(made);
        broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
        expect(await judged(signed(made), request)).to.equal('ok');
        expect(await judged(signed(broken), request)).to.match(/^artifact \| signature: /);
        const digested = await judged(signed(made), { ...request, artifact: byDigest });
        if (hash === undefined)
          expect(digested).to.equal(
            'policy | signature: a signature of Ed25519 cannot be verified by a digest: the artifact itself is needed',
          );
        else expect(digested).to.equal('ok');
        expect(await judged(signed(broken), { ...request, artifact: byDigest })).to.match(/ \| signature: /);
      }
    });

    it('takes the hash under the signature for that of the log entry, and tries every digest that is known', async () => {
      for (const namedCurve of ['P-384', 'P-521']) {
        const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
        const spki = publicKey.export({ type: 'spki', format: 'der' });
        const made = sign('sha256', ARTIFACT, privateKey);
        const body = BODIES.hashedrekord1({ label: 'PUBLIC KEY', der: spki }, made, ARTIFACT);
        const one = keyBundle({
          content: { type: 'message', digest: undefined, signature: made },
          entries: [entryOf(WORLD.first, body, SIGNED_AT)],
          timestamps: [],
        });
        const signer = { type: 'key', spki } as const;
        const digest = platformCrypto.digest('sha256', ARTIFACT);
        expect(await judged(one, { signer })).to.equal('ok');
        expect(
          await judged(one, { signer, artifact: artifactOfDigests(new Map([['sha256', digest]])) }),
        ).to.equal('ok');
        const wrong = artifactOfDigests(new Map([['sha256', platformCrypto.digest('sha256', other)]]));
        expect(await judged(one, { signer, artifact: wrong })).to.match(
          /^policy \| signature: the signature is over the sha(?:384|512) digest of the artifact, which is not known$/,
        );
      }
    });

    it('takes Ed25519ph over an artifact, which logs see, by file and by digest, and says which it was', async () => {
      const { secretKey, publicKey } = ed25519ph.keygen();
      const spki = spkiOfEd25519Key(publicKey);
      const made = ed25519ph.sign(ARTIFACT, secretKey);
      const [digest, wrong] = [ARTIFACT, other].map((data) => platformCrypto.digest('sha512', data));
      if (digest === undefined || wrong === undefined) throw new Error('no digest');
      const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
      const bodies = [
        {
          apiVersion: '0.0.1',
          kind: 'hashedrekord',
          spec: {
            data: { hash: { algorithm: 'sha512', value: Buffer.from(digest).toString('hex') } },
            signature: {
              content: base64(made),
              publicKey: {
                content: base64(`-----BEGIN PUBLIC KEY-----\n${base64(spki)}\n-----END PUBLIC KEY-----\n`),
              },
            },
          },
        },
        {
          apiVersion: '0.0.2',
          kind: 'hashedrekord',
          spec: {
            hashedRekordV002: {
              data: { algorithm: 'SHA2_512', digest: base64(digest) },
              signature: {
                content: base64(made),
                verifier: { keyDetails: 'PKIX_ED25519_PH', publicKey: { rawBytes: base64(spki) } },
              },
            },
          },
        },
      ].map((body) => JSON.stringify(body));
      const entries = [WORLD.first, WORLD.second].map((log, i) => entryOf(log, bodies[i] ?? '', SIGNED_AT));
      const one = (value: Uint8Array): Bundle =>
        keyBundle({
          content: { type: 'message', digest: { algorithm: 'SHA2_512', digest }, signature: value },
          entries,
          timestamps: [timestampOf(value)],
        });
      const signer = { type: 'key', spki } as const;
      const by = (sha512: Uint8Array): Artifact => artifactOfDigests(new Map([['sha512', sha512]]));
      const found = await verified(one(made), { signer });
      expect(found.ok).to.equal(true);
      expect(found.steps.find(({ name }) => name === 'signature')?.detail).to.equal(
        'over the artifact, by Ed25519ph',
      );
      expect(await judged(one(made), { signer, artifact: by(digest) })).to.equal('ok');
      const broken = Uint8Array.from(made, (byte, i) => (i === 40 ? byte ^ 1 : byte));
      expect(await judged(one(broken), { signer })).to.match(/^artifact \| signature: .* does not hold \| /);
      expect(await judged(one(broken), { signer, artifact: by(digest) })).to.match(/ \| signature: /);
      expect(await judged(one(made), { signer, artifact: by(wrong) })).to.match(/ \| signature: /);
      expect(await judged(one(made), { signer, artifact: artifactOfBytes(other, platformCrypto) })).to.match(
        /^artifact \| signature: /,
      );
      // Where it is not known, nobody is accused of what was not looked at.
      const { sha256: hash, digest: digestBy, verify } = platformCrypto;
      const browser = trustOf(trustedRoot, { sha256: hash, digest: digestBy, verify });
      expect(await judged(one(made), { signer, trust: browser })).to.match(
        /signature: .* does not hold as one of Ed25519, and Ed25519ph is not known here/,
      );
      // RFC 8032 §7.3.
      const vector = {
        key: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
        signature:
          '98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406',
      };
      const scheme = { keyType: 'ed25519', hash: 'sha512' } as const;
      const abc = platformCrypto.digest('sha512', utf8('abc'));
      const rfc = spkiOfEd25519Key(Buffer.from(vector.key, 'hex'));
      const signed = Buffer.from(vector.signature, 'hex');
      expect(await platformCrypto.verifyDigest(scheme, rfc, abc, signed)).to.equal(true);
      expect(await platformCrypto.verifyDigest(scheme, rfc, digest, signed)).to.equal(false);
    });

    it('says of an artifact whose digest is not known by the hash that it cannot be compared', async () => {
      const artifact = artifactOfDigests(new Map([['sha512', platformCrypto.digest('sha512', ARTIFACT)]]));
      expect(await judged(bundle, { artifact })).to.match(
        /^policy \| signature: the signature is over the sha256 digest of the artifact, which is not known \| artifact: /,
      );
      expect(await judged(bundle, { artifact: artifactOfBytes(other, platformCrypto) })).to.match(
        /^artifact \| signature: .* \| artifact: the sha256 digest in the bundle is that of another artifact \| entry: /,
      );
      const { sha256: hash, digest, verify } = platformCrypto;
      const browser = { sha256: hash, digest, verify };
      const digests = artifactOfDigests(new Map([['sha256', platformCrypto.digest('sha256', ARTIFACT)]]));
      expect(await judged(bundle, { artifact: digests, trust: trustOf(trustedRoot, browser) })).to.match(
        /^policy \| signature: .* cannot be verified by a digest/,
      );
    });

    it('takes nothing that a bundle brings for an anchor', async () => {
      const old = (chain: readonly Uint8Array[]): Bundle => ({
        ...bundle,
        version: '0.2',
        mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.2',
        signer: { type: 'certificate', certificate: WORLD.certificate, chain },
      });
      expect(await judged(old([]))).to.equal('ok');
      expect(await judged(old([WORLD.intermediate]))).to.equal('ok');
      const rooted = old([WORLD.intermediate, WORLD.root]);
      expect(await judged(rooted)).to.match(/^policy \| bundle: the chain of the bundle has a root in it/);
      const allowed = await verified(rooted, { allowRootInChain: true });
      expect([allowed.ok, allowed.steps[0]?.detail]).to.deep.equal([
        true,
        'version 0.2, the signature of an artifact, with a root in its chain, which is passed over',
      ]);
      const elsewhere = bundleWorld({
        root: (good) => ({ ...good, key: KEYS.p521, signer: KEYS.p521 }),
        intermediate: (good) => ({ ...good, signer: KEYS.p521 }),
      });
      const [authority] = elsewhere.trustedRoot.certificateAuthorities;
      if (authority === undefined) throw new Error('no CA');
      const root = { ...trustedRoot, certificateAuthorities: [{ ...authority, chain: [elsewhere.root] }] };
      expect(await judged(old([WORLD.intermediate]), { trustedRoot: root })).to.match(/^\w+ \| chain: /);
      expect(await judged(rooted, { trustedRoot: root, allowRootInChain: true })).to.match(/^\w+ \| chain: /);
    });

    it('blames the trust where newer files may know the CA, the certificate log or its window', async () => {
      const [authority] = trustedRoot.certificateAuthorities;
      const [log] = trustedRoot.certificateLogs;
      if (authority === undefined || log === undefined) throw new Error('no CA');
      const rows: readonly [Partial<TrustedRoot>, RegExp][] = [
        [
          { certificateAuthorities: [{ ...authority, window: { start: 0, end: SIGNED_AT - 1 } }] },
          /^trust \| chain: the CA .* is trusted .*, not at /,
        ],
        [
          { certificateAuthorities: [{ ...authority, window: { start: SIGNED_AT } }] },
          /^trust \| chain: the CA .* is trusted .*, not at /,
        ],
        [
          { certificateLogs: [{ ...log, window: { start: 0, end: T0 } }] },
          /^trust \| sct: the log .* is trusted .*, not at /,
        ],
        [{ certificateLogs: [] }, /^trust \| sct: the SCT is of a log that is not trusted/],
      ];
      for (const [change, sentence] of rows)
        expect(await judged(bundle, { trustedRoot: { ...trustedRoot, ...change } })).to.match(sentence);
    });

    it('needs no SCT where the trust names no log of certificates, and verifies one that is there', async () => {
      const world = bundleWorld({ sctList: () => undefined });
      const one = messageBundle({}, world);
      const noLogs = { ...world.trustedRoot, certificateLogs: [] };
      const found = await verified(one, { trustedRoot: noLogs });
      expect(found.ok).to.equal(true);
      expect(
        found.steps.filter(({ name }) => name.startsWith('sct')).map(({ detail }) => detail),
      ).to.deep.equal(['none, and the trust names no log of certificates']);
      expect(found.skipped).to.deep.equal([]);
      const [log] = world.trustedRoot.certificateLogs;
      if (log === undefined) throw new Error('no log');
      const unusable = { ...noLogs, certificateLogs: [{ ...log, logId: Buffer.alloc(32) }] };
      for (const root of [world.trustedRoot, unusable]) {
        expect(await judged(one, { trustedRoot: root })).to.match(
          /^artifact \| sct: the certificate carries no SCT/,
        );
        const none = await verified(one, { trustedRoot: root, thresholds: { scts: 0 } });
        expect(none.ok).to.equal(true);
        expect(none.steps.find(({ name }) => name === 'sct')?.detail).to.equal('none, and none is wanted');
      }
      expect(await judged(one, { trustedRoot: noLogs, thresholds: { scts: 1 } })).to.match(
        /^artifact \| sct: the certificate carries no SCT/,
      );
      // One that is there is never passed over.
      for (const thresholds of [{}, { scts: 0 }])
        expect(
          await judged(bundle, { trustedRoot: { ...trustedRoot, certificateLogs: [] }, thresholds }),
        ).to.match(/^trust \| sct: the SCT is of a log that is not trusted/);
      const wrongSct = bundleWorld({ sctList: (good) => good.subarray(0, -1) });
      expect(await judged(messageBundle({}, wrongSct), { thresholds: { scts: 0 } })).to.match(
        / \| (?:certificate|sct): /,
      );
    });

    it('judges a certificate without an SCT by its chain, the deny list and what is asked for like any other', async () => {
      const world = bundleWorld({ sctList: () => undefined });
      const one = messageBundle({}, world);
      const root = { ...world.trustedRoot, certificateLogs: [] };
      const list = (rule: object): object => ({
        deny: { list: { expires: END, rules: [{ reason: 'stolen', ...rule }] }, now: T0 },
      });
      const ask = (more: object): Promise<string> => judged(one, { trustedRoot: root, ...more });
      expect(await ask(list({ identity: IDENTITY }))).to.match(/^policy \| deny: rule 1 /);
      expect(await ask(list({ from: SIGNED_AT }))).to.match(/^policy \| deny: rule 1 /);
      expect(await ask(list({ from: SIGNED_AT + 1 }))).to.equal('ok');
      expect(await ask(list({ until: T0 - 1 }))).to.equal('ok');
      for (const asked of [{ requireInclusion: true }, { proof: WORLD.proof }])
        expect(await ask(asked)).to.equal(
          'policy | inclusion: the certificate carries no SCT: no log can prove that it has it',
        );
      const elsewhere = bundleWorld({
        sctList: () => undefined,
        root: (good) => ({ ...good, key: KEYS.p521, signer: KEYS.p521 }),
        intermediate: (good) => ({ ...good, signer: KEYS.p521 }),
      });
      const [authority] = elsewhere.trustedRoot.certificateAuthorities;
      if (authority === undefined) throw new Error('no CA');
      const other = { ...root, certificateAuthorities: [{ ...authority, chain: [elsewhere.root] }] };
      const refusal = await verified(one, { trustedRoot: other, requireInclusion: true });
      expect(refusal.ok).to.equal(false);
      expect(refusal.steps.filter(({ ok }) => !ok).map(({ name }) => name)).to.include('chain');
    });

    it('wants identity and issuer as whole texts, and both extensions of the issuer to agree', async () => {
      const signer = (identity: string, issuer: string): object => ({
        signer: { type: 'certificate', identity: { identity: exactly(identity), issuer: exactly(issuer) } },
      });
      expect(await judged(bundle, signer('alice@example.co', ISSUER))).to.match(/^policy \| identity: /);
      expect(await judged(bundle, signer(IDENTITY, `${ISSUER}/`))).to.match(/^policy \| issuer: /);
      const world = bundleWorld({
        leaf: (good) => withExtensions(good, { issuer1: fulcio(1, utf8('https://other.example')) }),
      });
      expect(await judged(messageBundle({}, world))).to.equal(
        'artifact | issuer: the certificate names two different OpenID issuers',
      );
    });

    it('takes the issuer from the older extension where that is alone', async () => {
      for (const absent of ['issuer1', 'issuer8']) {
        const world = bundleWorld({ leaf: (good) => withExtensions(good, { [absent]: undefined }) });
        expect(await judged(messageBundle({}, world))).to.equal('ok');
      }
    });

    it('wants extensions by name, exactly', async () => {
      const world = bundleWorld({
        leaf: (good) =>
          withExtensions(good, {
            ref: fulcio(14, der.utf8String('refs/tags/v1')),
            trigger: fulcio(2, utf8('push')),
          }),
      });
      const ask = async (name: string, value: string, identity = IDENTITY): Promise<string> => {
        const extension = fulcioExtensionOf(name);
        if (extension === undefined) throw new Error('no such extension');
        return judged(messageBundle({}, world), {
          signer: {
            type: 'certificate',
            identity: { identity: exactly(identity), issuer: exactly(ISSUER) },
            extensions: [{ extension, value }],
          },
        });
      };
      expect(await ask('source-repository-ref', 'refs/tags/v1')).to.equal('ok');
      expect(await ask('source-repository-ref', 'refs/tags/v1', 'bob@example.com')).to.match(
        /^policy \| identity: /,
      );
      expect(await ask('GithubWorkflowTrigger', 'push')).to.equal('ok');
      expect(await ask('1.14', 'refs/tags/v')).to.equal(
        'policy | extension: the extension SourceRepositoryRef is "refs/tags/v1", wanted is "refs/tags/v"',
      );
      expect(await ask('build-trigger', 'push')).to.equal(
        'policy | extension: the extension BuildTrigger is not there, wanted is "push"',
      );
      expect((await verified(messageBundle({}, world))).extensions).to.include({
        SourceRepositoryRef: 'refs/tags/v1',
      });
    });

    it('checks the deny list and the proof that the certificate is in its log', async () => {
      const list = { expires: END, rules: [{ reason: 'stolen', identity: IDENTITY }] };
      expect(await judged(bundle, { deny: { list, now: T0 } })).to.match(/^policy \| deny: rule 1 .*stolen$/);
      expect(await judged(bundle, { proof: WORLD.proof })).to.equal('ok');
      expect(await judged(bundle, { requireInclusion: true })).to.match(
        /^policy \| inclusion: a proof .* is required/,
      );
      expect(await judged(bundle, { proof: utf8('x') })).to.match(/^artifact \| inclusion: /);
      for (const { proof } of bundle.entries) {
        if (proof?.checkpoint === undefined) throw new Error('no proof');
        const { index, hashes: path, checkpoint } = proof;
        expect(await judged(bundle, { proof: encodeTlogProof({ index, path, checkpoint }) })).to.match(
          /^policy \| inclusion: the proof is of an entry of the artifact log https:\/\/(?:log2026\.)?rekor\.example, and wanted is one of the certificate; /,
        );
      }
      const expired = { ...list, expires: T0 - 1 };
      const error = await judged(bundle, { deny: { list: expired, now: T0 } }).catch(
        (found: unknown) => found,
      );
      expect(error).to.include({ code: 'BAD_DENY_LIST' });
    });
  });

  describe('attestations', () => {
    it('asks for the payload type, the statement type and the subject', async () => {
      const payload = Buffer.from(JSON.stringify(statementOf()));
      expect(
        await judged(attestationBundle(payload, { entries: [] }, 'text/plain'), { trustedRoot: NO_LOGS }),
      ).to.match(/^artifact \| artifact: the envelope holds "text\/plain", not an in-toto statement/);
      const rows: readonly [Record<string, unknown>, RegExp][] = [
        [statementOf({ _type: 'https://example.com/Statement' }), /the statement is of no type of in-toto/],
        [statementOf({ subject: [] }), /the statement names no subject/],
        [
          statementOf({ subject: [{ name: 'x', digest: { sha256: 'ab'.repeat(32) } }] }),
          /the artifact is no subject of the statement/,
        ],
      ];
      for (const [statement, sentence] of rows)
        expect(await judged(attestationBundle(statement))).to.match(
          new RegExp(`^artifact \\| artifact: ${sentence.source}`),
        );
      expect(await judged(attestationBundle(Buffer.from('{"a":1,"a":2}')))).to.match(
        /^artifact \| artifact: .* twice/,
      );
    });

    it('takes any subject, by any of the known hashes, all of which must agree', async () => {
      const hex = (hash: 'sha256' | 'sha384' | 'sha512', data = ARTIFACT): string =>
        createHash(hash).update(data).digest('hex');
      const about = (...digests: readonly Record<string, string>[]): Bundle =>
        attestationBundle(statementOf({ subject: digests.map((digest, i) => ({ name: `s${i}`, digest })) }));
      const strange = { sha256: 'ab'.repeat(32) };
      expect(await judged(about(strange, strange, { sha256: hex('sha256') }))).to.equal('ok');
      expect(await judged(about({ sha512: hex('sha512') }))).to.equal('ok');
      expect(await judged(about({ sha384: hex('sha384').toUpperCase(), gitCommit: 'x' }))).to.equal('ok');
      expect(await judged(about({ sha256: hex('sha256'), sha512: hex('sha512', other) }))).to.match(
        /no subject of/,
      );
      expect(await judged(about({ gitCommit: 'x' }))).to.match(
        /^policy \| artifact: no subject .* by a hash by which/,
      );
      const artifact = artifactOfDigests(new Map([['sha256', platformCrypto.digest('sha256', ARTIFACT)]]));
      expect(await judged(about({ sha512: hex('sha512') }), { artifact })).to.match(
        /^policy \| artifact: no subject/,
      );
    });

    it('passes over subjects that cannot be compared, says how many, and accepts none of them', async () => {
      const hex = createHash('sha256').update(ARTIFACT).digest('hex');
      const sha512 = createHash('sha512').update(ARTIFACT).digest('hex');
      const good = { name: 'good', digest: { sha256: hex } };
      const odd = [
        { name: 'x', uri: 'pkg:x' },
        { digest: { sha256: hex.slice(2) } },
        { digest: { gitCommit: 'x' } },
      ];
      const about = (...subject: readonly unknown[]): Bundle => attestationBundle(statementOf({ subject }));
      for (const subjects of [
        [...odd, good],
        [good, ...odd],
      ]) {
        const { ok, steps } = await verified(about(...subjects));
        expect([ok, steps.find(({ name }) => name === 'artifact')?.detail]).to.deep.equal([
          true,
          'a subject of the statement: "good"; 3 of 4 cannot be compared',
        ]);
      }
      expect(await judged(about(...odd))).to.match(
        /^policy \| artifact: no subject of the statement has a digest/,
      );
      // Neither by the digest beside one that is none.
      expect(await judged(about({ digest: { sha256: hex.slice(2), sha512 } }))).to.match(
        /^policy \| artifact: no subject/,
      );
      expect(await judged(about({ digest: { sha256: 'ab'.repeat(32) } }, ...odd))).to.equal(
        'artifact | artifact: the artifact is no subject of the statement; 3 of 4 cannot be compared',
      );
    });

    it('asks for the predicate type and the predicate', async () => {
      const predicate = (isGood: boolean): Partial<Parameters<typeof judged>[1]> => ({
        predicate: {
          description: 'of three steps',
          accepts: ({ predicate: found }) => isGood && JSON.stringify(found).includes('"steps":3'),
        },
      });
      const type = { predicateType: 'https://example.com/predicate/v1' };
      const attestation = attestationBundle();
      expect(await judged(attestation, { ...type, ...predicate(true) })).to.equal('ok');
      for (const predicateType of ['https://example.com/predicate', 'https://example.com/predicate/v2'])
        expect(await judged(attestation, { predicateType })).to.match(/^policy \| predicate-type: /);
      expect(await judged(attestation, predicate(false))).to.equal(
        'policy | predicate: the predicate is not as demanded: of three steps',
      );
      for (const asked of [type, predicate(true)])
        expect(await judged(bundle, asked)).to.match(
          /: the bundle holds no statement, and one was asked for$/,
        );
    });

    it('shows the statement only where everything is right', async () => {
      const good = await verified(attestationBundle());
      expect(good.statement).to.deep.equal({
        predicateType: 'https://example.com/predicate/v1',
        predicate: { builder: { id: 'https://builder.example' }, steps: 3 },
      });
      const bad = await verified(attestationBundle(), { thresholds: { timestamps: 2 } });
      expect(bad.statement).to.equal(undefined);
    });
  });

  it('answers every bundle that cannot be read with a verdict, and says what was not judged', async () => {
    for (const text of ['', '{}', '[]', 'null', '"x"', '{"mediaType":1}', '\u0000'])
      expect(await judged(text)).to.match(/^artifact \| bundle: /);
    // Members are named as the file has them.
    for (const name of ['__proto__', 'a_b', 'x'])
      expect(await judged(encodeBundle(bundle).replace(/^\{/, `{"${name}":1,`))).to.equal(
        `artifact | bundle: bundle.${name} is not known`,
      );
    const { skipped } = await verified('{}', { requireInclusion: true, predicateType: 'x' });
    expect(skipped.map(({ name, needs }) => `${name} ${needs}`)).to.include.members([
      'signature bundle',
      'chain bundle',
      'identity bundle',
      'inclusion bundle',
      'predicate-type bundle',
    ]);
    expect(skipped.map(({ name }) => name)).not.to.include('deny');
  });

  it('passes over nothing that is asked for: what cannot be met is an error', async () => {
    const list = { expires: END, rules: [] };
    const ofKey = [{ proof: WORLD.proof }, { requireInclusion: true }, { deny: { list, now: T0 } }];
    for (const asked of ofKey)
      expect(await failure(() => judged(keyBundle(), { ...withKey, ...asked }))).to.be.instanceOf(TypeError);
    const ofCertificate = { ...withKey, thresholds: { scts: 1 } };
    expect(await failure(() => judged(keyBundle(), ofCertificate))).to.be.instanceOf(TypeError);
    expect(await judged(keyBundle(), { ...withKey, requireInclusion: false })).to.equal('ok');
    for (const wrong of [-1, 1.5, NaN, Infinity]) {
      for (const thresholds of [{ entries: wrong }, { timestamps: wrong }, { scts: wrong }, { scts: 2 }])
        expect(await failure(() => judged(bundle, { thresholds }))).to.be.instanceOf(RangeError);
    }
    for (const now of [NaN, Infinity]) {
      expect(await failure(() => judged(bundle, { now }))).to.be.instanceOf(RangeError);
      expect(await failure(() => judged(keyBundle(), { ...withKey, now }))).to.be.instanceOf(RangeError);
      expect(await failure(() => judged(bundle, { deny: { list, now } }))).to.be.instanceOf(RangeError);
    }
  });

  it('refuses to judge by CAs that cannot be read', async () => {
    const root = { ...trustedRoot, certificateAuthorities: [] };
    const error = await judged(bundle, { trustedRoot: root }).catch((found: unknown) => found);
    expect(error).to.include({ code: 'BAD_TRUST' });
    expect(await judged(keyBundle(), { ...withKey, trustedRoot: root })).to.equal('ok');
    expect(rekor1().host).to.equal('rekor.example');
  });
});
