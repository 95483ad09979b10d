/** Everything that docs/install.md has a person type, typed: as an ordinary user, from an empty place. What only
 * root may is done below that place instead, and programs that only root may use are stood in for. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { freePort } from '../../bench/free-port.ts';
import { Place } from '../support/installation.ts';
import { needOrdinaryUser } from '../support/ordinary-user.ts';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';

const document = readFileSync(join(projectRoot, 'docs/install.md'), 'utf8');

/** Blocks for a shell by what they say behind `sh`. */
const blocks = (kind: string): string[] =>
  [...document.matchAll(/^```sh ?(\w*)\n([\s\S]*?)^```/gm)]
    .filter(([, word]) => word === kind)
    .map(([, , text = '']) => text);

/** Takes the part of systemd for one unit: runs what the unit on the disk says, in the environment that it says. A start
 * ends when the service is ready. */
const SYSTEMCTL = `#!/bin/bash
set -eu
unit=$SYSTEM/etc/systemd/system/mayfly.service pid=$SYSTEM/pid
value() { sed -n "s#^$1=##p" "$unit" | sed "s#/opt/mayfly#$SYSTEM/opt/mayfly#g; s#/var/lib/mayfly#$SYSTEM/var/lib/mayfly#g; s#%d#$SYSTEM/etc/mayfly#g"; }
start() {
  env -i "$(value Environment)" setsid $(value ExecStart) --listen 127.0.0.1:0 --metrics-listen "127.0.0.1:$METRICS_PORT" >"$SYSTEM/journal" 2>&1 &
  echo $! >"$pid"
  for ((i = 0; i < 600; i++)); do
    kill -0 "$(cat "$pid")" || { cat "$SYSTEM/journal" >&2; exit 1; }
    curl --silent --fail "http://127.0.0.1:$METRICS_PORT/readyz" >/dev/null && return
    sleep 0.1
  done
  exit 1
}
stop() { kill "$(cat "$pid")"; while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.1; done; }
case "$*" in
  daemon-reload) ;;
  'start mayfly' | 'enable --now mayfly') start ;;
  'stop mayfly' | 'disable --now mayfly') stop ;;
  'reload mayfly') kill -HUP "$(cat "$pid")" ;;
  *) echo "unknown: $*" >&2; exit 1 ;;
esac
`;

