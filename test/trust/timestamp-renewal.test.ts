import { createHash } from 'node:crypto';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { renew } from '../../cli/tsa/tsa-renew.ts';
import { endTrust } from '../../cli/trust/trust-end.ts';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { rfc3339 } from '../../core/clock.ts';
import { toHex } from '../../core/bytes.ts';
import { failureOf } from '../support/failure.ts';
import { sha256 } from '../support/parsers.ts';
import type { TrustedRoot } from '../../trust/format/trusted-root.ts';
import { readChain } from '../../trust/collect.ts';
import { verifyTimestamp, type TimestampVerification } from '../../verify/timestamp.ts';
import {
  expectAccepted,
  listener,
  RenewableInstance,
  stockComplaint,
  type SignedArtifact,
} from './support/renewable-instance.ts';

describe('renewing the key for timestamps: before, during and after', function () {
  this.timeout(60_000);
  let ca: RenewableInstance;
  beforeEach(async () => {
    ca = await RenewableInstance.make();
  });
  afterEach(() => ca.remove());

  const run = async (step: Partial<Parameters<typeof renew>[0]>): Promise<string> => {
    const speak = listener();
    await renew({ data: ca.data, ...step }, speak);
    return speak.heard.join('\n');
  };
  const stage = (): Promise<string> => run({ stage: true, rootKey: ca.path('root.key.pem') });

  const judge = (
    { timestamp, signature }: SignedArtifact,
    root: TrustedRoot,
  ): Promise<TimestampVerification> =>
    verifyTimestamp({
      timestamp,
      digestOf: (hash) => createHash(hash).update(signature).digest(),
      authorities: root.timestampAuthorities,
      crypto: platformCrypto,
    });

  const accepts = (root: TrustedRoot, artifacts: Readonly<Record<string, SignedArtifact>>): Promise<void> =>
    expectAccepted(root, artifacts, judge);

  /** Both refuse, ours because of the trust. */
  async function refuses(root: TrustedRoot, artifact: SignedArtifact, says: RegExp): Promise<void> {
    const { ok, fault, steps } = await judge(artifact, root);
    expect([ok, fault]).to.deep.equal([false, 'trust']);
    expect(steps.find((step) => !step.ok)?.detail).to.match(says);
    expect(stockComplaint(artifact, root)).to.be.a('string');
  }

  const certificateOf = async (): Promise<string> =>
    toHex(sha256((await readChain(ca.paths.timestampChain))[0] ?? new Uint8Array()));

  it('all verify with the trusted root that is handed out when the successor is staged', async () => {
    const before = await ca.sign();
    const old = await ca.trustedRoot();
    await stage();
    const staged = await ca.trustedRoot();
    const during = await ca.sign();
    await run({ switch: true });
    const after = await ca.sign();

    await accepts(old, { before, during });
    await accepts(staged, { before, during, after });
    await accepts(await ca.trustedRoot(), { before, during, after });
    await refuses(
      old,
      after,
      /of its name or issuer 1 are trusted, and none of them is it: "CN=Test CA timestamps/,
    );
  });

  it('go on verifying when the time of the former key has ended, and nothing later does', async () => {
    const before = await ca.sign();
    const former = await certificateOf();
    await stage();
    // What somebody kept of the old key.
    await cp(ca.data, ca.path('stolen'), { recursive: true });
    await run({ switch: true });
    const after = await ca.sign();
    const at = Date.now() + 5000;
    await endTrust({ data: ca.data, tsa: former, at: rfc3339(at), reason: 'superseded' }, listener());
    const root = await ca.trustedRoot();
    await accepts(root, { before, after });

    const stolen = ca.elsewhere('stolen');
    stolen.skew = 60_000;
    await refuses(
      root,
      await stolen.sign(),
      /"CN=Test CA timestamps, O=Test" is trusted from .* until .*, not at/,
    );
  });

  it('keep what was signed before a theft, and lose what came after', async () => {
    const before = await ca.sign();
    const theft = Date.now() + 5000;
    ca.skew = 60_000;
    const doubtful = await ca.sign();
    const stolen = await certificateOf();
    await stage();
    await run({ switch: true });
    const after = await ca.sign();
    const heard = listener();
    await endTrust({ data: ca.data, tsa: stolen, at: rfc3339(theft), reason: 'compromise' }, heard);
    expect(heard.heard.join('\n'))
      .to.match(/A thief of the key chooses the time of its timestamps/)
      .and.not.match(/cannot date back/);
    const root = await ca.trustedRoot();
    await accepts(root, { before, after });
    await refuses(root, doubtful, /is trusted from .* until .*, not at/);
  });

  it('leads from a stolen successor to another key alone', async () => {
    await stage();
    const chain = await readChain(ca.paths.nextTimestampChain);
    const kept = await readFile(ca.paths.nextTimestampChain);
    const stolen = toHex(sha256(chain[0] ?? new Uint8Array()));
    await endTrust({ data: ca.data, tsa: stolen, at: 'now', reason: 'compromise' }, listener());
    await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)));
    const csr = (): Promise<string> => run({ csr: ca.path('another.pem') });
    expect(String(await failureOf(csr()))).to.match(/staged already/);
    await rm(ca.paths.nextTimestampChain);
    for (const again of [csr, stage])
      expect(String(await failureOf(again()))).to.match(/time of the key that waits was ended/);
    await writeFile(ca.paths.nextTimestampChain, kept);
    expect(String(await failureOf(run({ discard: true, csr: 'x' })))).to.match(/--discard stands alone/);
    expect(await run({ discard: true })).to.include(stolen);
    expect(await run({ discard: true })).to.match(/Nothing is staged, and nothing is left/);
    const before = await ca.sign();
    await stage();
    await run({ switch: true });
    expect(await certificateOf()).not.to.equal(stolen);
    const root = await ca.trustedRoot();
    await accepts(root, { before, after: await ca.sign() });
    const given = root.timestampAuthorities.filter(({ window }) => window.end === window.start);
    expect(given.map(({ chain: [first] }) => toHex(sha256(first ?? new Uint8Array())))).to.deep.equal([
      stolen,
    ]);
  });

  it('puts nothing in force that verifiers trust no more', async () => {
    await stage();
    const [next = new Uint8Array()] = await readChain(ca.paths.nextTimestampChain);
    await endTrust(
      { data: ca.data, tsa: toHex(sha256(next)), at: rfc3339(Date.now()), reason: 'compromise' },
      listener(),
    );
    const error = await failureOf(run({ switch: true }));
    expect(error)
      .to.have.property('message')
      .that.matches(/the staged certificate is trusted from .* until .*, not now/);
  });
});
