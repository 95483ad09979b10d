import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { encodeBundle } from '../../../bundle/format/bundle-json.ts';
import { CommandError } from '../../../cli/program/command.ts';
import { checkBundle } from '../../../cli/sign/check-bundle.ts';
import { platformCrypto } from '../../../cli/verify/platform-crypto.ts';
import { trustOf } from '../../../verify/bundle/bundle-trust.ts';
import { failureAs } from '../../support/failure.ts';
import { IDENTITY, ISSUER } from '../../support/verify-world.ts';
import { ARTIFACT, bundleWorld, messageBundle } from '../../verify/bundle/support/bundle-world.ts';

const SIGNED_AT = Date.parse('2026-11-22T10:01:00Z');
const DAY = 86_400_000;

describe('cli/sign/check-bundle', () => {
  const world = bundleWorld();
  const check = (now: number, bytes: Uint8Array = ARTIFACT): ReturnType<typeof checkBundle> =>
    checkBundle(Buffer.from(encodeBundle(messageBundle({}, world))).toString(), {
      name: 'app',
      artifact: { digest: createHash('sha256').update(bytes).digest(), bytes },
      identity: IDENTITY,
      issuer: ISSUER,
      trust: trustOf(world.trustedRoot, platformCrypto),
      thresholds: { timestamps: 1 },
      now,
    });

  it('says when the clock here is behind, and not that no verifier would take the bundle', async () => {
    expect(await check(SIGNED_AT)).not.to.deep.equal([]);
    const behind = await failureAs(CommandError, check(SIGNED_AT - DAY));
    expect(behind.message).to.include('says 2026-11-22T10:01:00Z, which lies in the future');
    expect(behind.hint).to.match(/^Nothing was written\. Set the clock of this machine/);
    const wrong = await failureAs(CommandError, check(SIGNED_AT - DAY, Buffer.from('other')));
    expect(wrong.hint).to.equal('Nothing was written: no verifier would take it.');
  });
});
