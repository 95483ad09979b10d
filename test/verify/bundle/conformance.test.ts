import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { platformCrypto } from '../../../cli/verify/platform-crypto.ts';
import { decodePem } from '../../../core/pem.ts';
import { parseTrustedRoot } from '../../../trust/format/trusted-root.ts';
import { artifactOfBytes, artifactOfDigests, type Artifact } from '../../../verify/bundle/artifact.ts';
import { trustOf } from '../../../verify/bundle/bundle-trust.ts';
import type { SignerPolicy } from '../../../verify/bundle/bundle-request.ts';
import { verifyBundle } from '../../../verify/bundle/verify-bundle.ts';
import { exactly } from '../../../verify/identity-policy.ts';
import {
  assetPath,
  caseBundle,
  CONFORMANCE_CASES,
  trustedRootPath,
  type ConformanceCase,
} from '../../bundle/support/conformance.ts';

const read = (path: string): string => readFileSync(path, 'utf8');

/** Both ways of naming it: the file, and its digest. */
function artifactsOf({ artifact }: ConformanceCase): readonly Artifact[] {
  const bytes = readFileSync(assetPath(artifact));
  const digest = platformCrypto.digest('sha256', bytes);
  return [artifactOfBytes(bytes, platformCrypto), artifactOfDigests(new Map([['sha256', digest]]))];
}

const signerOf = ({ key, identity, issuer }: ConformanceCase): SignerPolicy =>
  key === null
    ? { type: 'certificate', identity: { identity: exactly(identity), issuer: exactly(issuer) } }
    : { type: 'key', spki: decodePem(read(assetPath(key)))[0]?.bytes ?? new Uint8Array() };

/** `ok`, or what was refused: the steps that failed, each with its sentence, or the file that cannot be used. */
async function verdict(one: ConformanceCase, artifact: Artifact, bundle: string): Promise<string> {
  let trust;
  let signer;
  try {
    trust = trustOf(parseTrustedRoot(read(trustedRootPath(one))), platformCrypto);
    signer = signerOf(one);
  } catch (error) {
    return (error as Error).message;
  }
  const { ok, steps } = await verifyBundle({ bundle, artifact, trust, signer });
  return ok
    ? 'ok'
    : steps
        .filter((step) => !step.ok)
        .map(({ name, detail }) => `${name}: ${detail}`)
        .join(' | ');
}

