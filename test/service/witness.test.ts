/** A witness of the logs of others in a whole service. */
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { logKeys } from '../../ct-log/log-keys.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { parseCheckpoint } from '../../tlog/format/checkpoint.ts';
import { encodeVkey } from '../../tlog/format/vkey.ts';
import { parseWitnessPolicy } from '../../tlog/format/witness-policy.ts';
import { requireQuorum } from '../../tlog/tree/cosignatures.ts';
import { createWitness, openWitness } from '../../witness/witness-directory.ts';
import { entry, testLog, type TestLog } from '../ct-log/support/test-log.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { failureAs } from '../support/failure.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';

describe('service: a witness of the logs of others', function () {
  this.timeout(30_000);
  let root: string;
  let test: TestLog;
  let service: QuietService | undefined;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-service-witness-'));
    test = await testLog();
  });
  afterEach(async () => {
    await service?.close();
    service = undefined;
    await test.remove();
    await rm(root, { recursive: true, force: true });
  });

  const start = async (): Promise<string> => {
    service = await openQuietly(join(root, 'data'));
    for (;;) {
      const line = service.lines.find(({ event }) => event === 'witness serves');
      if (line !== undefined) return String(line['url']);
      await delay(20);
    }
  };

  it('cosigns by the rules of `mayfly witness`, remembers, and has its directory alone', async () => {
    const directory = join(root, 'witness');
    const vkey = await createWitness(directory, 'w.example/1', 'a passphrase');
    const [, key] = logKeys(test.identity);
    await writeFile(join(directory, 'logs'), `log ${encodeVkey(key)}\n`);
    await writeFile(join(root, 'passphrase'), 'a passphrase\n', { mode: 0o600 });
    const settings = `{ directory: ${directory}, listen: "127.0.0.1:0", passphrase-file: ${join(root, 'passphrase')} }`;
    await makeDataDirectory(join(root, 'data'), {
      config: emailConfig('https://issuer.example', `{ witness: ${settings} }`),
    });
    let url = await start();
    const policy = () => parseWitnessPolicy(sha256, `witness w ${encodeVkey(vkey)} ${url}\nquorum w`);
    const open = () => test.open({ witnesses: { policy: policy(), isRequired: true, timeoutMs: 5000 } });
    const log = await open();
    await log.append(entry(0));
    expect(requireQuorum(parseCheckpoint(log.reader.checkpoint()), policy()).length).to.equal(1);
    await log.close();
    const refused = await failureAs(LogError, openWitness(directory, 'a passphrase', Date.now));
    expect(refused.code).to.equal('LOG_LOCKED');
    await service?.close();
    url = await start();
    const again = await open();
    expect((await again.append(entry(1))).index).to.equal(1);
    await again.close();
  });
});
