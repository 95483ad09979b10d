/**
 * Bundles that are right but for the entry of the log in them: of another log or another signature, changed on the way, or signed by the log for what no log should sign. Each with the step at which our verifier refuses it, and with the
 * verifiers of others that accept it. They are as whole as those of a service, so that every stock verifier accepts the right ones.
 */
import { createHash } from 'node:crypto';
import type { Bundle } from '../../../../bundle/format/bundle.ts';
import { IN_TOTO_PAYLOAD_TYPE } from '../../../../bundle/format/envelope.ts';
import type { BundleEntry } from '../../../../bundle/format/bundle-entry.ts';
import * as der from '../../../../core/der-writer.ts';
import { contextTag } from '../../../../core/der-tag.ts';
import type { TrustedRoot } from '../../../../trust/format/trusted-root.ts';
import { extension, KEYS, T0, type Plan, type TestKey } from '../../../support/verify-world.ts';
import { BODIES, entryOf, rekor1, rekor2, type EntryBend } from './artifact-log.ts';
import {
  ARTIFACT,
  bundleWorld,
  encodingOf,
  entry1,
  entry2,
  messageBundle,
  noted,
  SIGNED_AT,
  signatureIn,
  signatureOf,
  statementOf,
  timestampOf,
} from './bundle-world.ts';

/** A verifier that may err. */
export type ErringVerifier = 'sigstore-js' | 'sigstore-python' | 'sigstore-go' | 'cosign';

/** A bundle that is to be refused. */
export interface TamperedBundle {
  readonly what: string;
  readonly bundle: Bundle;
  /** Whose fault it is, the failed steps, and what they say. */
  readonly says: RegExp;
  readonly acceptedBy: readonly ErringVerifier[];
}

const keyId = ({ spki }: TestKey): Uint8Array => createHash('sha1').update(spki).digest();
const subjectKey = (key: TestKey): Uint8Array => extension('2.5.29.14', der.octetString(keyId(key)));
const authorityKey = (key: TestKey): Uint8Array =>
  extension('2.5.29.35', der.sequence(der.tlv(contextTag(0), keyId(key))));
const withKeyIds = (plan: Plan): Plan => ({
  ...plan,
  extensions: { ...plan.extensions, ski: subjectKey(plan.key), aki: authorityKey(plan.signer) },
});
const BEND = { root: withKeyIds, intermediate: withKeyIds, leaf: withKeyIds };
const WORLD = bundleWorld(BEND);
/** The same CA certified the key of somebody else by the same name. */
const OTHER = bundleWorld({ ...BEND, leaf: (plan) => withKeyIds({ ...plan, key: KEYS.other }) });

const named = <T extends object>(authorities: readonly T[]): T[] =>
  authorities.map((one) => ({ ...one, organization: 'Test', commonName: 'Test' }));
/** What verifiers are given. */
export const TRUSTED: TrustedRoot = {
  ...WORLD.trustedRoot,
  certificateAuthorities: named(WORLD.trustedRoot.certificateAuthorities),
  timestampAuthorities: named(WORLD.trustedRoot.timestampAuthorities),
};

/** By each API: one that every verifier accepts. The first has its time from the log, the second from a timestamp. */
const RIGHT = {
  1: messageBundle({ timestamps: [] }, WORLD),
  2: messageBundle({}, WORLD),
} as const;
const SIGNATURE = signatureIn(RIGHT[1]);
type Api = 1 | 2;
const API_NAMES = { 1: 'v1', 2: 'v2' } as const;
const make = { 1: entry1, 2: entry2 } as const;
const entryFor = (api: Api, bend: EntryBend = {}): BundleEntry => make[api](SIGNATURE, bend, WORLD);
const holding = (api: Api, ...entries: readonly BundleEntry[]): Bundle => ({ ...RIGHT[api], entries });

const STATEMENT = Buffer.from(JSON.stringify(statementOf()));
const ENCODED_SIGNATURE = signatureOf(encodingOf(STATEMENT));

