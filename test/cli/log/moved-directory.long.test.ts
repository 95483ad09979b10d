/** A data directory goes to another machine, as docs/keys-and-backups.md says, and in ways that it warns of. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createDirectoryLog } from '../../../instance/create-artifact-log.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { fileIdentity } from '../../../storage/place-identity.ts';
import { recordTrust } from '../../../trust/ledger.ts';
import { emailConfig, makeDataDirectory } from '../../support/data-directory.ts';
import { machineEnvironment } from '../../support/machines.ts';
import { ANYWHERE, runMayfly, startMayfly, type MayflyResult } from '../../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import {
  giveToOrdinaryUser,
  needOrdinaryUser,
  ordinaryUser,
  type User,
} from '../../support/ordinary-user.ts';
import { commandsOf } from '../../support/procedures.ts';
import { skipUnless } from '../../support/skipped.ts';
import { bodyV2, clientKey, emailToken, post } from '../../support/test-service.ts';

describe('cli/log: a data directory that is moved or copied', function () {
  this.timeout(120_000);
  let root: string;
  let data: string;
  let there: string;
  let issuer: TestIssuer;
  let ending: TestIssuer | undefined;
  before(async function () {
    skipUnless(this, process.platform === 'linux', 'machines have no id here');
    issuer = await startIssuer();
    ending = issuer;
  });
  after(() => ending?.close());
  beforeEach(async function () {
    root = await mkdtemp(join(tmpdir(), 'mayfly-moved-'));
    skipUnless(this, fileIdentity(root) !== undefined, 'files have no time of their making here');
    [data, there] = [join(root, 'data'), join(root, 'there')];
    await makeDataDirectory(data, { config: emailConfig(issuer.url) });
    const paths = dataPaths(data);
    const log = { api: 2, host: 'ca.example.org', passphrase: undefined, clock: Date.now } as const;
    await createDirectoryLog(paths, log);
    await recordTrust(paths);
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  type Machine = Readonly<Record<string, string>>;
  const machine = (id: string | undefined): Machine => machineEnvironment(join(root, 'machines'), id);
  const [A, B] = [(): Machine => machine('a'.repeat(32)), (): Machine => machine('b'.repeat(32))];
  const serve = ['serve', ...ANYWHERE, '--json', '--data'];

  /** A certificate from a service that starts and ends; resolves with its service log. */
  const issue = async (directory: string, env: Machine, user?: User): Promise<string> => {
    const program = startMayfly([...serve, directory], { env, user });
    const { url } = JSON.parse(await program.firstLine) as { url: string };
    const body = bodyV2(await emailToken({ issuer }), clientKey());
    expect((await post(`${url}/api/v2/signingCert`, body)).status).to.equal(200);
    program.child.kill('SIGTERM');
    expect(await program.ended, program.stderr()).to.equal(0);
    return program.stderr();
  };
  const copy = (from: string, to: string): void => {
    execFileSync('cp', ['-a', from, to]);
  };
  const refusal = async (directory: string, env: Machine): Promise<string> => {
    const { code, stdout } = await runMayfly([...serve, directory], { env });
    expect(code).to.equal(1);
    return (JSON.parse(stdout) as { error: { code: string } }).error.code;
  };
  const inWords = (command: string, directory: string): readonly string[] =>
    command.replaceAll('DIR', directory).split(' ').slice(1);
  const run = async (command: string, directory: string, env: Machine): Promise<MayflyResult> =>
    runMayfly(inWords(command, directory), { env });

  it('goes to another machine by the procedure, which the start there demands', async () => {
    await issue(data, A());
    copy(data, there);
    await rename(data, join(root, 'former'));
    expect(await refusal(there, B())).to.equal('LOG_COPIED');
    const looked = await run('mayfly log adopt --data DIR', there, B());
    expect(looked.code).to.equal(1);
    expect(looked.stdout).to.contain('Nothing was changed').and.contain('in use last: on another machine');
    expect(await refusal(there, B())).to.equal('LOG_COPIED');
    const [commands = ''] = await commandsOf('Moving to another machine');
    expect(commands).to.contain('log adopt');
    for (const command of commands.split('\n')) {
      const { code, stdout, stderr } = await run(command.replace(/ +#.*/, ''), there, B());
      expect(code, stdout + stderr).to.equal(0);
    }
    expect(await issue(there, B())).to.contain('taken into use by `mayfly log adopt`');
    expect(await issue(there, B())).to.not.contain('adopt');
    const again = await run('mayfly log adopt --data DIR --i-stopped-the-other', there, B());
    expect(again).to.include({
      code: 0,
      stdout: 'No log of this directory is a copy: all are in use here.\n',
    });
  });

  it('is said and not refused in containers, and on one machine; a restart in place says nothing', async () => {
    const container = machine(undefined);
    expect(await issue(data, A())).to.not.contain('copy');
    expect(await issue(data, container), 'the same volume').to.not.contain('copy');
    copy(data, there);
    expect(await issue(there, container)).to.contain('is not the file that was in use last, but a copy');
    expect(await issue(there, container)).to.not.contain('copy');
    copy(there, join(root, 'third'));
    expect(await issue(join(root, 'third'), A())).to.contain('but a copy');
  });

  it('is refused beside the service that it was copied from, also by the command that takes a copy into use', async () => {
    const program = startMayfly([...serve, data], { env: machine(undefined) });
    await program.firstLine;
    copy(data, there);
    expect(await refusal(there, machine(undefined))).to.equal('LOG_COPIED');
    const adopt = await run('mayfly log adopt --data DIR --i-stopped-the-other', there, machine(undefined));
    expect(adopt.code).to.equal(1);
    expect(adopt.stderr).to.contain('is in use').and.contain('copy the directory again');
    program.child.kill('SIGTERM');
    await program.ended;
  });

  it('is open where it was before in a folder that the service may not look into', async function () {
    needOrdinaryUser(this);
    const hidden = join(root, 'hidden');
    await mkdir(hidden);
    await rename(data, join(hidden, 'data'));
    await issue(join(hidden, 'data'), machine(undefined));
    copy(join(hidden, 'data'), there);
    await giveToOrdinaryUser(root);
    await chmod(root, 0o755);
    await chmod(hidden, 0);
    expect(await issue(there, machine(undefined), ordinaryUser)).to.contain('but a copy');
    await chmod(hidden, 0o700);
  });

  it('goes from the machine of the ceremony to that of the service without a question', async () => {
    const [ceremony = ''] = await commandsOf('Root key ceremony');
    const [init = '', move = ''] = ceremony.split('\n');
    expect(move).to.match(/^rsync -a /);
    for (const file of ['passphrase', 'root-passphrase'])
      await writeFile(join(root, file), `${file} of a test\n`);
    const words = [...init.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word).slice(1);
    const made = await runMayfly(words, { cwd: root, env: A() });
    expect(made.code, made.stderr).to.equal(0);
    const offline = join(root, 'mayfly-data');
    const secret = ['--passphrase-file', join(root, 'passphrase')];
    const rotate = ['log', 'rotate', '--data'];
    const staged = await runMayfly([...rotate, offline, '--stage', ...secret], { env: A() });
    expect(staged.code, staged.stderr).to.equal(0);
    await rm(there, { recursive: true, force: true });
    copy(offline, there);
    await rename(offline, join(root, 'former'));
    const start = async (): Promise<void> => {
      const program = startMayfly([...serve, there, ...secret], { env: B() });
      await program.firstLine;
      program.child.kill('SIGTERM');
      expect(await program.ended, program.stderr()).to.equal(0);
      expect(program.stderr()).to.not.contain('on another machine');
    };
    await start();
    const switched = await runMayfly([...rotate, there, '--switch', ...secret], { env: B() });
    expect(switched.code, switched.stderr).to.equal(0);
    await start();
  });
});