describe('docs/install.md', function () {
  this.timeout(600_000);
  let place: Place;
  before(async function () {
    needOrdinaryUser(this);
    place = await Place.make('stand-in', 'opt', 'etc/systemd/system', 'usr/local/bin', 'var/lib');
  });
  after(() => {
    place.remove();
  });

  /** Runs and returns the output; an expectation fails with all of it otherwise. */
  function run(script: string, folders: readonly string[] = []): string {
    const { status, signal, stdout, stderr } = place.run(script, folders);
    expect([status, signal], `${script}\n${stdout}\n${stderr}`).to.deep.equal([0, null]);
    return stdout;
  }

  /** Whether the one thing that comes over a network came. */
  function needRuntime(test: Mocha.Context, program: string): void {
    const runtime = `lib/node_modules/mayfly/node_modules/node-${process.platform}-${process.arch}/bin/node`;
    skipUnless(test, existsSync(place.at(program, runtime)), 'the registry does not give the runtime');
  }

  it('is tried to the last command', () => {
    const fences = [...document.matchAll(/^```(.*)\n/gm)].map(([, name]) => name).filter(Boolean);
    expect(new Set(fences)).to.deep.equal(new Set(['sh', 'sh checkout', 'sh root', 'sh docker']));
    // Packing is how this test gets its tarball; the rest is for the whole suite.
    expect(blocks('checkout')).to.deep.equal(['npm ci\nnpm pack\n']);
  });

  it('installs for one user, whose commands then run under the pinned runtime, and removes it again', function () {
    const [install = '', completion = '', remove = '', ...more] = blocks('');
    expect(more).to.deep.equal([]);
    const installed = run(install);
    needRuntime(this, 'home/mayfly');
    const { optionalDependencies } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      optionalDependencies: Record<string, string>;
    };
    const [runtime = ''] = Object.values(optionalDependencies);
    expect(installed).to.match(
      /^mayfly \d+\.\d+\.\d+ \(commit (unknown|[0-9a-f]{7}(-dirty)?), Node [\d.]+\)$/m,
    );
    expect(installed).to.include(runtime);
    run(completion, ['home/mayfly/bin']);
    expect(readFileSync(place.at('home/.local/share/bash-completion/completions/mayfly'), 'utf8')).to.include(
      'complete -F _mayfly mayfly',
    );
    // All that production does, and the development provider, which is loaded for it alone.
    const tried = run(
      `mayfly dev --data "$HOME/try" --listen 127.0.0.1:0 --issuer-listen 127.0.0.1:0 --json >"$HOME/ready" & dev=$!
       for ((i = 0; i < 300; i++)); do [ -s "$HOME/ready" ] && break; sleep 0.1; done
       url=$(sed 's/.*"url":"\\([^"]*\\).*/\\1/' "$HOME/ready")
       mayfly token --email you@example.com --data "$HOME/try" >"$HOME/token"
       mayfly certificate --url "$url" --token-file "$HOME/token" --out "$HOME/out"
       mayfly trust export --data "$HOME/try" --out "$HOME/trust"
       mayfly verify certificate "$HOME/out/cert.pem" --trust "$HOME/trust" --any-identity
       mayfly log check --data "$HOME/try"
       kill $dev; wait $dev`,
      ['home/mayfly/bin'],
    );
    expect(tried).to.include('Verified: you@example.com').and.to.include('ok: 1 entries');
    // By this name the shell of the person finds it.
    expect(tried).to.match(/^ {2}mayfly verify certificate cert\.pem --trust \//m);
    run(remove, ['home/mayfly/bin']);
    expect(existsSync(place.at('home/mayfly/bin/mayfly'))).to.equal(false);
  });

  it('runs the unit: install, reload, upgrade, uninstall; the data stay', async function () {
    const [install = '', reload = '', upgrade = '', remove = '', ...more] = blocks('root');
    expect(more).to.deep.equal([]);
    const port = await freePort();
    place.program('stand-in', 'systemctl', SYSTEMCTL);
    for (const name of ['useradd', 'chown']) place.program('stand-in', name, '#!/bin/sh\n');
    const folders = ['stand-in', 'usr/local/bin'];
    const below = (script: string): string => {
      const moved = script.replaceAll(/(?<=[\s<>])\/(?=opt\/|etc\/|var\/|usr\/)/g, `${place.root}/`);
      return `export SYSTEM=${place.root} METRICS_PORT=${port}\n${moved.replaceAll(':2112/', `:${port}/`)}`;
    };
    try {
      expect(run(below(install), folders)).to.include('"ready": true');
      needRuntime(this, 'opt/mayfly');
      const pid = readFileSync(place.at('pid'), 'utf8').trim();
      // One process, whatever Node the machine has.
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')).to.include('--disable-sigusr1');
      run(below(reload), folders);
      expect(run(below(upgrade), folders)).to.match(/^ok: 0 entries/m);
      run(below(remove), folders);
      expect(existsSync(place.at('opt/mayfly'))).to.equal(false);
      expect(existsSync(place.at('var/lib/mayfly/mayfly.json'))).to.equal(true);
    } finally {
      place.run(`kill -9 $(cat ${place.at('pid')}) || true`);
    }
  });

  it('builds a container with options that exist', () => {
    // No engine runs here: container.test.ts holds the Dockerfile to what can be known by reading.
    const [docker = ''] = blocks('docker');
    expect(docker.match(/^docker run .*$/gm)).to.have.length(2);
    expect(readFileSync(join(projectRoot, 'Dockerfile'), 'utf8')).to.match(/^ARG COMMIT=$/m);
  });
});
