import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { testLog } from '../ct-log/support/test-log.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const STORE = new URL(`../../ct-log/sqlite-commit-store.${extension}`, import.meta.url);

describe('storage/worker-channel', () => {
  it('starts its threads whatever flags the process was started with', async () => {
    const test = await testLog();
    const script = `
      import { sqliteCommitStore } from ${JSON.stringify(STORE.href)};
      const [directory, logId] = JSON.parse(process.env.STORE);
      const store = sqliteCommitStore(directory, Buffer.from(logId, 'hex'));
      console.log((await store.load()).head.size);
      await store.close();
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--expose-gc', '--eval', script],
      { env: { STORE: JSON.stringify([test.directory, Buffer.from(test.identity.logId).toString('hex')]) } },
    );
    expect(stdout).to.equal('0\n');
    await test.remove();
  });
});
