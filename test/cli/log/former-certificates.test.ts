/** `mayfly log watch` and `search` in a directory with former certificate logs; over a whole service in `certificate-rotation.long.test.ts`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { list } from '../../../cli/log/log-entries.ts';
import { proof } from '../../../cli/log/log-proof.ts';
import { searchLogs } from '../../../cli/log/log-search.ts';
import { show } from '../../../cli/log/log-show.ts';
import { watch } from '../../../cli/log/log-watch.ts';
import { CommandError } from '../../../cli/program/command.ts';
import { openCtLog } from '../../../ct-log/ct-log.ts';
import { setCurrentLog } from '../../../instance/certificate-logs.ts';
import { certificateLogPaths, dataPaths } from '../../../instance/data-paths.ts';
import { openLogKeys } from '../../../instance/open-key.ts';
import { entry, ISSUER } from '../../ct-log/support/test-log.ts';
import { addLog, makeDataDirectory } from '../../support/data-directory.ts';
import { failureAs } from '../../support/failure.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

describe('cli: former certificate logs of a directory', () => {
  let root: string;
  let data: string;
  let speak = listener();
  const found = (): string[] => speak.records.map(({ log, index }) => `${String(log)} ${String(index)}`);
  const add = async (name: string, ...numbers: readonly number[]): Promise<void> => {
    const paths = certificateLogPaths(dataPaths(data), name);
    const signers = await openLogKeys(paths, undefined);
    const log = await openCtLog({ directory: paths.directory, signers, chain: [ISSUER], clock: Date.now });
    await Promise.all(numbers.map((number) => log.append(entry(number))));
    await log.close();
  };
  const rotate = async (name: string): Promise<void> => {
    await addLog(dataPaths(data), `localhost/log/${name}`);
    await setCurrentLog(dataPaths(data), name);
  };
  const round = async (): Promise<string[]> => {
    speak = listener();
    await watch({ data, state: join(root, 'state.json'), once: true }, speak);
    return found();
  };
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-former-'));
    data = join(root, 'data');
    await makeDataDirectory(data);
    await add('2026', 1, 2);
  });
  afterEach(() => rm(root, { recursive: true }));

  it('are read on to their end before the next one begins', async () => {
    expect(await round()).to.deep.equal([]);
    await add('2026', 3);
    await rotate('2027');
    await add('2027', 4);
    await rotate('2028');
    await add('2028', 5);
    expect(await round()).to.deep.equal(['certificates-2026 2', 'certificates-2027 0', 'certificates 0']);
    expect(await round()).to.deep.equal([]);
  });

  it('are missed, and no other log is, where one is gone that was read before', async () => {
    await round();
    await rotate('2027');
    await add('2027', 4);
    await rm(join(data, 'logs', '2026'), { recursive: true });
    const failure = await failureAs(CommandError, round());
    expect(failure.message).to.equal(
      'the log localhost/log/2026 (certificates), which was read before, is not there any more',
    );
    expect(found()).to.deep.equal(['certificates 0']);
  });

  it('are searched, unless one log is named', async () => {
    await rotate('2027');
    await add('2027', 4);
    const search = async (options: { readonly log?: string }): Promise<string[]> => {
      speak = listener();
      await searchLogs({ data, in: ['certificates'], ...options }, speak);
      return found();
    };
    expect(await search({})).to.deep.equal(['certificates-2026 0', 'certificates-2026 1', 'certificates 0']);
    expect(await search({ log: '2027' })).to.deep.equal(['certificates 0']);
  });

  it('are found in a copy of the logs without the rest of the directory', async () => {
    await rotate('2027');
    await rm(join(data, 'mayfly.json'));
    speak = listener();
    await list({ data }, speak);
    expect(speak.heard.at(-1)).to.match(/^warning: what was logged before is in the former log 2026, /);
    speak = listener();
    await searchLogs({ data, in: ['certificates'] }, speak);
    expect(found()).to.deep.equal(['certificates-2026 0', 'certificates-2026 1']);
  });

  it('are not looked for by what is no certificate, which is named', async () => {
    const file = join(root, 'notes.txt');
    // Its first character is the tag of a DER sequence.
    await writeFile(file, '0 certificates\n');
    const message = `${file} is no certificate that can be read: a DER value ends too early`;
    for (const log of [undefined, '2026']) {
      const target = { data, ...(log === undefined ? {} : { log }) };
      for (const work of [
        proof(target, listener(), [file]),
        show({ ...target, certificate: file }, listener(), []),
      ])
        expect(await failureAs(CommandError, work)).to.include({ code: 'USAGE', message });
    }
  });
});
