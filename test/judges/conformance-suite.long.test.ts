/** The signing tests of sigstore-conformance, which are written for the public services, with a client that is given the files of a service of ours: cosign, and sigstore-python, which the suite verifies every bundle with, too. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

/** How the suite asks, in the words of cosign: as cosign's own program for the suite does, but for the public files that it fetches first. */
const COSIGN = (cosign: string, root: string, config: string): string => `#!/bin/sh
command=$1; shift
trust="--trusted-root ${root}" services="--signing-config ${config}" kind=blob words=
while [ $# -gt 1 ]; do
  case $1 in
    --in-toto) kind=statement ;;
    --trusted-root) trust="--trusted-root $2"; shift ;;
    --signing-config) services="--signing-config $2"; shift ;;
    *) words="$words $1" ;;
  esac
  shift
done
case $command-$kind in
  sign-bundle-blob) exec ${cosign} sign-blob -y $trust $services $words "$1" ;;
  sign-bundle-statement) exec ${cosign} attest-blob -y $trust $services $words --statement "$1" ;;
  *) exec ${cosign} verify-blob $trust $words "$1" ;;
esac
`;

/** The suite's own program around sigstore-python, which takes both files. */
const PYTHON = (suite: string, python: string, root: string, config: string): string => `#!/bin/sh
case "$*" in *--trusted-root*) ;; *) command=$1; shift; set -- "$command" --trusted-root ${root} --signing-config ${config} "$@" ;; esac
exec ${python} ${suite}/sigstore-python-conformance "$@"
`;

describe('judge: the signing tests of sigstore-conformance', function () {
  this.timeout(600_000);
  let service: ExportedInstance | undefined;
  let python: string;

  before(async function () {
    skipUnless(this, process.env['CLIENTS'] === 'all', 'sigstore-conformance takes a minute: CLIENTS=all');
    python = await needClient(this, 'sigstore-conformance-a73de49');
    service = await startExported();
    const folder = dirname(dirname(dirname(python)));
    await mkdir(at('suite'));
    for (const name of ['test', 'pyproject.toml', 'sigstore-python-conformance'])
      await cp(join(folder, name), at(`suite/${name}`), { recursive: true });
    await cp(
      join(projectRoot, 'test/judges/sigstore-conformance/own_services.py'),
      at('suite/own_services.py'),
    );
    const config = JSON.parse(await readFile(running().exported('signing_config.v0.2.json'), 'utf8')) as {
      readonly rekorTlogUrls: readonly object[];
    };
    const second = config.rekorTlogUrls.map((log) => ({ ...log, majorApiVersion: 2 }));
    await writeFile(at('second.json'), JSON.stringify({ ...config, rekorTlogUrls: second }));
    await program('selftest-client', PYTHON(at('suite'), python, ...files()));
  });
  after(() => service?.stop());

  const running = (): ExportedInstance => {
    if (service === undefined) throw new Error('the service does not run');
    return service;
  };
  const at = (name: string): string => join(running().scratch, name);
  const files = (): [root: string, config: string] => [
    running().exported('trusted_root.json'),
    running().exported('signing_config.v0.2.json'),
  ];
  const program = (name: string, text: string): Promise<void> =>
    writeFile(at(`suite/${name}`), text, { mode: 0o755 });

  /** What pytest printed of the signing tests. */
  async function signingTests(entry: string): Promise<string> {
    const env = {
      PATH: process.env['PATH'],
      HOME: running().scratch,
      TOKEN: await running().token(SIGNER),
      TRUSTED_ROOT: files()[0],
      SIGNING_CONFIG: at('second.json'),
    };
    const words = [
      '-m',
      'pytest',
      '-p',
      'own_services',
      '-m',
      'signing',
      '--entrypoint',
      at(`suite/${entry}`),
    ];
    return run(python, [...words, '-q', 'test'], { cwd: at('suite'), env, maxBuffer: 1 << 24 }).then(
      ({ stdout }) => stdout,
      (error: unknown) => (error as { stdout: string }).stdout,
    );
  }

  it('cosign', async function () {
    await program('cosign', COSIGN(await needClient(this, 'cosign-3.1.2'), ...files()));
    expect(await signingTests('cosign')).to.match(/^5 passed/m);
  });

  it('sigstore-python', async () => {
    expect(await signingTests('selftest-client')).to.match(/^5 passed/m);
  });
});
