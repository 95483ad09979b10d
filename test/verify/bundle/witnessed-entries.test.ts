/** Bundles whose checkpoints witnesses have to have cosigned. */
import { expect } from 'chai';
import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeBundle } from '../../../bundle/format/bundle-json.ts';
import type { BundleEntry } from '../../../bundle/format/bundle-entry.ts';
import { parseCheckpoint } from '../../../tlog/format/checkpoint.ts';
import { cosignedText, encodeCosignature } from '../../../tlog/format/cosignature.ts';
import { encodeVkey, makeVkey, type Vkey } from '../../../tlog/format/vkey.ts';
import { parseWitnessPolicy } from '../../../tlog/format/witness-policy.ts';
import { encodeTrustedRoot } from '../../../trust/format/trusted-root.ts';
import type { BundleVerification } from '../../../verify/bundle/bundle-verification.ts';
import { runMayfly } from '../../support/mayfly.ts';
import { sha256 } from '../../support/parsers.ts';
import { IDENTITY, ISSUER } from '../../support/verify-world.ts';
import {
  ARTIFACT,
  entry1,
  entry2,
  verified,
  messageBundle,
  signatureIn,
  WORLD,
} from './support/bundle-world.ts';

/** A witness with its key. */
interface TestWitness {
  readonly vkey: Vkey;
  readonly privateKey: KeyObject;
}

function witness(name: string): TestWitness {
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).subarray(-32);
  return { vkey: makeVkey(sha256, name, 'cosignature', key), privateKey };
}

const [W1, W2, W3] = ['w.example/1', 'w.example/2', 'w.example/3'].map(witness) as [
  TestWitness,
  TestWitness,
  TestWitness,
];
const POLICY = [
  ...[W1, W2, W3].map(({ vkey }, i) => `witness w${i + 1} ${encodeVkey(vkey)}`),
  'group two 2 w1 w2 w3',
  'quorum two',
].join('\n');
const policy = parseWitnessPolicy(sha256, POLICY);
const TIME = 1_800_000_000;

/** The line of a witness on a text, or on another one. */
function lineOf({ vkey, privateKey }: TestWitness, text: Uint8Array): string {
  const signature = encodeCosignature({
    time: TIME,
    signature: sign(null, cosignedText(text, TIME), privateKey),
  });
  return `— ${vkey.name} ${Buffer.concat([vkey.keyId, signature]).toString('base64')}`;
}

/** An entry with those lines, which are made for the text of its checkpoint. */
function withLines(entry: BundleEntry, lines: (text: Uint8Array) => readonly string[]): BundleEntry {
  const { proof } = entry;
  const checkpoint = proof?.checkpoint;
  if (proof === undefined || checkpoint === undefined) throw new Error('no checkpoint');
  const added = lines(parseCheckpoint(checkpoint).text).map((line) => `${line}\n`);
  return {
    ...entry,
    proof: { ...proof, checkpoint: Buffer.concat([checkpoint, Buffer.from(added.join(''))]) },
  };
}

const signature = signatureIn(messageBundle());
const by = (entry: BundleEntry, ...witnesses: readonly TestWitness[]): BundleEntry =>
  withLines(entry, (text) => witnesses.map((one) => lineOf(one, text)));
const step = ({ steps }: BundleVerification): string | undefined => {
  const found = steps.find(({ name }) => name === 'witnesses');
  return found && `${found.ok ? 'ok' : (found.fault ?? '')}: ${found.detail}`;
};

