import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { ANYWHERE, runMayfly, startMayfly } from '../support/mayfly.ts';

/** What systemd listens with. Prints "listening", then each notice. */
const LISTENER = `
import socket, sys
notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notices.bind(sys.argv[1])
print("listening", flush=True)
while True: print(notices.recv(4096).decode().replace("\\n", " "), flush=True)
`;
import { skipUnless } from '../support/skipped.ts';

describe('service/service-manager: serve with NOTIFY_SOCKET', function () {
  this.timeout(60_000);
  let folder: string;
  let data: string;
  const children: ChildProcess[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mayfly-notify-'));
    data = join(folder, 'data');
    const { code, stderr } = await runMayfly([
      'init',
      '--data',
      data,
      '--root-key-out',
      join(folder, 'root.pem'),
    ]);
    expect(code, stderr).to.equal(0);
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  after(() => rm(folder, { recursive: true }));

  const serve = (env: Readonly<Record<string, string>>, ...words: string[]): ChildProcess => {
    const { child } = startMayfly(['serve', '--data', data, ...ANYWHERE, ...words], { env });
    children.push(child);
    return child;
  };

  /** Lines of a stream, one after the other. */
  function linesOf(stream: NodeJS.ReadableStream | null): () => Promise<string> {
    if (stream === null) throw new Error('no stream');
    const lines = createInterface({ input: stream })[Symbol.asyncIterator]();
    return async () => String((await lines.next()).value);
  }

  it('says that it is ready once it is, and not when it cannot start', async function () {
    const needed = ['python3', 'systemd-notify'].filter(
      (name) => spawnSync(name, ['--version']).status !== 0,
    );
    skipUnless(this, needed.length === 0, `there is no ${needed.join(', no ')}`);
    const socket = join(folder, 'notify');
    const listener = spawn('python3', ['-c', LISTENER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(listener);
    const next = linesOf(listener.stdout);
    expect(await next()).to.equal('listening');
    const refused = serve({ NOTIFY_SOCKET: socket }, '--config', '/nonexistent');
    expect(await new Promise((resolve) => refused.once('close', resolve))).not.to.equal(0);
    const ready = linesOf(serve({ NOTIFY_SOCKET: socket }, '--json').stdout);
    expect(await next()).to.match(/(^| )READY=1( |$)/);
    expect(JSON.parse(await ready())).to.include({ event: 'ready' });
  });

  it('goes on with a warning where nothing can send the notice', async () => {
    await writeFile(join(folder, 'none'), '');
    const child = serve({ NOTIFY_SOCKET: join(folder, 'none'), PATH: '/nonexistent' }, '--json');
    const next = linesOf(child.stderr);
    let line = '';
    while (!line.includes('warning: systemd-notify')) line = await next();
    expect(line).to.include('cannot notify the service manager that Mayfly is ready');
    child.kill('SIGTERM');
    expect(await new Promise((resolve) => child.once('close', resolve))).to.equal(0);
  });
});
