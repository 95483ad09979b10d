import { expect } from 'chai';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDataDirectory } from '../../instance/create-data-directory.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { DataDirectoryError, systemFault } from '../../instance/data-directory-error.ts';
import { dataPaths } from '../../instance/data-paths.ts';
import { giveToOrdinaryUser, needOrdinaryUser, refusalAsOrdinaryUser } from '../support/ordinary-user.ts';
import { failureOf } from '../support/failure.ts';

const clock = (): number => Date.parse('2026-11-22T10:00:00Z');

describe('instance/data-directory', () => {
  let directory: string;
  let data: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-data-'));
    data = join(directory, 'data');
  });
  afterEach(() => rm(directory, { recursive: true }));

  const make = (build: () => Promise<unknown> = () => Promise.resolve()): Promise<unknown> =>
    createDataDirectory(data, 'production', clock, build);
  const refusal = async (attempt: Promise<unknown>): Promise<DataDirectoryError> => {
    const error: unknown = await attempt.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(DataDirectoryError);
    expect((error as DataDirectoryError).hint).to.be.a('string');
    return error as DataDirectoryError;
  };
  const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

  it('makes a directory for its owner alone, and opens it', async () => {
    await make();
    const opened = await openDataDirectory(data, { mode: 'production', write: true });
    expect(opened.marker).to.deep.equal({ version: 1, mode: 'production', createdAt: clock() });
    expect(opened.warnings).to.deep.equal([]);
    expect(JSON.parse(await readFile(opened.paths.marker, 'utf8'))).to.deep.equal({
      version: 1,
      mode: 'production',
      createdAt: '2026-11-22T10:00:00Z',
    });
    for (const path of [data, opened.paths.keys, opened.paths.logs]) expect(await mode(path)).to.equal(0o700);
    expect(await mode(opened.paths.marker)).to.equal(0o600);
  });

  it('takes an empty directory, a fresh file system included', async () => {
    await mkdir(join(data, 'lost+found'), { recursive: true });
    await make();
    expect((await openDataDirectory(data)).logNames).to.deep.equal([]);
  });

  it('never overwrites', async () => {
    await make();
    expect((await refusal(make())).code).to.equal('DIRECTORY_EXISTS');
    await openDataDirectory(data);
    const foreign = join(directory, 'foreign');
    await mkdir(foreign);
    await writeFile(join(foreign, 'thesis.txt'), 'mine');
    const attempt = createDataDirectory(foreign, 'dev', clock, () => Promise.resolve());
    expect((await refusal(attempt)).code).to.equal('DIRECTORY_FOREIGN');
    expect(await readFile(join(foreign, 'thesis.txt'), 'utf8')).to.equal('mine');
  });

  it('says of a directory whose making was interrupted that it is unfinished', async () => {
    await mkdir(data);
    await writeFile(dataPaths(data).unfinished, '');
    expect((await refusal(openDataDirectory(data))).code).to.equal('DIRECTORY_UNFINISHED');
    expect((await refusal(make())).code).to.equal('DIRECTORY_UNFINISHED');
  });

  it('lets only one of two makers in', async () => {
    const outcomes = await Promise.allSettled([make(), make()]);
    expect(outcomes.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected']);
    await openDataDirectory(data);
  });

  it('removes what was made when the making fails', async () => {
    const build = async (): Promise<never> => {
      await writeFile(join(data, 'keys', 'x'), 'x');
      throw new Error('no power left');
    };
    const error: unknown = await failureOf(make(build));
    expect(error).to.have.property('message', 'no power left');
    expect((await refusal(openDataDirectory(data))).code).to.equal('DIRECTORY_MISSING');
  });

  it('takes a finished directory whose note of the making was not removed', async () => {
    await make();
    await writeFile(dataPaths(data).unfinished, '');
    expect((await openDataDirectory(data)).marker.mode).to.equal('production');
  });

  const DAMAGES: readonly (readonly [
    name: string,
    code: string,
    damage: () => Promise<unknown>,
    part: string,
  ])[] = [
    ['missing', 'DIRECTORY_MISSING', () => Promise.resolve(), 'there is no directory'],
    ['empty', 'DIRECTORY_MISSING', () => mkdir(data), 'is empty'],
    ['a file', 'DIRECTORY_FOREIGN', () => writeFile(data, ''), 'is a file'],
    [
      'somebody else',
      'DIRECTORY_FOREIGN',
      () => mkdir(join(data, 'x'), { recursive: true }),
      'is not a Mayfly data directory',
    ],
    ['of a newer version', 'DIRECTORY_TOO_NEW', () => mark('{"version":2}'), 'has version 2'],
    ['with a damaged marker', 'DIRECTORY_DAMAGED', () => mark('{"version":1,'), 'cannot be understood'],
    [
      'with a marker of no time',
      'DIRECTORY_DAMAGED',
      () => mark('{"version":1,"mode":"dev","createdAt":"now"}'),
      'cannot be understood',
    ],
    ['with a marker that is null', 'DIRECTORY_DAMAGED', () => mark('null'), 'cannot be understood'],
  ];
  async function mark(text: string): Promise<void> {
    await make();
    await writeFile(dataPaths(data).marker, text);
  }
  for (const [name, code, damage, part] of DAMAGES)
    it(`refuses a directory that is ${name}`, async () => {
      await damage();
      const error = await refusal(openDataDirectory(data));
      expect([error.code, error.message.includes(part)]).to.deep.equal([code, true]);
    });

  it('refuses a directory of the other mode', async () => {
    await createDataDirectory(data, 'dev', clock, () => Promise.resolve());
    const error = await refusal(openDataDirectory(data, { mode: 'production' }));
    expect(error.message).to.include('was made by `mayfly dev`');
    const production = join(directory, 'production');
    await createDataDirectory(production, 'production', clock, () => Promise.resolve());
    expect((await refusal(openDataDirectory(production, { mode: 'dev' }))).code).to.equal('DIRECTORY_MODE');
  });

  it('refuses a directory out of reach', async function () {
    needOrdinaryUser(this);
    await make();
    await giveToOrdinaryUser(directory);
    const attempt = (options = {}): string | undefined =>
      refusalAsOrdinaryUser('instance/data-directory', 'openDataDirectory', data, options)?.code;
    await chmod(data, 0o500);
    expect([attempt({ write: true }), attempt()]).to.deep.equal(['DIRECTORY_UNWRITABLE', undefined]);
    await chmod(data, 0o000);
    expect(attempt()).to.equal('DIRECTORY_UNREADABLE');
    await chmod(data, 0o700);
    expect(attempt({ write: true })).to.equal(undefined);
  });

  it('says of a file that is missing that it does not exist, and of one that cannot be made why', () => {
    const hintOf = (doing: 'read' | 'write'): string | undefined =>
      systemFault('ca/chain.pem', doing, Object.assign(new Error('no such file'), { code: 'ENOENT' })).hint;
    expect(hintOf('read')).to.match(/^It does not exist\..*backup/);
    expect(hintOf('write')).to.match(/^A directory on the way to it does not exist/);
  });

  it('warns of a root key on a server and of keys that others may read', async () => {
    await make();
    const { rootKey, intermediateKey } = dataPaths(data);
    await writeFile(rootKey, 'x', { mode: 0o600 });
    await writeFile(intermediateKey, 'x');
    await chmod(intermediateKey, 0o640);
    const { warnings } = await openDataDirectory(data);
    expect(warnings).to.have.length(2);
    expect(warnings[0]).to.include('the root key lies on the server');
    expect(warnings[1]).to.include(`chmod 600 ${intermediateKey}`);
  });

  it('warns of a key whose chain, repository or log is not there, as in half a copy', async () => {
    await make();
    const { keys, timestampKey, timestampChain, tufOnlineKey, artifacts } = dataPaths(data);
    for (const key of [timestampKey, tufOnlineKey, join(keys, 'artifacts-v1-2.key.pem')])
      await writeFile(key, 'x', { mode: 0o600 });
    await writeFile(join(keys, 'artifacts-v2.key.pem'), 'x', { mode: 0o600 });
    await mkdir(join(artifacts, 'v2'), { recursive: true });
    const { warnings } = await openDataDirectory(data);
    expect(warnings.map((line) => line.slice(0, line.indexOf(' is not:')))).to.deep.equal([
      `${timestampKey} is there, and ${timestampChain}`,
      `${tufOnlineKey} is there, and ${join(data, 'tuf', 'timestamp.json')}`,
      `${join(keys, 'artifacts-v1-2.key.pem')} is there, and ${join(artifacts, 'v1-2')}`,
    ]);
    await writeFile(join(artifacts, 'v1-2.next.json'), '');
    expect((await openDataDirectory(data)).warnings).to.have.length(2);
  });
});