describe('verify/bundle: cosignatures of witnesses', () => {
  const demanded = (entries: readonly BundleEntry[], change = {}): Promise<BundleVerification> =>
    verified(messageBundle({ entries: [...entries], ...change }), { witnesses: policy });

  for (const [kind, entry] of [
    ['first', entry1(signature)],
    ['second', entry2(signature)],
  ] as const) {
    const host = kind === 'first' ? WORLD.first.host : WORLD.second.host;

    it(`takes an entry of the ${kind} API whose checkpoint a quorum cosigned, and names who did`, async () => {
      const found = await demanded([by(entry, W3, W1)]);
      expect(found.ok, JSON.stringify(found.steps)).to.equal(true);
      expect(step(found))
        .to.match(/^ok: the head of .* by w1, w3$/)
        .and.include(host);
      expect((await demanded([by(entry, W1, W2, witness('other.example'))])).ok).to.equal(true);
    });

    it(`refuses one of the ${kind} API with too few of them, and says whose are missing`, async () => {
      const found = await demanded([by(entry, W2)]);
      expect(found.ok).to.equal(false);
      expect(found.fault).to.equal('policy');
      expect(step(found)).to.match(
        /^policy: .* lacks the quorum two of the policy: no cosignature of w1, w3$/,
      );
      // Nothing of the entry counts, its time neither.
      expect(found.times.map(({ source }) => source)).to.deep.equal(['timestamp']);
      expect((await demanded([entry])).ok).to.equal(false);
      expect((await demanded([by(entry, W2, W2)])).ok, 'the same one twice').to.equal(false);
    });

    it(`refuses one of the ${kind} API with a cosignature that does not hold, whatever others there are`, async () => {
      const other = parseCheckpoint(
        (kind === 'first' ? entry2(signature) : entry1(signature)).proof?.checkpoint ?? new Uint8Array(),
      );
      const forged = withLines(entry, (text) => [lineOf(W1, text), lineOf(W2, text), lineOf(W3, other.text)]);
      const found = await demanded([forged]);
      expect(step(found)).to.match(/^artifact: the cosignature of the witness w3 .* does not hold$/);
      const impostor: TestWitness = { ...witness('w.example/2'), vkey: W2.vkey };
      expect(step(await demanded([by(entry, W1, impostor)]))).to.match(/of the witness w2 .* does not hold/);
      const short = withLines(entry, (text) => [
        lineOf(W1, text),
        `— ${W2.vkey.name} ${Buffer.concat([W2.vkey.keyId, Buffer.alloc(9)]).toString('base64')}`,
      ]);
      expect(step(await demanded([short]))).to.match(/of the witness w2 .* does not hold/);
    });
  }

  it('wants a quorum for each entry that counts, and an entry at all', async () => {
    const both = await demanded([by(entry1(signature), W1, W2), entry2(signature)]);
    expect(both.ok).to.equal(false);
    expect(step(both)).to.include(WORLD.second.host);
    const none = await verified(messageBundle({ entries: [] }), {
      witnesses: policy,
      thresholds: { entries: 0 },
    });
    expect(step(none)).to.match(/^policy: the bundle has no entry/);
    const nobody = parseWitnessPolicy(sha256, 'quorum none');
    expect((await verified(messageBundle(), { witnesses: nobody })).ok).to.equal(true);
    // Without a policy, there is no such step.
    expect(step(await verified(messageBundle()))).to.equal(undefined);
  });

  it('looks for cosignatures on no checkpoint that the log did not sign', async () => {
    const foreign = by(entry2(signature, { signer: WORLD.first.privateKey }), W1, W2);
    const found = await demanded([foreign]);
    expect(found.ok).to.equal(false);
    expect(found.skipped).to.deep.include({ name: 'witnesses', needs: 'entry-proof' });
  });

  it('is demanded by `mayfly verify bundle --witness-policy`', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'mayfly-witnessed-'));
    try {
      await writeFile(join(cwd, 'app'), ARTIFACT);
      await writeFile(join(cwd, 'trusted_root.json'), encodeTrustedRoot(WORLD.trustedRoot));
      await writeFile(join(cwd, 'witnesses.policy'), POLICY);
      const entries = [by(entry1(signature), W1, W2), by(entry2(signature), W2, W3)];
      await writeFile(join(cwd, 'good.json'), encodeBundle(messageBundle({ entries })));
      await writeFile(join(cwd, 'bare.json'), encodeBundle(messageBundle()));
      const verify = (bundle: string, file = 'witnesses.policy') =>
        runMayfly(
          ['verify', 'bundle', bundle, '--artifact', 'app', '--trusted-root', 'trusted_root.json'].concat(
            '--identity',
            IDENTITY,
            '--issuer',
            ISSUER,
            '--witness-policy',
            file,
          ),
          { cwd },
        );
      const good = await verify('good.json');
      expect(good.code, good.stdout + good.stderr).to.equal(0);
      expect(good.stdout).to.match(
        /^ok {6}witnesses {6}the head of .* by w1, w2; the head of .* by w2, w3$/m,
      );
      const bare = await verify('bare.json');
      expect(bare.code).to.equal(1);
      expect(bare.stdout)
        .to.match(/^FAILED {2}witnesses /m)
        .and.match(/genuine, but not what was asked for/);
      await writeFile(join(cwd, 'broken.policy'), 'quorum nobody\n');
      expect((await verify('good.json', 'broken.policy')).code).to.equal(2);
    } finally {
      await rm(cwd, { recursive: true });
    }
  });
});
