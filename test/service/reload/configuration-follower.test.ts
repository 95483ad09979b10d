import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ConfigurationFollower } from '../../../service/reload/configuration-follower.ts';
import { contentsOf } from '../../../service/reload/file-contents.ts';
import { loadSettled, type Load } from '../../../service/reload/settled-load.ts';
import { loadConfig } from '../../../config/load/load.ts';
import { LivePolicy } from '../../../policy/live-policy.ts';
import type { PolicySnapshot } from '../../../policy/snapshot.ts';
import { PolicyCompiler } from '../../../service/policy-compiler.ts';
import { createServiceLog } from '../../../server/operator/service-log.ts';
import { makeIssuerKey } from '../../support/oidc-issuer.ts';

/** Entries with a name each, and what goes under the top's `mayfly`. */
const configOf = (issuers: Readonly<Record<string, string>>, mayfly = '{}'): string =>
  [
    'oidc-issuers:',
    ...Object.entries(issuers).flatMap(([name, extra]) => [
      `  https://${name}.example:`,
      `    issuer-url: https://${name}.example`,
      `    client-id: ${name}-signing`,
      `    type: email`,
      `    mayfly: { name: ${name}, ${extra} }`,
    ]),
    `mayfly: ${mayfly}`,
    '',
  ].join('\n');

const deny = (name: string, address: string): string =>
  `{ name: ${name}, deny: 'principal.san == "${address}"', message: Ask us. }`;

async function pipeIn(directory: string): Promise<string> {
  const path = join(directory, 'pipe');
  await promisify(execFile)('mkfifo', [path]);
  return path;
}

