import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readAdmittedKeys } from '../../service/admitted-keys.ts';
import { KeyFileError } from '../../signers/key-error.ts';
import { failureAs } from '../support/failure.ts';

const pemOf = (key: KeyObject): string =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString();
const keyPair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

describe('service/admitted-keys', () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-admitted-'));
  });
  after(() => rm(root, { recursive: true }));

  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(root, name), content);
    return join(root, name);
  };

  it('reads every key of every file, in their order', async () => {
    const keys = [keyPair(), keyPair(), generateKeyPairSync('ed25519')].map(({ publicKey }) => publicKey);
    const pems = keys.map(pemOf);
    const files = [
      await file('two.pem', pems.slice(0, 2).join('a comment\n')),
      await file('one.pem', pems[2] ?? ''),
    ];
    const read = await readAdmittedKeys(files);
    expect(read.map((der) => Buffer.from(der).toString('base64'))).to.deep.equal(
      keys.map((key) => key.export({ type: 'spki', format: 'der' }).toString('base64')),
    );
    expect(await readAdmittedKeys([])).to.deep.equal([]);
  });

  const { privateKey, publicKey } = keyPair();
  const wrong: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['a private key', pemOf(privateKey)],
    ['a private key behind a public one', pemOf(publicKey) + pemOf(privateKey)],
    ['no key in its block', '-----BEGIN PUBLIC KEY-----\nQUJD\n-----END PUBLIC KEY-----\n'],
    ['a key on another curve', pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)],
    ['more keys than a file may have', pemOf(publicKey).repeat(17)],
    ['a block that does not end', '-----BEGIN PUBLIC KEY-----\nQUJD\n'],
  ];
  for (const [what, content] of wrong)
    it(`refuses a file with ${what}, and shows nothing of it`, async () => {
      const error = await failureAs(KeyFileError, readAdmittedKeys([await file('wrong.pem', content)]));
      expect(error.code).to.equal('KEY_FILE_MALFORMED');
      expect(error.message).to.contain('wrong.pem').and.to.not.contain('PRIVATE');
    });

  it('refuses a file that is not there', async () => {
    const error = await failureAs(KeyFileError, readAdmittedKeys([join(root, 'missing.pem')]));
    expect(error.message).to.contain('missing.pem');
  });
});
