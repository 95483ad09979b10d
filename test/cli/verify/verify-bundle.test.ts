import { expect } from 'chai';
import { createHash, createPublicKey } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeBundle } from '../../../bundle/format/bundle-json.ts';
import { CommandError, type Speaker } from '../../../cli/program/command.ts';
import { verifyBundleFile, type VerifyBundleOptions } from '../../../cli/verify/verify-bundle.ts';
import * as der from '../../../core/der-writer.ts';
import { encodeTrustedRoot } from '../../../trust/format/trusted-root.ts';
import { fulcio, IDENTITY, ISSUER, KEYS, withExtensions } from '../../support/verify-world.ts';
import {
  ARTIFACT,
  attestationBundle,
  bundleWorld,
  entry2,
  messageBundle,
  signatureIn,
  signatureOf,
  timestampOf,
} from '../../verify/bundle/support/bundle-world.ts';

const world = bundleWorld({
  leaf: (good) => withExtensions(good, { ref: fulcio(14, der.utf8String('refs/tags/v1')) }),
});

interface Outcome {
  readonly ok: boolean;
  readonly facts: Record<string, unknown>;
  readonly text: string;
  readonly notes: readonly string[];
}

describe('mayfly verify bundle', () => {
  let cwd: string;
  const at = (name: string): string => join(cwd, name);

  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-verify-bundle-'));
    const made = messageBundle({}, world);
    const keyed = signatureOf(ARTIFACT, KEYS.other);
    const files: Record<string, string | Uint8Array> = {
      artifact: ARTIFACT,
      other: 'other',
      'good.json': encodeBundle(made),
      'untimed.json': encodeBundle({
        ...made,
        entries: [entry2(signatureIn(made), {}, world)],
        timestamps: [],
      }),
      'rooted.json': encodeBundle({
        ...made,
        version: '0.2',
        mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.2',
        signer: {
          type: 'certificate',
          certificate: world.certificate,
          chain: [world.intermediate, world.root],
        },
      }),
      'attestation.json': encodeBundle(attestationBundle()),
      'keyed.json': encodeBundle({
        ...made,
        signer: { type: 'key', hint: '' },
        content: { type: 'message', digest: undefined, signature: keyed },
        entries: [],
        timestamps: [timestampOf(keyed)],
      }),
      'invalid.json': Buffer.from([0x22, 0xff, 0x22]),
      'root.json': encodeTrustedRoot(world.trustedRoot),
      'no-logs.json': encodeTrustedRoot({ ...world.trustedRoot, artifactLogs: [] }),
      'key.pem': createPublicKey(KEYS.other.privateKey).export({ type: 'spki', format: 'pem' }),
      'cert.tlog-proof': world.proof,
      'policy.cel': 'predicate.steps == 3 &&\n  predicateType.endsWith("/v1")\n',
      'deny.json': JSON.stringify({
        expires: '2099-01-01T00:00:00Z',
        version: 1,
        deny: [{ reason: 'stolen', identity: IDENTITY }],
      }),
    };
    for (const [name, content] of Object.entries(files)) await writeFile(at(name), content);
  });
  after(() => rm(cwd, { recursive: true }));

  const whom = { identity: IDENTITY, issuer: ISSUER };

  async function verify(options: VerifyBundleOptions, bundle = 'good.json'): Promise<Outcome> {
    let facts: Record<string, unknown> = {};
    let text = '';
    const notes: string[] = [];
    const speak = {
      answer: (result: Record<string, unknown>, said: string) => {
        facts = result;
        text = said;
      },
      note: (said: string) => notes.push(said),
    } as unknown as Speaker;
    const named = options.digest === undefined ? { artifact: at('artifact') } : {};
    const ok = await verifyBundleFile({ ...named, trustedRoot: at('root.json'), ...options }, speak, [
      at(bundle),
    ]);
    return { ok, facts, text, notes };
  }

  const failed = async (options: VerifyBundleOptions, bundle?: string): Promise<unknown> =>
    (await verify(options, bundle)).facts['failed'];

  /** The sentence of wrong use. */
  const wrongUse = (options: VerifyBundleOptions, bundle?: string): Promise<string> =>
    verify(options, bundle).then(
      () => 'used',
      (error: unknown) => {
        expect(error).to.be.instanceOf(CommandError).with.property('code', 'USAGE');
        return (error as Error).message;
      },
    );

  it('says what was found, for people and for machines', async () => {
    const { ok, facts, text, notes } = await verify(whom);
    expect([ok, notes]).to.deep.equal([true, []]);
    expect(text).to.match(/^ok {6}bundle {9}version 0\.3, /);
    expect(text.split('\n').at(-1)).to.equal(
      `Verified: signed by ${IDENTITY}, vouched for by ${ISSUER}, at 2026-11-22T10:01:00Z`,
    );
    expect(facts).to.deep.include({
      ok: true,
      fault: null,
      artifact: { sha256: createHash('sha256').update(ARTIFACT).digest('hex') },
      ...whom,
      extensions: { Issuer: ISSUER, IssuerV2: ISSUER, SourceRepositoryRef: 'refs/tags/v1' },
      times: [
        { source: 'entry', name: 'https://rekor.example', time: '2026-11-22T10:01:00Z' },
        { source: 'timestamp', name: 'CN=time', time: '2026-11-22T10:01:00Z' },
      ],
      at: ['2026-11-22T10:01:00Z'],
      statement: null,
      failed: [],
      skipped: [],
      notChecked: ['inclusion'],
    });
    const wrong = await verify({ ...whom, artifact: at('other') });
    expect(wrong.ok).to.equal(false);
    expect(wrong.text).to.match(/^FAILED {2}signature {6}the signature over the artifact does not hold$/m);
    expect(wrong.text).to.match(
      /Not verified: signature, artifact, entry failed\. The fault is that of the artifact/,
    );
    expect(wrong.facts).to.include({ fault: 'artifact' });
  });

  it('looks for the fault at the clock of this machine where a signing time is still to come', async () => {
    const { now } = Date;
    Date.now = () => Date.parse('2026-11-21T10:01:00Z');
    try {
      const { ok, facts, text } = await verify(whom);
      expect(ok).to.equal(false);
      expect(facts).to.deep.include({ fault: 'clock', failed: ['time'] });
      expect(text).to.match(/^FAILED {2}time .* says 2026-11-22T10:01:00Z.* says 2026-11-21T10:01:00Z/m);
      expect(text).to.match(/Not verified: time failed\. The fault may be that of the clock of this machine/);
      // What is wrong in itself is not excused by the clock.
      const wrong = await verify({ ...whom, artifact: at('other') });
      expect(wrong.facts).to.include({ fault: 'artifact' });
    } finally {
      Date.now = now;
    }
  });

  it('wants to know whom it must be by', async () => {
    expect(await wrongUse({})).to.match(/--identity and --issuer/);
    expect(await wrongUse({ identity: IDENTITY })).to.match(/--issuer or --issuer-regexp is missing/);
    const any = await verify({ anyIdentity: true });
    expect([any.ok, any.facts['notChecked'], any.notes]).to.deep.equal([
      true,
      ['identity', 'issuer', 'inclusion'],
      ['Not checked: who signed (--any-identity).'],
    ]);
    expect(await failed({ ...whom, identity: 'alice@example.co' })).to.deep.equal(['identity']);
  });

  it('matches expressions with whole texts, in linear time', async () => {
    const expressions = (identityRegexp: string, issuerRegexp = '.*'): VerifyBundleOptions => ({
      identityRegexp,
      issuerRegexp,
    });
    expect((await verify(expressions('[a-z]+@example\\.com'))).ok).to.equal(true);
    expect(await failed(expressions('alice@example'))).to.deep.equal(['identity']);
    expect(await failed(expressions('.*', 'https://issuer'))).to.deep.equal(['issuer']);
    expect(await failed(expressions('a|alice@example.com.'))).to.deep.equal(['identity']);
    expect(await failed(expressions('(a+)+$'))).to.deep.equal(['identity']);
    expect(await wrongUse(expressions('(?=a)'))).to.match(/--identity-regexp/);
  });

  it('wants extensions by name', async () => {
    for (const name of ['source-repository-ref', 'SourceRepositoryRef', '1.14', '1.3.6.1.4.1.57264.1.14'])
      expect((await verify({ ...whom, extension: [`${name}=refs/tags/v1`] })).ok).to.equal(true);
    expect(await failed({ ...whom, extension: ['1.14=refs/tags/v1', '1.14=x'] })).to.deep.equal([
      'extension',
    ]);
    for (const odd of ['source-repository-ref', 'nothing=1', '=x'])
      expect(await wrongUse({ ...whom, extension: [odd] })).to.match(/--extension: /);
  });

  it('takes the artifact by its digest', async () => {
    const digest = (hash: string, data: Uint8Array): string =>
      `${hash}:${createHash(hash).update(data).digest('hex')}`;
    expect((await verify({ ...whom, digest: digest('sha256', ARTIFACT) })).ok).to.equal(true);
    expect(await failed({ ...whom, digest: digest('sha256', Buffer.from('x')) })).to.deep.equal([
      'signature',
      'artifact',
      'entry',
    ]);
    expect(await failed({ ...whom, digest: digest('sha512', ARTIFACT) })).to.deep.equal([
      'signature',
      'artifact',
    ]);
    expect(await wrongUse({ ...whom, digest: 'sha256:00' })).to.match(/--digest takes/);
    expect(
      await wrongUse({ ...whom, artifact: at('artifact'), digest: digest('sha256', ARTIFACT) }),
    ).to.match(/say what was signed/);
    expect(await wrongUse({ ...whom, artifact: at('missing') })).to.match(/--artifact: .* cannot be read/);
    expect(await wrongUse({ ...whom, artifact: cwd })).to.match(/--artifact: .* cannot be read/);
  });

  it('takes a key in the place of an identity', async () => {
    const keyed = { key: at('key.pem'), trustedRoot: at('no-logs.json') };
    const { ok, text, facts } = await verify(keyed, 'keyed.json');
    expect([ok, facts['notChecked']]).to.deep.equal([true, []]);
    expect(text).to.match(/\nVerified: signed with that key, at 2026/);
    expect(await failed(keyed)).to.deep.equal(['key']);
    expect(await failed({ ...whom }, 'keyed.json')).to.deep.equal(['certificate']);
    for (const beside of [whom, { anyIdentity: true }, { extension: ['1.14=x'] }] as VerifyBundleOptions[])
      expect(await wrongUse({ ...keyed, ...beside })).to.match(/--key contradicts/);
    for (const beside of [{ requireInclusion: true }, { deny: at('deny.json') }] as VerifyBundleOptions[])
      expect(await wrongUse({ ...keyed, ...beside })).to.match(/about .*certificate/);
    for (const file of ['artifact', 'missing', 'root.json'])
      expect(await wrongUse({ key: at(file) })).to.match(/--key: /);
  });

  it('wants as many logs and authorities as the options say', async () => {
    expect((await verify({ ...whom, minEntries: '2', minTimestamps: '1' })).ok).to.equal(true);
    expect(await failed({ ...whom, minEntries: '3' })).to.deep.equal(['time']);
    expect(await failed({ ...whom, minTimestamps: '2' })).to.deep.equal(['time']);
    expect(await wrongUse({ ...whom, minEntries: 'x' })).to.match(/--min-entries must be/);
    expect((await verify({ ...whom, minScts: '1' })).ok).to.equal(true);
    expect(await wrongUse({ ...whom, minScts: '2' })).to.match(/--min-scts must be/);
    expect(await wrongUse({ key: at('key.pem'), minScts: '0' })).to.match(
      /--min-scts is about a certificate/,
    );
  });

  it('passes over a root in the bundle only when asked', async () => {
    expect(await failed(whom, 'rooted.json')).to.deep.equal(['bundle']);
    const { ok, text } = await verify({ ...whom, allowRootInChain: true }, 'rooted.json');
    expect(ok).to.equal(true);
    expect(text).to.match(/^ok +bundle .*, with a root in its chain, which is passed over$/m);
  });

  it('judges at the present only when asked', async () => {
    expect(await failed(whom, 'untimed.json')).to.deep.equal(['time']);
    const now = await verify({ ...whom, at: 'now' }, 'untimed.json');
    // The certificate was good for ten minutes, some time ago.
    expect(now.facts['failed']).to.deep.equal(['chain']);
    expect((await verify({ ...whom, at: 'now' })).ok).to.equal(true);
    expect(await wrongUse({ ...whom, at: '2026-11-22T10:01:00Z' })).to.match(/--at takes "now"/);
  });

  it('asks an attestation for its type and by a policy', async () => {
    const type = 'https://example.com/predicate/v1';
    const { ok, facts } = await verify(
      { ...whom, predicateType: type, policyFile: at('policy.cel') },
      'attestation.json',
    );
    expect([ok, facts['statement']]).to.deep.equal([
      true,
      { predicateType: type, predicate: { builder: { id: 'https://builder.example' }, steps: 3 } },
    ]);
    expect(await failed({ ...whom, predicateType: 'x' }, 'attestation.json')).to.deep.equal([
      'predicate-type',
    ]);
    for (const policy of ['predicate.steps > 3', 'predicate.nothing == 1', 'predicate.steps == "3"'])
      expect(await failed({ ...whom, policy }, 'attestation.json')).to.deep.equal(['predicate']);
    expect(await failed({ ...whom, policy: 'true' })).to.deep.equal(['predicate']);
    expect(await wrongUse({ ...whom, policy: 'predicate.' })).to.match(/^--policy: rule "policy", line 1/);
    expect(await wrongUse({ ...whom, policy: 'true', policyFile: at('policy.cel') })).to.match(/not both/);
  });

  it('checks a proof of logging and a deny list', async () => {
    const proven = await verify({ ...whom, proof: at('cert.tlog-proof'), requireInclusion: true });
    expect([proven.ok, proven.facts['notChecked']]).to.deep.equal([true, []]);
    expect(await failed({ ...whom, requireInclusion: true })).to.deep.equal(['inclusion']);
    const denySha256 = createHash('sha256')
      .update(
        JSON.stringify({
          expires: '2099-01-01T00:00:00Z',
          version: 1,
          deny: [{ reason: 'stolen', identity: IDENTITY }],
        }),
      )
      .digest('hex');
    expect(await failed({ ...whom, deny: at('deny.json'), denySha256 })).to.deep.equal(['deny']);
    expect(await wrongUse({ ...whom, deny: at('deny.json') })).to.match(/--deny-sha256 or --deny-key/);
  });

  it('wants trust, and files that it can read', async () => {
    expect(await wrongUse({ ...whom, trustedRoot: undefined as never })).to.match(/^give --trusted-root/);
    expect(await wrongUse({ ...whom, trust: at('root.json') })).to.match(/not both/);
    expect(await wrongUse({ ...whom, trustedRoot: at('artifact') })).to.match(
      /cannot be used|cannot be read|JSON/,
    );
    expect(await wrongUse(whom, 'missing.json')).to.match(/^BUNDLE: /);
    expect(await failed(whom, 'invalid.json')).to.deep.equal(['bundle']);
    expect(await failed(whom, 'artifact')).to.deep.equal(['bundle']);
  });
});
