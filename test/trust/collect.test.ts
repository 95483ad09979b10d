import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodePem } from '../../core/pem.ts';
import { collectTrust, TrustError } from '../../trust/collect.ts';
import { testAuthority } from '../ca/support/authority.ts';
import { testLog, type TestLog } from '../ct-log/support/test-log.ts';
import { failureAs } from '../support/failure.ts';

describe('trust/collect', () => {
  let log: TestLog;
  let chain: readonly Uint8Array[];
  before(async () => {
    log = await testLog();
    ({ chain } = (await testAuthority('p256', Date.now())).authority);
  });
  after(() => log.remove());

  const pemOf = (ders: readonly Uint8Array[], label = 'CERTIFICATE'): string =>
    ders.map((der) => encodePem(label, der)).join('');
  /** Where the chains lie that issued before. */
  const former = (): string => join(log.root, 'former');
  const collect = (text: string): ReturnType<typeof collectTrust> => {
    const chainFile = join(log.root, 'chain.pem');
    writeFileSync(chainFile, text);
    return collectTrust({ chainFile, formerChains: former(), logDirectory: log.directory });
  };
  it('hands over the chain to the byte, with the log', async () => {
    const material = await collect(pemOf(chain));
    expect(material.chain.map((der) => [...der])).to.deep.equal(chain.map((der) => [...der]));
    expect(material.log.origin).to.equal(log.identity.origin);
  });

  it('hands over no certificate that is damaged, wherever it stands', async () => {
    const damages: Record<string, (der: Uint8Array) => Uint8Array> = {
      'cut off': (der) => der.subarray(0, -1),
      'with a byte behind it': (der) => Uint8Array.of(...der, 0),
      'with another tag': (der) => Uint8Array.of(0x31, ...der.subarray(1)),
      empty: () => new Uint8Array(),
    };
    for (const [what, damage] of Object.entries(damages))
      for (const at of chain.keys()) {
        const ders = chain.map((der, i) => (i === at ? damage(der) : der));
        const { code, hint } = await failureAs(TrustError, collect(pemOf(ders)));
        expect(code, `${what}, ${at}`).to.equal('CHAIN_MALFORMED');
        expect(hint).to.contain('Restore it from a backup');
      }
  });

  it('hands over nothing but certificates, and at least one', async () => {
    for (const text of ['', 'no PEM\n', `${pemOf(chain)}${pemOf(chain.slice(0, 1), 'PRIVATE KEY')}`])
      expect((await failureAs(TrustError, collect(text))).code, text.slice(0, 20)).to.equal(
        'CHAIN_MALFORMED',
      );
    const missing = {
      chainFile: join(log.root, 'nowhere.pem'),
      formerChains: former(),
      logDirectory: log.directory,
    };
    expect((await failureAs(TrustError, collectTrust(missing))).code).to.equal('CHAIN_UNREADABLE');
  });

  it('hands over the chains that issued before, and not one that still does', async () => {
    expect((await collect(pemOf(chain))).former).to.deep.equal([]);
    const before = (await testAuthority('p256', Date.now())).authority.chain;
    mkdirSync(former());
    writeFileSync(join(former(), 'aa.pem'), pemOf(chain));
    writeFileSync(join(former(), 'bb.pem'), pemOf(before));
    // Of a write that was interrupted.
    writeFileSync(join(former(), '.cc.pem.0123456789ab.tmp'), 'half');
    const material = await collect(pemOf(chain));
    expect(material.former).to.deep.equal([before]);
    writeFileSync(join(former(), 'dd.pem'), 'damaged');
    expect((await failureAs(TrustError, collect(pemOf(chain)))).message).to.include('dd.pem');
    rmSync(former(), { recursive: true });
  });
});
