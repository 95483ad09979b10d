import { expect } from 'chai';
import { judged } from './support/bundle-world.ts';
import { TAMPERED, TRUSTED, UNTAMPERED } from './support/tampered-entries.ts';

describe('verify/bundle: an entry that is not that of the signature', () => {
  it('is missed by no part of it: the right ones are accepted', async () => {
    for (const bundle of Object.values(UNTAMPERED))
      expect(await judged(bundle, { trustedRoot: TRUSTED })).to.equal('ok');
  });

  for (const { what, bundle, says } of TAMPERED)
    it(`is refused, and the step named: ${what}`, async () => {
      expect(await judged(bundle, { trustedRoot: TRUSTED })).to.match(says);
    });
});
