import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateLog, certificateLogs, setCurrentLog } from '../../instance/certificate-logs.ts';
import { createDataDirectory } from '../../instance/create-data-directory.ts';
import { DataDirectoryError } from '../../instance/data-directory-error.ts';
import { openDataDirectory, type DataDirectory } from '../../instance/data-directory.ts';
import { failureAs } from '../support/failure.ts';

describe('instance/certificate-logs', () => {
  let data: string;
  beforeEach(async () => {
    data = join(await mkdtemp(join(tmpdir(), 'mayfly-logs-')), 'data');
    await createDataDirectory(data, 'production', Date.now, () => Promise.resolve());
  });
  afterEach(() => rm(join(data, '..'), { recursive: true }));

  const open = async (...names: readonly string[]): Promise<DataDirectory> => {
    for (const name of names) await mkdir(join(data, 'logs', name));
    return openDataDirectory(data);
  };
  const refusal = async (work: () => Promise<unknown>): Promise<string> => {
    const { code, message, hint = '' } = await failureAs(DataDirectoryError, work());
    return `${code} ${message} ${hint}`;
  };
  const setTo = (text: string): Promise<void> => writeFile(join(data, 'logs', '.current'), text);

  it('takes the only log for the one in use, beside what an interrupted making left', async () => {
    const directory = await open('2026', '.2027-x');
    expect(certificateLog(directory)).to.include({
      name: '2026',
      directory: join(data, 'logs', '2026'),
      ecdsaKey: join(data, 'keys', 'log-2026-ecdsa.key.pem'),
    });
    expect(certificateLogs(directory).map(({ name }) => name)).to.deep.equal(['2026']);
  });

  it('takes of several the one that logs/.current names, or the one that is asked for', async () => {
    await open('2026', '2027', '2028');
    await setCurrentLog((await openDataDirectory(data)).paths, '2027');
    expect(await readFile(join(data, 'logs', '.current'), 'utf8')).to.equal('2027\n');
    // The service may be another user than the one whose command wrote it.
    expect((await stat(join(data, 'logs', '.current'))).mode & 0o777).to.equal(0o644);
    const directory = await openDataDirectory(data);
    expect(certificateLog(directory).name).to.equal('2027');
    expect(certificateLog(directory, '2026').name).to.equal('2026');
    expect(certificateLogs(directory).map(({ name }) => name)).to.deep.equal(['2026', '2027', '2028']);
  });

  it('refuses to guess, and names what there is', async () => {
    expect(await refusal(async () => certificateLog(await open()))).to.match(
      /^DIRECTORY_DAMAGED .* holds no log/,
    );
    expect(await refusal(async () => certificateLog(await open('2026', '2027')))).to.match(
      /^DIRECTORY_DAMAGED .*several logs \(2026, 2027\)/,
    );
    await setTo('2025\n');
    expect(await refusal(async () => certificateLog(await open()))).to.match(
      /^DIRECTORY_DAMAGED .*"2025".*2026, 2027/,
    );
    await setTo('2027');
    expect(await refusal(async () => certificateLog(await open(), '../keys'))).to.match(
      /^DIRECTORY_LOG .*"\.\.\/keys" Name one of these: 2026, 2027/,
    );
  });

  it('reads no endless or hostile logs/.current', async () => {
    await setTo('x'.repeat(300));
    expect(await refusal(() => open('2026'))).to.match(/^DIRECTORY_UNREADABLE .*\.current/);
    await setTo('\u001b[31m2026');
    expect(await refusal(async () => certificateLog(await open()))).to.include('"\\u{1b}[31m2026"');
  });
});
