import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { expect } from 'chai';
import { runMayfly, type MayflyResult } from '../support/mayfly.ts';
import { PIN, SoftHsm } from '../support/softhsm.ts';

interface ShownKeyJson {
  readonly algorithm: string;
  readonly publicKey: string;
  readonly signatures?: number;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
}

describe('mayfly keys, with a key in a token', function () {
  this.timeout(300_000);
  let hsm: SoftHsm;
  before(async function () {
    hsm = await SoftHsm.open(this);
    await hsm.makeToken('mayfly');
  });
  after(() => {
    hsm.close();
  });

  const keys = (...words: readonly string[]): Promise<MayflyResult> =>
    runMayfly(['keys', ...words], {
      env: Object.fromEntries(Object.entries(hsm.env).map(([name, value = '']) => [name, value])),
    });

  async function shown(...words: readonly string[]): Promise<ShownKeyJson> {
    const { code, stdout, stderr } = await keys(...words, '--json');
    expect(code, stdout + stderr).to.equal(0);
    return JSON.parse(stdout) as ShownKeyJson;
  }

  it('makes one, shows it, and signs with it', async () => {
    const uri = hsm.uri('mayfly', 'ca');
    const made = await shown('generate', uri, '--type', 'p384');
    expect(made.algorithm).to.equal('ecdsa-p384-sha384');
    expect(createPublicKey(made.publicKey).asymmetricKeyDetails?.namedCurve).to.equal('secp384r1');
    expect(await shown('show', uri)).to.deep.equal(made);
    expect(await shown('check', uri)).to.include({ publicKey: made.publicKey, signatures: 20 });
    const facts = new Map(made.facts.map(({ name, value }) => [name, value]));
    expect(facts.get('slot')).to.include('token "mayfly"');
    const again = await keys('generate', uri, '--type', 'p384');
    expect(again.code).to.equal(1);
    expect(again.stderr).to.include('already');
  });

  it('says what there is where the URI is wrong, and no PIN', async () => {
    const missing = await keys('check', hsm.uri('mayfly', 'tsa'));
    expect(missing.code).to.equal(1);
    expect(missing.stderr).to.match(/no private key .*\n.*object=ca/);
    const withPin = await keys('check', `${hsm.uri('mayfly', 'ca')}&pin-value=${PIN}`);
    expect(withPin.code).to.equal(1);
    expect(withPin.stderr).to.include('has a PIN in it').and.not.to.include(PIN);
    const unasked = await keys('check', hsm.uri('mayfly', 'ca').replace(/&pin-source=.*/, ''));
    expect(unasked.code).to.equal(1);
    expect(unasked.stderr).to.include('wants a PIN');
  });

  it('does the same with a key file', async () => {
    const file = join(hsm.directory, 'ed25519.pem');
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', file], { stdio: 'ignore' });
    expect(await shown('check', file)).to.include({ algorithm: 'ed25519', signatures: 20 });
  });
});
