import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CommandError } from '../../../cli/program/command.ts';
import { outsideLog, type OutsideLogOptions } from '../../../cli/trust/outside-log.ts';
import { toHex } from '../../../core/bytes.ts';

describe('cli: a log of others in an export', () => {
  let scratch: string;
  const at = (name: string): string => join(scratch, name);

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-rekor-'));
    const keys = {
      p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      ed25519: generateKeyPairSync('ed25519'),
    };
    for (const [name, { publicKey }] of Object.entries(keys))
      await writeFile(at(name), publicKey.export({ format: 'pem', type: 'spki' }));
    await writeFile(at('nothing'), 'no key');
  });
  after(() => rm(scratch, { recursive: true }));

  it('is none where no option names one', async () => {
    expect(await outsideLog({}, 0)).to.equal(undefined);
  });

  it('has the version that its key says, and a URL without a slash at its end', async () => {
    const one = await outsideLog({ rekor: 'https://rekor.example.com/', rekorKey: at('p256') }, 7);
    expect(one?.service).to.deep.equal({
      url: 'https://rekor.example.com',
      majorApiVersion: 1,
      operator: 'rekor.example.com',
    });
    expect(one?.entry.window).to.deep.equal({ start: 7 });
    const two = await outsideLog({ rekor: 'http://localhost:3003', rekorKey: at('ed25519') }, 7);
    expect(two?.service).to.include({ url: 'http://localhost:3003', majorApiVersion: 2 });
    expect(two?.entry.keyDetails).to.equal('PKIX_ED25519');
  });

  it('is known of version 2 by its host without the port, so that another port is the same log', async () => {
    const idOf = async (rekor: string): Promise<string> =>
      toHex((await outsideLog({ rekor, rekorKey: at('ed25519') }, 0))?.entry.logId ?? new Uint8Array());
    expect(await idOf('http://localhost:3003')).to.equal(await idOf('https://localhost'));
    expect(await idOf('http://localhost:3003')).to.not.equal(await idOf('http://127.0.0.1:3003'));
  });

  const wrong: readonly (readonly [string, OutsideLogOptions, RegExp])[] = [
    ['a URL alone', { rekor: 'https://x' }, /belong together/],
    ['a key alone', { rekorKey: 'p256' }, /belong together/],
    ['a version alone', { rekorVersion: '1' }, /belong together/],
    ['what is no URL', { rekor: 'x', rekorKey: 'p256' }, /--rekor: "x" is not/],
    ['a key that is not there', { rekor: 'https://x', rekorKey: 'gone' }, /--rekor-key: .* does not exist/],
    ['what is no key', { rekor: 'https://x', rekorKey: 'nothing' }, /no public key in PEM/],
    ['a key of another kind', { rekor: 'https://x', rekorKey: 'p384' }, /P-256 or Ed25519/],
    ['version 3', { rekor: 'https://x', rekorKey: 'p256', rekorVersion: '3' }, /--rekor-version/],
    ['version 1 with Ed25519', { rekor: 'https://x', rekorKey: 'ed25519', rekorVersion: '1' }, /ECDSA/],
  ];
  for (const [what, options, says] of wrong)
    it(`refuses ${what}`, async () => {
      const { rekorKey, ...rest } = options;
      const named = rekorKey === undefined ? rest : { ...rest, rekorKey: at(rekorKey) };
      const thrown: unknown = await outsideLog(named, 0).catch((error: unknown) => error);
      expect(thrown).to.be.instanceOf(CommandError).with.property('code', 'USAGE');
      expect((thrown as CommandError).message).to.match(says);
    });
});
