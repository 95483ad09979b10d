import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { environmentOf } from '../../../signers/pkcs11/start-token-process.ts';
import { moduleBeside } from '../../../storage/module-beside.ts';

/** Starts a process for a token when no file can be opened any more, and says what came of it. */
const EXHAUSTED = `
  const [{ TokenProcess }, { openSync }] = await Promise.all([import(process.argv[1]), import('node:fs')]);
  const files = () => { for (;;) openSync('/dev/null'); };
  try { files(); } catch (error) { console.log(error.code); }
  try { new TokenProcess(process.env); } catch (error) { console.log(error.code, error.message); }
  // An error without a listener would come within these turns.
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  console.log('goes on');
`;

describe('signers/pkcs11/start-token-process', function () {
  this.timeout(60_000);

  it('hands the module no credentials of other servers', () => {
    const secrets = Object.fromEntries(
      ['BAO_TOKEN', 'VAULT_SECRET_ID', 'PGPASSWORD', 'MAYFLY_X'].map((name) => [name, 's']),
    );
    const wanted = { PATH: '/bin', SOFTHSM2_CONF: 'conf', NODE_PATH: 'modules', AWS_PROFILE: 'kms' };
    expect(environmentOf({ ...secrets, ...wanted })).to.deep.equal(wanted);
  });

  it('leaves this process alive where file descriptors are used up', async function () {
    if (process.platform === 'win32') this.skip();
    const { url, execArgv } = moduleBeside(import.meta.url, '../../../signers/pkcs11/start-token-process');
    const words = [...execArgv, '--no-warnings', '--input-type=module', '--eval', EXHAUSTED, url.href];
    const limited = ['-c', 'ulimit -n 100; exec "$0" "$@"', process.execPath, ...words];
    const { stdout } = await promisify(execFile)('sh', limited);
    expect(stdout).to.match(/^EMFILE\nPKCS11_PROCESS .*could not be started.*EMFILE.*\ngoes on\n$/);
  });
});