/** The same as an attestation. */
const attesting = (api: Api, ...entries: readonly BundleEntry[]): Bundle => ({
  ...RIGHT[api],
  content: {
    type: 'envelope',
    envelope: {
      payloadType: IN_TOTO_PAYLOAD_TYPE,
      payload: STATEMENT,
      signature: ENCODED_SIGNATURE,
      keyId: '',
    },
  },
  timestamps: api === 1 ? [] : [timestampOf(ENCODED_SIGNATURE)],
  entries,
});

const statementBody = (api: Api, world: typeof WORLD, signature: Uint8Array, statement: Buffer): string =>
  api === 1
    ? BODIES.dsse1(noted(world), signature, statement)
    : BODIES.hashedrekord2(noted(world), signature, encodingOf(statement));
const statementEntry = (api: Api): BundleEntry =>
  loggedAs(api, statementBody(api, WORLD, ENCODED_SIGNATURE, STATEMENT));

const bodyOf = (api: Api, world: typeof WORLD, signature: Uint8Array, artifact: Buffer): string =>
  BODIES[api === 1 ? 'hashedrekord1' : 'hashedrekord2'](noted(world), signature, artifact);
const loggedAs = (api: Api, body: string, bend: EntryBend = {}): BundleEntry =>
  entryOf(api === 1 ? WORLD.first : WORLD.second, body, SIGNED_AT, bend);

/** The right ones. */
export const UNTAMPERED = {
  'v1, a file': holding(1, entryFor(1)),
  'v2, a file': holding(2, entryFor(2)),
  'v1, a statement': attesting(1, statementEntry(1)),
  'v2, a statement': attesting(2, statementEntry(2)),
} as const;

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === (at + bytes.length) % bytes.length ? byte ^ 1 : byte));
const withProof = (entry: BundleEntry, change: Partial<NonNullable<BundleEntry['proof']>>): BundleEntry => ({
  ...entry,
  proof: entry.proof && { ...entry.proof, ...change },
});
/** With the text of the checkpoint changed and its signature left as it is. */
function withNote(entry: BundleEntry, change: (note: string) => string): BundleEntry {
  const note = Buffer.from(entry.proof?.checkpoint ?? '').toString('utf8');
  const changed = change(note);
  if (changed === note) throw new Error('the note is not changed');
  return withProof(entry, { checkpoint: Buffer.from(changed) });
}
const withFlippedHash = (entry: BundleEntry): BundleEntry =>
  withProof(entry, { hashes: entry.proof?.hashes.map((one, i) => (i === 0 ? flipped(one, 0) : one)) ?? [] });
/** The last byte of the log's signature. */
const withFlippedSignature = (note: string): string =>
  note.replace(/\S+\n$/, (line) => {
    const signature = flipped(Buffer.from(line, 'base64'), -1);
    return `${Buffer.from(signature).toString('base64')}\n`;
  });
const flippedBase64 = (text: string): string =>
  Buffer.from(flipped(Buffer.from(text, 'base64'), 0)).toString('base64');
const withBody = (entry: BundleEntry, change: (body: string) => string): BundleEntry => {
  const body = Buffer.from(entry.body).toString('utf8');
  const changed = change(body);
  if (changed === body) throw new Error('the body is not changed');
  return { ...entry, body: Buffer.from(changed) };
};

/** What is wrong, and what ours says of it. */
interface Row {
  readonly entry: (api: Api) => BundleEntry | undefined;
  /** Beside the entry. */
  readonly bundle?: (right: Bundle) => Partial<Bundle>;
  readonly says: RegExp;
  /** Only of one API. */
  readonly api?: Api;
  readonly acceptedBy?: Partial<Record<'v1' | 'v2', readonly ErringVerifier[]>>;
}