/** Of each case that is to be refused: by which step, and in which words, as its own reason has it. */
const REASONS: Readonly<Record<string, RegExp>> = {
  'bundle-empty-certificate-chain_fail': /^bundle: the chain of the bundle is empty$/,
  'bundle-from-wrong-instance_fail': /\| sct: the SCT is of a log that is not trusted/,
  'bundle-invalid-base64-signature_fail': /^bundle: bundle\.messageSignature\.signature is not base64$/,
  'bundle-malformed-json_fail': /^bundle: the text is not JSON$/,
  'bundle-negative-log-index_fail': /^bundle: .*\.logIndex is not a whole number$/,
  'bundle-unknown-version_fail': /^bundle: the bundle is not of the version/,
  'bundle-with-root-cert_fail': /^bundle: the chain of the bundle has a root in it/,
  'checkpoint-bad-keyhint_fail': /^entry-proof: the checkpoint is not signed by the log/,
  'checkpoint-wrong-roothash_fail': /^entry-proof: the checkpoint has the root .*, the proof /,
  'dsse-invalid-sig_fail': /^signature: the signature over the envelope does not hold/,
  'dsse-mismatch-envelope_fail': /^entry: .* another artifact .*payloadHash/,
  'dsse-mismatch-sig_fail': /^entry: .* another signature /,
  'inclusion-proof-corrupted-hash_fail': /^entry-proof: the proof does not lead from the entry to the root/,
  'incorrect-public-key_fail': /^entry: .* another certificate or key .*publicKey\.content/,
  'integrated-time-in-future_fail': /^chain: the certificate was valid until .*, no longer at/,
  // Its certificate is of 2030, its entry of 2023, when its root was valid.
  'intoto-expired-certificate_fail': /^chain: the certificate is valid from .*, not yet at/,
  'intoto-log-entry-mismatch_fail': /^entry: .* another (?:artifact|signature|certificate or key) /,
  'intoto-missing-inclusion-proof_fail': /^entry-proof: the entry in the log .* has no inclusion proof$/,
  'intoto-set-outside-signing-cert-validity_fail': /^chain: the certificate was valid until .*, no longer at/,
  'intoto-tsa-timestamp-outside-cert-validity_fail': /^chain: the certificate .* at /,
  'invalid-checkpoint-signature_fail':
    /^entry-proof: the signature of the log .* on the checkpoint does not hold$/,
  'invalid-ct-key_fail': /^sct: the SCT is of a log that is not trusted/,
  'invalid-inclusion-proof_fail': /^entry-proof: /,
  'managed-key-no-key_fail': /^certificate: the bundle is signed with a key, and no key was given$/,
  // The key was changed so that its base64 is not canonical.
  'managed-key-wrong-key_fail': /^the text is not canonical base64$/,
  'message-digest-mismatch_fail': /^artifact: the sha256 digest in the bundle is that of another artifact$/,
  'rekor2-checkpoint-missing-log-signature_fail': /^entry-proof: a note has a malformed signature line$/,
  'rekor2-checkpoint-missing-origin_fail': /^entry-proof: a number is not a plain decimal in range$/,
  'rekor2-checkpoint-missing-root-hash_fail': /^entry-proof: the text of a note is no checkpoint$/,
  'rekor2-checkpoint-missing-size_fail': /^entry-proof: a number is not a plain decimal in range$/,
  'rekor2-checkpoint-no-matching-signature_fail': /^entry-proof: the checkpoint is /,
  'rekor2-dsse-invalid-sig_fail': /^signature: the signature over the envelope does not hold/,
  'rekor2-dsse-mismatch-envelope_fail': /^entry: .* another artifact .*data\.digest/,
  'rekor2-dsse-mismatch-sig_fail': /^entry: .* another signature .*signature\.content/,
  'rekor2-no-inclusion-proof_fail': /^entry-proof: the entry in the log .* has no inclusion proof$/,
  'rekor2-no-timestamp_fail': /^time: nothing trusted says when the signature was made/,
  'rekor2-timestamp-outside-trust-root-tsa-validity_fail':
    /^timestamp: the timestamp authority .* is trusted .*, not at /,
  'rekor2-timestamp-outside-tsa-cert-validity_fail':
    /^timestamp: the certificate was valid until .*, no longer at/,
  'rekor2-timestamp-payload-mismatch_fail': /^timestamp: the timestamp is over other bytes$/,
  'rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail':
    /^time: nothing trusted .* is by the authority .*; none /,
  'rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail':
    /^time: nothing trusted .* is by the authority .*; none /,
  // It has line breaks in its base64, which are refused first; see the test below.
  'rekor2-timestamp-with-incorrect-time_fail': /^bundle: .*signedTimestamp is not base64$/,
  'set-invalid-signature_fail': /^entry-promise: the signed entry timestamp of the log .* does not hold$/,
  'signature-mismatch_fail': /^signature: the signature over the artifact does not hold/,
  'trust-root-tlog-missing-validity-start_fail':
    /^trusted root\.tlogs\[1\]\.publicKey\.validFor\.start is missing$/,
  'wrong-hashedrekord-artifact_fail': /^entry: .* another artifact .*data\.hash/,
  'wrong-hashedrekord-cert-and-sig_fail': /^entry: .* another (?:signature|certificate or key) /,
  'wrong-hashedrekord-entry_fail': /^entry: .* another artifact .*data\.hash/,
  'wrong-material_fail': /^signature: the signature over the artifact does not hold \| artifact: /,
};

describe('public conformance cases', () => {
  const counts = { accepted: 0, refused: 0 };

  for (const one of CONFORMANCE_CASES)
    it(`${one.expect === 'pass' ? 'accepts' : 'refuses'} ${one.name}, by file and by digest`, async () => {
      for (const artifact of artifactsOf(one)) {
        const found = await verdict(one, artifact, read(assetPath(one.bundle)));
        counts[found === 'ok' ? 'accepted' : 'refused']++;
        if (one.expect === 'pass') expect(found).to.equal('ok');
        else expect(found).to.match(REASONS[one.name] ?? /no reason is known/);
      }
    });

  it('comes to 42 of 42 accepted and 98 of 98 refused', () => {
    expect(counts).to.deep.equal({ accepted: 42, refused: 98 });
  });

  it('refuses the timestamp of a wrong time for its time, once its base64 is without line breaks', async () => {
    const name = 'rekor2-timestamp-with-incorrect-time_fail';
    const one = CONFORMANCE_CASES.find((row) => row.name === name);
    const [artifact] = one === undefined ? [] : artifactsOf(one);
    if (one === undefined || artifact === undefined) throw new Error('no such case');
    const bundle = caseBundle(name).replaceAll('\\n', (text, at: number, all: string) =>
      all.lastIndexOf('"signedTimestamp"', at) > all.lastIndexOf('"envelope"', at) ? '' : text,
    );
    expect(await verdict(one, artifact, bundle)).to.match(/^chain: the certificate was valid until/);
  });
});
