/** Every byte of ten good bundles, changed: none may be accepted, but where the change means nothing. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { encodeBundle } from '../../../bundle/format/bundle-json.ts';
import { parseBundle, type Bundle } from '../../../bundle/format/bundle.ts';
import { platformCrypto } from '../../../cli/verify/platform-crypto.ts';
import { utf8, utf8Text } from '../../../core/bytes.ts';
import { decodePem } from '../../../core/pem.ts';
import { parseNote } from '../../../tlog/format/signed-note.ts';
import { parseTrustedRoot } from '../../../trust/format/trusted-root.ts';
import { parseTimestamp } from '../../../tsa/format/timestamp-token.ts';
import { artifactOfBytes } from '../../../verify/bundle/artifact.ts';
import { trustOf } from '../../../verify/bundle/bundle-trust.ts';
import type { BundleRequest } from '../../../verify/bundle/bundle-request.ts';
import { verifyBundle } from '../../../verify/bundle/verify-bundle.ts';
import { exactly } from '../../../verify/identity-policy.ts';
import { assetPath, CONFORMANCE_CASES, trustedRootPath } from '../../bundle/support/conformance.ts';
import { IDENTITY, ISSUER } from '../../support/verify-world.ts';
import { ARTIFACT, attestationBundle, messageBundle, WORLD } from './support/bundle-world.ts';

type Good = Pick<BundleRequest, 'artifact' | 'trust' | 'signer' | 'thresholds'> & { readonly text: string };

/** A good bundle of the conformance suite. */
function ofSuite(name: string): Good {
  const one = CONFORMANCE_CASES.find((row) => row.name === name);
  if (one?.expect !== 'pass') throw new Error(`no good case ${name}`);
  const { identity, issuer, key } = one;
  const text = readFileSync(assetPath(one.bundle), 'utf8');
  return {
    text,
    thresholds: thresholdsOf(parseBundle(text)),
    artifact: artifactOfBytes(readFileSync(assetPath(one.artifact)), platformCrypto),
    trust: trustOf(parseTrustedRoot(readFileSync(trustedRootPath(one), 'utf8')), platformCrypto),
    signer:
      key === null
        ? { type: 'certificate', identity: { identity: exactly(identity), issuer: exactly(issuer) } }
        : { type: 'key', spki: decodePem(readFileSync(assetPath(key), 'utf8'))[0]?.bytes ?? utf8('') },
  };
}

/** As many of each as the bundle has: one that is changed so that nobody knows its log or authority any more would not count, and be named. */
const thresholdsOf = ({ entries, timestamps }: Bundle): BundleRequest['thresholds'] => ({
  entries: entries.length,
  timestamps: timestamps.length,
});

/** One of our own. */
const own = (bundle: Bundle): Good => ({
  text: encodeBundle(bundle),
  thresholds: thresholdsOf(bundle),
  artifact: artifactOfBytes(ARTIFACT, platformCrypto),
  trust: trustOf(WORLD.trustedRoot, platformCrypto),
  signer: { type: 'certificate', identity: { identity: exactly(IDENTITY), issuer: exactly(ISSUER) } },
});

const GOOD: Readonly<Record<string, () => Good>> = {
  'happy-path-v0.1': () => ofSuite('happy-path-v0.1'),
  'happy-path-v0.3': () => ofSuite('happy-path-v0.3'),
  'happy-path-intoto-in-dsse-v3': () => ofSuite('happy-path-intoto-in-dsse-v3'),
  'intoto-with-custom-trust-root': () => ofSuite('intoto-with-custom-trust-root'),
  'managed-key-happy-path': () => ofSuite('managed-key-happy-path'),
  'rekor2-happy-path': () => ofSuite('rekor2-happy-path'),
  'rekor2-dsse-happy-path': () => ofSuite('rekor2-dsse-happy-path'),
  'rekor2-checkpoint-cosigned': () => ofSuite('rekor2-checkpoint-cosigned'),
  'an artifact of our own, with a timestamp': () => own(messageBundle({ entries: [] })),
  'an attestation of our own, with an entry and a timestamp': () => {
    const bundle = attestationBundle();
    return own({ ...bundle, entries: bundle.entries.slice(2, 3) });
  },
};

/** What of a bundle nothing signs and nobody reads as more than a hint: how a change of it is explained. */
const HINTS: readonly (readonly [why: string, without: (bundle: Bundle) => Bundle])[] = [
  [
    'a hint at the key',
    (bundle) => (bundle.signer.type === 'key' ? { ...bundle, signer: { type: 'key', hint: '' } } : bundle),
  ],
  [
    'a hint at the key of an envelope',
    ({ content, ...bundle }) =>
      content.type === 'envelope'
        ? { ...bundle, content: { ...content, envelope: { ...content.envelope, keyId: '' } } }
        : { ...bundle, content },
  ],
  [
    'the version of a bundle whose parts are the same in all of them',
    (bundle) => (bundle.signer.type === 'key' ? { ...bundle, version: '0.3', mediaType: '' } : bundle),
  ],
  ['a line of a witness whose key is not trusted', withoutWitnesses],
];

function withoutWitnesses(bundle: Bundle): Bundle {
  const entries = bundle.entries.map((entry) => {
    const note = entry.proof?.checkpoint;
    if (note === undefined || entry.proof === undefined) return entry;
    const { text, signatures } = parseNote(note);
    const keyId = entry.logId.subarray(0, 4);
    const lines = signatures.filter((line) => Buffer.compare(line.keyId, keyId) === 0);
    return { ...entry, proof: { ...entry.proof, checkpoint: utf8(`${text}${JSON.stringify(lines)}`) } };
  });
  return { ...bundle, entries };
}

/** Around a token stand the status of the answer (granted, or granted with changes) and the version of CMS, which older libraries write as 1: nothing signs them. */
const tokensOf = ({ timestamps }: Bundle): unknown => timestamps.map((der) => parseTimestamp(der));

/** Why the change of a bundle that was accepted means nothing; undefined when it does mean something. */
function explanationOf(text: Uint8Array, good: Bundle): string | undefined {
  const bundle = parseBundle(utf8Text(text));
  if (isDeepStrictEqual(bundle, good)) return 'the same, in another spelling of JSON';
  if (
    isDeepStrictEqual(tokensOf(bundle), tokensOf(good)) &&
    isDeepStrictEqual({ ...bundle, timestamps: [] }, { ...good, timestamps: [] })
  )
    return 'the envelope of a timestamp';
  return HINTS.find(([, without]) => isDeepStrictEqual(without(bundle), without(good)))?.[0];
}

describe('a bundle with a byte changed', function () {
  this.timeout(900_000);

  for (const [name, make] of Object.entries(GOOD))
    it(`is never accepted: ${name}`, async () => {
      const { text, ...request } = make();
      const bytes = utf8(text);
      const good = parseBundle(text);
      expect((await verifyBundle({ ...request, bundle: text })).ok).to.equal(true);
      const accepted: string[] = [];
      for (let at = 0; at < bytes.length; at++) {
        const changed = Uint8Array.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 7));
        const { ok } = await verifyBundle({ ...request, bundle: changed });
        if (ok && explanationOf(changed, good) === undefined)
          accepted.push(`${at}: ${utf8Text(changed.subarray(Math.max(0, at - 40), at + 40))}`);
      }
      expect(accepted).to.deep.equal([]);
    });
});
