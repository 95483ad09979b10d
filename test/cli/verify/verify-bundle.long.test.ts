/** `mayfly verify bundle` as a program: what it ends with, and that it asks no network whatever it is given. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodeBundle } from '../../../bundle/format/bundle-json.ts';
import { encodeTrustedRoot } from '../../../trust/format/trusted-root.ts';
import { runMayfly, type MayflyResult } from '../../support/mayfly.ts';
import { IDENTITY, ISSUER } from '../../support/verify-world.ts';
import { ARTIFACT, bundleWorld, messageBundle } from '../../verify/bundle/support/bundle-world.ts';

/** Loaded first: a process that connects anywhere, or asks for the address of a name, ends with 99. */
const OFFLINE = `
import dns from 'node:dns';
import net from 'node:net';
const end = () => process.exit(99);
net.Socket.prototype.connect = end;
dns.lookup = end;
dns.promises.lookup = end;
`;

const world = bundleWorld();

describe('mayfly verify bundle, the program', function () {
  this.timeout(60_000);
  let cwd: string;
  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-verify-bundle-'));
    const files: Record<string, string | Uint8Array> = {
      artifact: ARTIFACT,
      other: 'other',
      'good.json': encodeBundle(messageBundle({}, world)),
      'root.json': encodeTrustedRoot(world.trustedRoot),
      'offline.mjs': OFFLINE,
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(cwd, name), content);
  });
  after(() => rm(cwd, { recursive: true }));

  const offline = (...words: readonly string[]): Promise<MayflyResult> =>
    runMayfly(words, { cwd, env: { NODE_OPTIONS: `--import=${join(cwd, 'offline.mjs')}` } });
  const verify = (artifact: string, ...more: readonly string[]): Promise<MayflyResult> =>
    offline('verify', 'bundle', 'good.json', '--artifact', artifact, '--trusted-root', 'root.json', ...more);
  const whom = ['--identity', IDENTITY, '--issuer', ISSUER];

  it('ends with 0 where every step passed, 1 where one failed, and 2 where it was used wrongly or a file is missing', async () => {
    const good = await verify('artifact', ...whom, '--json');
    expect(good.code, good.stderr).to.equal(0);
    expect(JSON.parse(good.stdout)).to.include({ ok: true, identity: IDENTITY, issuer: ISSUER });
    expect((await verify('artifact', '--any-identity')).code).to.equal(0);
    const other = await verify('other', ...whom);
    expect([other.code, other.stdout]).to.satisfy(
      ([code, text]: [unknown, string]) => code === 1 && /^FAILED {2}signature/m.test(text),
    );
    const foreign = await verify('artifact', '--identity', 'mallory@example.com', '--issuer', ISSUER);
    expect(foreign.code).to.equal(1);
    expect((await verify('artifact')).code, 'no identity').to.equal(2);
    expect((await verify('nothing', ...whom)).code, 'no such file').to.equal(2);
  });

  it('would be seen to ask the network', async () => {
    const asked = await offline(
      'certificate',
      '--url',
      'http://127.0.0.1:9',
      '--out',
      'out',
      '--token-file',
      'other',
    );
    expect(asked.code).to.equal(99);
  });
});