const signature = signatureOf(ARTIFACT, KEYS.other);
const anotherArtifact = Buffer.from('another artifact');
const LOGS = { 1: rekor1, 2: rekor2 } as const;
const anotherLog = (api: Api): BundleEntry =>
  entryOf(LOGS[api](), bodyOf(api, WORLD, SIGNATURE, ARTIFACT), SIGNED_AT);
const ownLog = (api: Api): (typeof WORLD)['first'] => (api === 1 ? WORLD.first : WORLD.second);

const ROWS: Readonly<Record<string, Row>> = {
  'no entry': { entry: () => undefined, says: /^artifact \| time: 0 trusted artifact logs/ },
  // Newer files may know it.
  'an entry of another log': {
    entry: anotherLog,
    says: /^trust \| time: .*; the entry is of a log that is not trusted, [^;]*; trusted: https:\/\/rekor\.example \(\S+\), https:\/\/log2026\.rekor\.example \(\S+\)$/,
  },
  'an entry of another log, under the id of the trusted one': {
    entry: (api) => ({ ...anotherLog(api), logId: ownLog(api).logId }),
    says: /^artifact \| entry-(?:promise|proof): /,
  },
  'an entry of another log, under the name and the id of the trusted one': {
    entry: (api) => {
      const { privateKey } = LOGS[api]();
      return entryOf({ ...ownLog(api), privateKey }, bodyOf(api, WORLD, SIGNATURE, ARTIFACT), SIGNED_AT);
    },
    says: /^artifact \| (?:entry-promise: .* \| )?entry-proof: the signature of the log/,
  },
  'an entry that somebody else made for the same artifact': {
    entry: (api) => loggedAs(api, bodyOf(api, OTHER, signature, ARTIFACT)),
    says: /^artifact \| entry: /,
  },
  'the same signature, logged with the certificate of somebody else': {
    entry: (api) => loggedAs(api, bodyOf(api, OTHER, SIGNATURE, ARTIFACT)),
    says: /^artifact \| entry: /,
    acceptedBy: { v1: ['sigstore-js'], v2: ['sigstore-js'] },
  },
  'the entry of another signature of the same signer': {
    entry: (api) => loggedAs(api, bodyOf(api, WORLD, signatureOf(anotherArtifact), anotherArtifact)),
    says: /^artifact \| entry: /,
  },
  'another digest in the body': {
    entry: (api) =>
      withBody(entryFor(api), (body) =>
        body
          .replace(/(?<="value":")./, (digit) => (digit === '0' ? '1' : '0'))
          .replace(/(?<="digest":")[^"]+/, flippedBase64),
      ),
    says: /^artifact \| entry: /,
    acceptedBy: { v2: ['sigstore-go', 'cosign'] },
  },
  'another signature in the body': {
    acceptedBy: { v2: ['sigstore-go', 'cosign'] },
    entry: (api) =>
      withBody(entryFor(api), (body) => body.replace(/(?<="signature":\{"content":")[^"]+/, flippedBase64)),
    says: /^artifact \| entry: /,
  },
  'a blank in the body': {
    acceptedBy: { v2: ['sigstore-go', 'cosign'] },
    entry: (api) => withBody(entryFor(api), (body) => body.replace('{', '{ ')),
    says: /^artifact \| entry: /,
  },
  'another kind of entry than its body': {
    entry: (api) => ({ ...entryFor(api), kind: 'dsse' }),
    says: /^artifact \| (?:entry: the log entry is of a kind for something else|time: .* is of a kind that is not known here$)/,
    acceptedBy: { v1: ['sigstore-go', 'cosign'], v2: ['sigstore-go', 'cosign'] },
  },
  'another version than that of its body': {
    entry: (api) => ({ ...entryFor(api), version: api === 1 ? '0.0.2' : '0.0.1' }),
    says: /^artifact \| (?:entry: |time: .* is not of a kind that the log .* has$)/,
    acceptedBy: { v1: ['sigstore-go', 'cosign'], v2: ['sigstore-go', 'cosign'] },
  },
  'no proof': {
    entry: (api) => ({ ...entryFor(api), proof: undefined }),
    says: /^artifact \| entry-proof: /,
  },
  'no checkpoint': {
    entry: (api) => withProof(entryFor(api), { checkpoint: undefined }),
    says: /^artifact \| entry-proof: /,
  },
  'a flipped bit in the proof': {
    entry: (api) => withFlippedHash(entryFor(api)),
    says: /^artifact \| entry-proof: /,
  },
  'a proof that is too short': {
    entry: (api) => withProof(entryFor(api), { hashes: entryFor(api).proof?.hashes.slice(1) ?? [] }),
    says: /^artifact \| entry-proof: /,
  },
  'another index in the proof': {
    entry: (api) => withProof(entryFor(api), { index: 3 }),
    says: /^artifact \| entry-proof: /,
    acceptedBy: { v2: ['sigstore-go', 'cosign'] },
  },
  'another size in the proof': {
    entry: (api) => withProof(entryFor(api), { size: 8 }),
    says: /^artifact \| entry-proof: /,
    acceptedBy: {
      v1: ['sigstore-js', 'sigstore-python', 'sigstore-go', 'cosign'],
      v2: ['sigstore-js', 'sigstore-python', 'sigstore-go', 'cosign'],
    },
  },
  'another root in the proof': {
    entry: (api) => withProof(entryFor(api), { root: Buffer.alloc(32, 1) }),
    says: /^artifact \| entry-proof: /,
    acceptedBy: { v1: ['sigstore-js'], v2: ['sigstore-js', 'sigstore-go', 'cosign'] },
  },
  'another index of the entry': {
    entry: (api) => ({ ...entryFor(api), logIndex: 3 }),
    says: /^artifact \| entry-(?:promise|proof): /,
    acceptedBy: { v2: ['sigstore-js', 'sigstore-python'] },
  },
  'a flipped bit in the signature of the checkpoint': {
    entry: (api) => withNote(entryFor(api), withFlippedSignature),
    says: /^artifact \| entry-proof: /,
  },
  'another root in the checkpoint': {
    entry: (api) => withNote(entryFor(api), (note) => note.replace(/(?<=\n7\n)[^\n]+/, flippedBase64)),
    says: /^artifact \| entry-proof: /,
  },
  'another size in the checkpoint': {
    entry: (api) => withNote(entryFor(api), (note) => note.replace('\n7\n', '\n8\n')),
    says: /^artifact \| entry-proof: /,
  },
  'another origin in the checkpoint': {
    entry: (api) => withNote(entryFor(api), (note) => note.replace('rekor', 'r3kor')),
    says: /^artifact \| entry-proof: /,
  },
  'a checkpoint that the log signed in the name of another': {
    entry: (api) => entryFor(api, { origin: 'other.example', name: 'other.example' }),
    says: /^artifact \| entry-proof: /,
    acceptedBy: { v1: ['sigstore-python'], v2: ['sigstore-python'] },
  },
  'a checkpoint of another tree that the log signed': {
    entry: (api) => entryFor(api, { root: createHash('sha256').update('another tree').digest() }),
    says: /^artifact \| entry-proof: /,
  },
  'a checkpoint that another key signed in the name of the log': {
    entry: (api) => entryFor(api, { signer: KEYS.other.privateKey }),
    says: /^artifact \| entry-proof: /,
  },
  'a flipped bit in the signed entry timestamp': {
    entry: () => ({ ...entryFor(1), promise: flipped(entryFor(1).promise ?? new Uint8Array(), -1) }),
    says: /^artifact \| entry-promise: /,
    api: 1,
  },
  'no signed entry timestamp': {
    entry: () => ({ ...entryFor(1), promise: undefined }),
    says: /^artifact \| time: /,
    api: 1,
  },
  'the signed entry timestamp of another entry': {
    entry: () => ({ ...entryFor(1), promise: loggedAs(1, bodyOf(1, OTHER, signature, ARTIFACT)).promise }),
    says: /^artifact \| entry-promise: /,
    api: 1,
  },
  'another time than the log signed': {
    entry: () => ({ ...entryFor(1), integratedTime: entryFor(1).integratedTime + 1 }),
    says: /^artifact \| entry-promise: /,
    api: 1,
  },
  "a time before the certificate's, which the log signed": {
    entry: () => entryFor(1, { integratedTime: T0 / 1000 - 1 }),
    says: /^artifact \| chain: /,
    api: 1,
  },
  "a time after the certificate's end, which the log signed": {
    entry: () => entryFor(1, { integratedTime: T0 / 1000 + 601 }),
    says: /^artifact \| chain: /,
    api: 1,
  },
  'a time in an entry that has none': {
    entry: () => ({ ...entryFor(2), integratedTime: SIGNED_AT / 1000 }),
    says: /^artifact \| entry(?:-promise)?: /,
    api: 2,
    acceptedBy: { v2: ['sigstore-js', 'sigstore-python', 'sigstore-go'] },
  },
  'no timestamp beside the entry': {
    entry: () => entryFor(2),
    bundle: () => ({ timestamps: [] }),
    says: /^artifact \| time: /,
    api: 2,
  },
  "a timestamp of after the certificate's end": {
    entry: () => entryFor(2),
    bundle: (right) => ({ timestamps: [timestampOf(signatureIn(right), T0 + 601_000)] }),
    says: /^artifact \| chain: /,
    api: 2,
  },
};

const anotherStatement = Buffer.from(JSON.stringify(statementOf({ predicate: {} })));

/** The same of an attestation, whose entry the first API has of its payload, and the second of what is signed. */
const STATEMENT_ROWS: Readonly<Record<string, Row>> = {
  'the entry of a file': { entry: (api) => entryFor(api), says: /^artifact \| entry: / },
  'the entry of another statement of the same signer': {
    entry: (api) =>
      loggedAs(api, statementBody(api, WORLD, signatureOf(encodingOf(anotherStatement)), anotherStatement)),
    says: /^artifact \| entry: /,
  },
  'an entry that somebody else made for the same statement': {
    entry: (api) =>
      loggedAs(api, statementBody(api, OTHER, signatureOf(encodingOf(STATEMENT), KEYS.other), STATEMENT)),
    says: /^artifact \| entry: /,
  },
  'the right signature, logged with another statement': {
    entry: (api) => loggedAs(api, statementBody(api, WORLD, ENCODED_SIGNATURE, anotherStatement)),
    says: /^artifact \| entry: /,
  },
  'the right signature, logged as that of a file which is the statement': {
    entry: (api) => loggedAs(api, bodyOf(api, WORLD, ENCODED_SIGNATURE, STATEMENT)),
    says: /^artifact \| entry: /,
  },
  'a flipped bit in the proof of a statement': {
    entry: (api) => withFlippedHash(statementEntry(api)),
    says: /^artifact \| entry-proof: /,
  },
};

/** All, of both APIs. */
export const TAMPERED: readonly TamperedBundle[] = ([1, 2] as const).flatMap((api) =>
  (
    [
      ['', ROWS, holding],
      ['a statement, ', STATEMENT_ROWS, attesting],
    ] as const
  ).flatMap(([prefix, rows, bundleOf]) =>
    Object.entries(rows)
      .filter(([, row]) => (row.api ?? api) === api)
      .map(([what, { entry, bundle, says, acceptedBy = {} }]) => {
        const made = entry(api);
        const entries = made === undefined ? [] : [made];
        return {
          what: `${API_NAMES[api]}: ${prefix}${what}`,
          bundle: { ...bundleOf(api, ...entries), ...bundle?.(RIGHT[api]) },
          says,
          acceptedBy: acceptedBy[API_NAMES[api]] ?? [],
        };
      }),
  ),
);
