/** The script of docs/tuf.md that copies a repository, run to the letter while somebody publishes. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { KeyObject } from 'node:crypto';
import { expect } from 'chai';
import { generateKey } from '../../../signers/key-types.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import { requireRepository } from '../../../trust/tuf/import-change.ts';
import { projectRoot } from '../../support/project-root.ts';
import { skipUnless } from '../../support/skipped.ts';
import {
  change,
  contents,
  Mirror,
  removeScratch,
  scratchDirectory,
  stockClients,
  testRepository,
  withRenames,
  type TestRepository,
} from './support/repository.ts';

const SCRIPT = /^```\n(#!\/bin\/sh\n# Usage: mirror\.sh[^]*?)^```$/m;

/** A program that waits before it does its work or after: at the moment whose number is in `at`. */
const PAUSING = (real: string): string => `#!/bin/sh
moment() {
  echo >> "$SCRATCH/moments"
  [ "$(wc -l < "$SCRATCH/moments")" -eq "$(cat "$SCRATCH/at")" ] || return
  touch "$SCRATCH/paused"
  until [ -e "$SCRATCH/go" ]; do /bin/sleep 0.05; done
}
moment
${real} "$@"
result=$?
moment
exit $result
`;

describe('trust/tuf: a mirror', function () {
  this.timeout(180_000);
  let scratch: string;
  beforeEach(function () {
    skipUnless(this, process.platform !== 'win32', 'there is no sh');
    scratch = scratchDirectory();
    const script = SCRIPT.exec(readFileSync(join(projectRoot, 'docs/tuf.md'), 'utf8'))?.[1];
    expect(script).to.be.a('string');
    writeFileSync(join(scratch, 'mirror.sh'), script ?? '');
    mkdirSync(join(scratch, 'bin'));
    for (const name of ['cp', 'cmp', 'mv']) {
      const real = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
      writeFileSync(join(scratch, 'bin', name), PAUSING(real), { mode: 0o755 });
    }
    writeFileSync(join(scratch, 'bin', 'sleep'), '#!/bin/sh\n', { mode: 0o755 });
    writeFileSync(join(scratch, 'at'), '0');
  });
  afterEach(removeScratch);

  it('is whole after each copy, whenever somebody publishes meanwhile', async () => {
    const made = await testRepository(Date.now() - 86_400_000);
    const to = join(scratch, 'www');
    const server = await Mirror.start();
    try {
      server.show(await made.read());
      const clients = stockClients(server.url, server.files.get('root.json') ?? new Uint8Array());
      let online = made.onlineKey;
      let hasPaused = true;
      for (let at = 1; hasPaused; at++) {
        for (const name of ['moments', 'paused', 'go']) rmSync(join(scratch, name), { force: true });
        writeFileSync(join(scratch, 'at'), String(at));
        const copying = copy(scratch, made.directory, to);
        hasPaused = await hasStopped(scratch, copying);
        // Also one whose root does not count together with the timestamp of before.
        if (hasPaused) online = await publishTwice(made, online, at);
        writeFileSync(join(scratch, 'go'), '');
        expect(await copying.ended, `published at moment ${at}`).to.equal(0);
        server.show({ files: filesIn(to) });
        for (const client of clients) await client.fetch('trusted_root.json');
        if (!hasPaused) expect(at).to.be.greaterThan(16);
      }
      const last = await requireRepository(to);
      expect(last.timestamp.signed.version).to.equal((await made.read()).timestamp.signed.version);
    } finally {
      server.stop();
    }
  });

  it('stays as it was while a root is there that does not count yet', async () => {
    const made = await testRepository(Date.now() - 86_400_000);
    const to = join(scratch, 'www');
    expect(await copy(scratch, made.directory, to).ended).to.equal(0);
    const next = await generateKey('p256');
    const onlineKey = localSigner(next).publicKey;
    const online = [made.onlineKey, next];
    for (let renames = 1; !existsSync(join(made.directory, '2.root.json')); renames++)
      await withRenames(renames, () => change(made, { onlineKey }, { online }));
    const before = filesIn(to);
    expect(await copy(scratch, made.directory, to).ended).to.equal(1);
    expect(filesIn(to)).to.deep.equal(before);
    await change(made, { onlineKey }, { online });
    expect(await copy(scratch, made.directory, to).ended).to.equal(0);
    expect((await requireRepository(to)).root.signed.version).to.equal(2);
  });
});

/** As a web server has them, which judges nothing. */
function filesIn(directory: string): ReadonlyMap<string, Uint8Array> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => statSync(join(directory, name)).isFile()).sort();
  return new Map(files.map((name) => [name, new Uint8Array(readFileSync(join(directory, name)))]));
}

interface Copying {
  readonly ended: Promise<unknown>;
  isOver: boolean;
}

function copy(scratch: string, from: string, to: string): Copying {
  const child = spawn('sh', [join(scratch, 'mirror.sh'), from, to], {
    env: { ...process.env, SCRATCH: scratch, PATH: `${join(scratch, 'bin')}:${process.env['PATH'] ?? ''}` },
    stdio: 'ignore',
  });
  const copying: Copying = { ended: once(child, 'exit').then(([code]) => code as unknown), isOver: false };
  void copying.ended.then(() => (copying.isOver = true));
  return copying;
}

async function hasStopped(scratch: string, copying: Copying): Promise<boolean> {
  while (!copying.isOver && !existsSync(join(scratch, 'paused'))) await pause(20);
  return existsSync(join(scratch, 'paused'));
}

/** Another online key, and then other targets; returns the key. */
async function publishTwice(made: TestRepository, online: KeyObject, round: number): Promise<KeyObject> {
  const next = await generateKey('p256');
  const text = `round ${round}`;
  const onlineKey = localSigner(next).publicKey;
  await change(made, { contents: contents(text), onlineKey }, { online: [online, next] });
  await change(made, { contents: contents(`${text} and on`) }, { online: [next] });
  return next;
}
