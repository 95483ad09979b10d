import { expect } from 'chai';
import { parseConfig } from '../../../config/load/load.ts';
import { packed, unpacked } from '../../../config/load/packed-config.ts';

/** Issuers with one finding each. */
const many = (count: number): string =>
  `oidc-issuers: {${Array.from(
    { length: count },
    (_, n) => `"https://issuer-${n}.example": {client-id: team-${n}, type: email}`,
  ).join(', ')}}\nmayfly: {log-level: debug}\n`;

describe('config/load/packed-config', () => {
  for (const count of [0, 1, 25, 26, 120])
    it(`unpacks what was packed: ${count} issuers`, async () => {
      const config = { ...parseConfig(many(count)), files: ['/etc/mayfly/config.yaml'] };
      // As the channel between processes clones it.
      const sent = structuredClone(packed(config));
      expect(await unpacked(sent)).to.deep.equal(config);
    });

  it('sends bytes in place of long lists', () => {
    const config = parseConfig(many(120));
    const { packs, ...rest } = packed(config);
    expect(packs).to.have.length(Math.ceil(Math.max(120, config.findings.length) / 25));
    expect(packs.every((pack) => pack instanceof Uint8Array)).to.equal(true);
    expect(rest).to.have.all.keys('mayfly', 'files');
  });
});
