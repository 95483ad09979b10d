import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { KeyFileError } from '../../signers/key-error.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { generateKey } from '../../signers/key-types.ts';
import { KeyReferenceError } from '../../signers/key-reference.ts';
import { openSigner } from '../../signers/open-signer.ts';
import { SignerError } from '../../signers/signer-error.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { failureAs, failureOf } from '../support/failure.ts';

describe('signers/open-signer', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'mayfly-keys-'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  it('opens the key file at a path, with its passphrase, and names the file otherwise', async () => {
    const path = join(directory, 'log-2026:a.key.pem');
    writeFileSync(path, writeKeyPem(await generateKey('p256'), 'right'));
    expect((await openSigner(path, { passphrase: 'right' })).algorithm).to.equal('ecdsa-p256-sha256');
    const wrong = await failureAs(KeyFileError, openSigner(path, { passphrase: 'wrong' }));
    expect(wrong.code).to.equal('PASSPHRASE_WRONG');
    expect(wrong.message).to.include(path);
    const missing = await failureAs(FileFault, openSigner(`${path}.gone`));
    expect(missing).to.include({ code: 'ENOENT' });
    expect(missing.message).to.include(`${path}.gone`);
  });

  it('takes a scheme for a key that is elsewhere, never for a file', async () => {
    for (const key of ['awskms:alias/log', 'file:///keys/log.key.pem'])
      expect(await failureOf(openSigner(key))).to.be.instanceOf(KeyReferenceError);
    const missing = await failureAs(SignerError, openSigner('hashivault://log', { backends: {} }));
    expect(missing.code).to.equal('SIGNER_MISSING');
    expect(missing.message).to.include('hashivault://log');
  });
});