describe('service/reload: a configuration that is followed', () => {
  let directory: string;
  let file: string;
  let lines: Record<string, unknown>[];
  let policy: LivePolicy;
  let follower: ConfigurationFollower;
  let loads: number;
  /** Called when somebody asks for the time: among others the limits of an entry that is compiled. */
  let whenAsked: () => void;
  const time = { now: Date.UTC(2026, 10, 22) };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-reload-'));
    file = join(directory, 'config.yaml');
    whenAsked = () => undefined;
  });
  afterEach(async () => {
    await follower.close();
    await policy.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Starts to follow `path` as `serve` does, but looks only on request. */
  async function follow(path = file, load: Load = loadConfig, settle = 1): Promise<PolicySnapshot> {
    const started = await loadSettled(path, loadConfig);
    // Nothing listens there, and nobody asks.
    lines = [];
    loads = 0;
    const log = createServiceLog(
      { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
      'info',
    );
    const clock = (): number => (whenAsked(), time.now);
    const compiler = new PolicyCompiler({ clock, serviceLog: log, createFetcher: () => silent });
    policy = new LivePolicy(await compiler.compile(started.config));
    const counted: Load = (at, options) => (loads++, load(at, options));
    follower = new ConfigurationFollower({
      started,
      policy,
      compiler,
      clock,
      log,
      program: 'mayfly',
      settle,
      load: counted,
    });
    return policy.current;
  }

  const silent = {
    fetch: () => Promise.reject(new Error('nobody is there')),
    close: () => Promise.resolve(),
  };
  const namesInForce = (): string[] => policy.current.issuers.map(({ definition }) => definition.name);
  const eventsOf = (event: string): Record<string, unknown>[] =>
    lines.filter((line) => line['event'] === event);

  it('looks without loading while nothing changes', async () => {
    await writeFile(file, configOf({ people: '' }));
    const first = await follow();
    await follower.check();
    await follower.check();
    expect(loads).to.equal(0);
    expect(policy.current).to.equal(first);
    expect(lines).to.deep.equal([]);
  });

  it('warns in one line for each kind, and only of what is new', async () => {
    await writeFile(file, configOf({ people: '' }));
    await follow();
    await writeFile(file, configOf({ people: '', robots: '', others: '' }));
    await follower.check();
    const warnings = eventsOf('warning');
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include({ level: 'warn', code: 'NO_RULES', count: 2 });
    expect(warnings[0]?.['sentence']).to.include('robots.example').and.include('others.example');
    expect(warnings[0]?.['sentence']).to.include(`config check ${file}`).and.not.include('people.example');
  });

  it('puts a changed file in force and says what changed, by name', async () => {
    await writeFile(
      file,
      configOf({ people: `rules: [${deny('no-eve', 'eve@example.com')}]`, robots: '', old: '' }),
    );
    await follow();
    time.now += 60_000;
    const rules = `rules: [${deny('no-eve', 'eve@example.org')}, ${deny('no-bob', 'bob@example.com')}]`;
    await writeFile(file, configOf({ people: rules, robots: 'lifetime: 5, csr: off', new: '' }));
    await follower.check();
    expect(namesInForce()).to.deep.equal(['people', 'robots', 'new']);
    const [logged] = eventsOf('configuration loaded');
    expect(logged).to.deep.include({
      level: 'info',
      files: [file],
      issuers: 3,
      rules: 2,
      issuersAdded: ['new'],
      issuersRemoved: ['old'],
      issuersChanged: ['robots (lifetime, csr)'],
      rulesAdded: ['people: no-bob'],
      rulesChanged: ['people: no-eve'],
    });
    expect(logged).to.not.have.property('rulesRemoved');
    expect(JSON.stringify(lines)).to.not.contain('eve@example');
    expect(follower.state).to.deep.equal({ loadedAt: time.now, reloads: { success: 1, failure: 0 } });
  });

  it('names the entries whose file of keys holds others now, and only those', async () => {
    const keysIn = async (name: string): Promise<void> => {
      const { publicJwk } = await makeIssuerKey();
      await writeFile(join(directory, name), JSON.stringify({ keys: [publicJwk] }));
    };
    for (const name of ['a.json', 'b.json', 'c.json']) await keysIn(name);
    const config = { a: 'jwks-file: a.json', b: 'jwks-file: b.json', c: 'jwks-file: b.json' };
    await writeFile(file, configOf(config));
    await follow();
    await keysIn('a.json');
    await follower.check();
    await keysIn('b.json');
    await writeFile(
      file,
      configOf({ ...config, b: 'jwks-file: b.json, lifetime: 5', c: 'jwks-file: c.json' }),
    );
    await follower.check();
    const logged = eventsOf('configuration loaded').map((line) => line['issuersChanged']);
    expect(logged).to.deep.equal([['a (keys)'], ['b (lifetime, keys)', 'c (jwks)']]);
  });

  it('keeps the last good one in force when the file is bad, logs all that is wrong, and only once', async () => {
    await writeFile(file, configOf({ people: '' }));
    const first = await follow();
    const bad = configOf({ people: 'lifetme: 5', robots: 'lifetime: 500' });
    await writeFile(file, bad);
    await follower.check();
    await follower.check();
    await follower.check();
    expect(policy.current).to.equal(first);
    const logged = eventsOf('configuration not loaded');
    expect(logged).to.have.length(1);
    expect(logged[0]).to.include({ level: 'error' });
    const problems = logged[0]?.['problems'] as string[];
    expect(problems).to.have.length(2);
    expect(problems[0]).to.match(/config\.yaml:6:\d+: .*lifetme/);
    expect(problems[1]).to.match(/config\.yaml:11:\d+: .*lifetime/);
    expect(follower.state.failure).to.match(/config\.yaml:6:.*\(and 1 more\)$/);
    expect(follower.state.reloads).to.deep.equal({ success: 0, failure: 1 });

    await writeFile(file, `${bad}# another text, as bad\n`);
    await follower.check();
    expect(eventsOf('configuration not loaded')).to.have.length(2);
    await rm(file);
    await follower.check();
    expect(eventsOf('configuration not loaded')).to.have.length(3);
    expect(policy.current).to.equal(first);

    await writeFile(file, configOf({ people: '', robots: '' }));
    await follower.check();
    expect(namesInForce()).to.deep.equal(['people', 'robots']);
    expect(follower.state).to.not.have.property('failure');
  });

  it('tries a bad one again after a while although no file changed that it knows of', async () => {
    await writeFile(file, configOf({ people: '' }));
    let isBroken = true;
    await follow(file, (path) => (isBroken ? Promise.reject(new Error('inner text')) : loadConfig(path)));
    await writeFile(file, configOf({ robots: '' }));
    await follower.check();
    expect(String(eventsOf('configuration not loaded')[0]?.['cause'])).to.contain('inner text');
    isBroken = false;
    for (let looks = 0; looks < 15; looks++) await follower.check();
    expect(namesInForce()).to.deep.equal(['robots']);
    expect(loads).to.equal(2);
  });

  it('logs a bad one again when somebody asks, and loads an unchanged one too', async () => {
    await writeFile(file, configOf({ people: '' }));
    const first = await follow();
    await follower.reload();
    expect(policy.current).to.not.equal(first);
    expect(eventsOf('configuration loaded')[0]).to.deep.include({ files: [], issuers: 1 });
    await writeFile(file, '{');
    await follower.reload();
    await follower.check();
    await follower.reload();
    expect(eventsOf('configuration not loaded')).to.have.length(2);
  });

  it('asked to load a file that is half written, waits until it is whole', async () => {
    await writeFile(file, configOf({ people: '' }));
    await follow(file, loadConfig, 200);
    await writeFile(file, configOf({ people: 'lifetime: 5' }));
    const asked = follower.reload();
    await delay(50);
    await writeFile(file, configOf({ people: `lifetime: 5, rules: [${deny('no-eve', 'eve@example.com')}]` }));
    await asked;
    expect(loads).to.equal(1);
    expect(eventsOf('configuration loaded')).to.have.length(1);
    expect(policy.current.issuers[0]?.policy.rules.map(({ name }) => name)).to.deep.equal(['no-eve']);
  });

  /** Writes the file again and again until `work` is done. Renamed into place, so that what is read is whole. */
  async function whileWritten(work: () => Promise<void>): Promise<void> {
    const end = new AbortController();
    const writer = (async () => {
      for (let n = 0; !end.signal.aborted; n++) {
        await writeFile(`${file}.new`, `${configOf({ people: '' })}# ${n}\n`);
        await rename(`${file}.new`, file);
      }
    })();
    try {
      await work();
    } finally {
      end.abort();
      await writer;
    }
  }

  it('asked to load a file that never comes to rest, loads it after a while', async () => {
    await writeFile(file, configOf({ people: '' }));
    await follow(file, loadConfig, 20);
    await whileWritten(() => follower.reload());
    expect(eventsOf('configuration loaded')).to.have.length(1);
  });

  it('looking by itself, loads no file that is being written, and the next look does', async () => {
    await writeFile(file, configOf({ people: '' }));
    await follow(file, loadConfig, 100);
    await writeFile(file, configOf({ robots: '' }));
    await whileWritten(() => follower.check());
    expect(loads).to.equal(0);
    await writeFile(file, configOf({ people: '', robots: '' }));
    await follower.check();
    expect([loads, namesInForce()]).to.deep.equal([1, ['people', 'robots']]);
  });

  it('puts nothing in force that is loaded when it is closed', async () => {
    await writeFile(file, configOf({ people: '' }));
    const [begun, gate] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const first = await follow(file, async (path) => {
      begun.resolve(undefined);
      await gate.promise;
      return loadConfig(path);
    });
    const asked = follower.reload();
    await begun.promise;
    const closing = follower.close();
    gate.resolve(undefined);
    await Promise.all([asked, closing]);
    expect(policy.current).to.equal(first);
    expect(lines).to.deep.equal([]);
  });

  it('puts nothing in force that is compiled when it is closed', async () => {
    await writeFile(file, configOf({ people: '' }));
    const first = await follow();
    const closing: Promise<void>[] = [];
    whenAsked = () => {
      if (closing.length === 0) closing.push(follower.close());
    };
    await writeFile(file, configOf({ robots: '' }));
    await follower.reload();
    expect(closing).to.have.length(1);
    await closing[0];
    expect(policy.current).to.equal(first);
    expect(lines).to.deep.equal([]);
  });

  it('fetches the keys of issuers as soon as they are in force, and warns of new ones alone', async () => {
    await writeFile(file, configOf({ people: '' }));
    await follow();
    await writeFile(file, configOf({ people: '', robots: '' }));
    await follower.check();
    while (eventsOf('issuer warning').length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(eventsOf('issuer warning').map(({ issuer }) => issuer)).to.deep.equal(['https://robots.example']);
  });

  it('loads once for all who ask while it is busy', async () => {
    await writeFile(file, configOf({ people: '' }));
    await follow();
    await Promise.all([follower.check(), ...Array.from({ length: 10 }, () => follower.reload())]);
    expect(loads).to.equal(1);
    await follower.reload();
    expect(loads).to.equal(2);
  });

  it('follows a Kubernetes volume, whose directory is a link that is swapped', async () => {
    const version = async (name: string, text: string): Promise<void> => {
      await mkdir(join(directory, name));
      await writeFile(join(directory, name, 'config.yaml'), text);
      await symlink(name, join(directory, '..data_tmp'));
      await rename(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    await version('..2026_1', configOf({ people: '' }));
    await symlink('..data/config.yaml', file);
    await follow();
    await version('..2026_2', configOf({ people: '', robots: '' }));
    await rm(join(directory, '..2026_1'), { recursive: true });
    await follower.check();
    expect(namesInForce()).to.deep.equal(['people', 'robots']);
  });

  it('loads again what was written while it loaded, and misses no change if that goes on', async () => {
    const versions = Array.from({ length: 5 }, (_, n) => configOf({ [`v${n}`]: '' }));
    let written = 0;
    const write = (): Promise<void> => writeFile(file, versions[written++] ?? '');
    await write();
    const during = async (path: string, loads: number): Promise<string[]> => {
      const { config, contents } = await loadSettled(path, async (at) => {
        const loaded = await loadConfig(at);
        if (loads-- > 0) await write();
        return loaded;
      });
      const [seen] = await contentsOf([path]);
      return [config.issuers[0]?.definition.name ?? '', String(seen?.digest === contents[0]?.digest)];
    };
    expect(await during(file, 0)).to.deep.equal(['v0', 'true']);
    expect(await during(file, 1)).to.deep.equal(['v1', 'true']);
    // Not what lies there now, and so the next look will find a change.
    expect(await during(file, 2)).to.deep.equal(['v2', 'false']);
    await follow();
  });

  it('goes on following when a pipe or a device takes the place of a file', async () => {
    await writeFile(file, configOf({ people: '' }));
    const first = await follow();
    for (const path of ['/dev/zero', await pipeIn(directory)]) {
      await rm(file);
      await symlink(path, file);
      await follower.check();
      expect(follower.state.failure).to.contain('is a pipe or a device');
      expect(policy.current).to.equal(first);
    }
    await rm(file);
    await writeFile(file, configOf({ robots: '' }));
    await follower.check();
    expect(namesInForce()).to.deep.equal(['robots']);
  });

  it('names what needs a restart, and does the rest', async () => {
    await writeFile(join(directory, 'token'), 'a long random token\n');
    const access = 'log-access: token, log-access-token-file: token';
    await writeFile(file, configOf({ people: '' }, `{ ${access} }`));
    await follow();
    const changed = `{ ${access}, limits: { max-in-flight: 7 }, client-signing-algorithms: [ed25519], require-rules: true }`;
    await writeFile(file, configOf({ people: '' }, changed));
    await follower.check();
    expect(eventsOf('needs a restart').map(({ settings }) => settings)).to.deep.equal([['limits']]);
    await writeFile(join(directory, 'token'), 'another long random token\n');
    await follower.check();
    expect(eventsOf('needs a restart')[1]?.['settings']).to.deep.equal(['limits', 'log-access-token-file']);
    expect(JSON.stringify(lines)).to.not.contain('long random');
    expect(follower.state).to.deep.include({ restart: ['limits', 'log-access-token-file'] });
    expect(follower.state.reloads.success).to.equal(2);
    await writeFile(join(directory, 'token'), 'a long random token\n');
    await writeFile(file, configOf({ people: '' }, `{ ${access} }`));
    await follower.check();
    expect(follower.state).to.not.have.property('restart');
  });
});
