/** Commands that change a data directory, killed after some of their changes of files: the same command finishes, and a service starts. With `EVERY_STEP=yes` after each of them. */
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { unfinishedIn } from '../../storage/make-directory.ts';
import { changesOf, killLibrary, runFailingAt, runKilledAt } from '../support/kill-at.ts';
import { ANYWHERE, mayflyWords, runMayfly, startMayfly } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

/** A command, in words with `DATA` and `BESIDE` for the data directory and the folder around it. */
interface Procedure {
  readonly command: string;
  /** What comes before. */
  readonly before?: readonly string[];
  /** What the same command says after it was killed when all was done. */
  readonly isOver?: RegExp;
  /** How the service opens the keys then, which it could before, too, or not any more. */
  readonly passphrases?: readonly (string | undefined)[];
}

const ORIGIN = 'ca.example.org/log/2027';
const ONLINE = 'trust tuf stage --data DATA --new-online-key --out BESIDE/change.json';
const SIGN = 'trust tuf sign BESIDE/change.json --key BESIDE/tuf-root.key.pem';
const STAGED_LOG = `log rotate --data DATA --stage --origin ${ORIGIN}`;
const STAGED_KEY = 'tsa renew --data DATA --stage --root-key BESIDE/root.key.pem';
const STAGED_CA = [
  'ca renew --data DATA --csr BESIDE/request.pem',
  'ca sign BESIDE/request.pem --root BESIDE/data/ca/chain.pem --root-key BESIDE/root.key.pem --out BESIDE/chain.pem',
  'ca renew --data DATA --stage BESIDE/chain.pem',
];

const PROCEDURES: readonly Procedure[] = [
  { command: 'rekor rotate --data DATA --v1 --stage' },
  { command: 'rekor rotate --data DATA --v1 --switch', before: ['rekor rotate --data DATA --v1 --stage'] },
  {
    command: 'rekor rotate --data DATA --v2 --discard',
    before: ['rekor rotate --data DATA --v2 --stage'],
  },
  { command: 'rekor rotate --data DATA --v2 --switch', before: ['rekor rotate --data DATA --v2 --stage'] },
  { command: STAGED_LOG },
  { command: 'log rotate --data DATA --switch', before: [STAGED_LOG] },
  { command: 'log rotate --data DATA --discard', before: [STAGED_LOG] },
  { command: 'ca renew --data DATA --csr BESIDE/request.pem', isOver: /request.pem.*exist|there already/ },
  { command: STAGED_KEY },
  { command: 'tsa renew --data DATA --switch', before: [STAGED_KEY] },
  { command: 'tsa renew --data DATA --discard', before: [STAGED_KEY] },
  { command: 'ca renew --data DATA --switch', before: STAGED_CA },
  { command: 'ca renew --data DATA --discard', before: STAGED_CA },
  { command: ONLINE, isOver: /change.json.*exist|there already/ },
  { command: 'trust tuf import BESIDE/change.json --data DATA', before: [ONLINE, SIGN] },
  {
    command: 'trust tuf import BESIDE/change.json --data DATA',
    before: [STAGED_LOG, 'trust tuf stage --data DATA --out BESIDE/change.json', SIGN],
  },
  { command: 'trust import --data DATA BESIDE/other/trusted_root.json' },
  {
    command: 'keys passphrase --data DATA --new-passphrase-file BESIDE/passphrase',
    passphrases: [undefined, 'passphrase'],
  },
];

describe('commands that change a data directory', function () {
  this.timeout(900_000);
  let root: string;
  /** Made once, and copied. */
  let made: string;
  /** What the command of a test works on. */
  let beside: string;
  let library: string | undefined;

  const wordsOf = (command: string): string[] =>
    command.split(' ').map((word) => word.replace('DATA', join(beside, 'data')).replace('BESIDE', beside));
  const run = (command: string): ReturnType<typeof runMayfly> => runMayfly(wordsOf(command));
  const mustRun = async (command: string): Promise<void> => {
    const { code, stderr } = await run(command);
    expect(code, `${command}: ${stderr}`).to.equal(0);
  };
  const begin = (from: string): void => {
    rmSync(beside, { recursive: true, force: true });
    cpSync(from, beside, { recursive: true });
  };
  /** What is below the folder, without what nobody reads: what a kill left half made, locks, and what SQLite has beside a database. */
  const files = (): string[] => {
    const names = readdirSync(beside, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(beside.length))
      .filter((path) => !/\/\.|-(wal|shm)$/.test(path));
    return [...new Set(names.map((path) => path.replace(/[0-9a-f]{64,}|\d{10,}/, '*')))].sort();
  };

  before(async function () {
    root = mkdtempSync(join(tmpdir(), 'mayfly-killed-'));
    library = killLibrary(root);
    skipUnless(this, library !== undefined, 'there is no gcc, or this is not Linux');
    [made, beside] = [join(root, 'made'), join(root, 'beside')];
    const init =
      '--root-key-out BESIDE/root.key.pem --public-url https://ca.example.org --origin ca.example.org/log/2026';
    begin(mkdtempSync(join(root, 'empty-')));
    writeFileSync(join(beside, 'passphrase'), 'made up\n', { mode: 0o600 });
    // Another deployment, whose trust is imported.
    await mustRun(`init --data DATA ${init.replaceAll('ca.example', 'other.example')}`);
    await mustRun('trust export --data DATA --out BESIDE/other');
    for (const name of ['data', 'root.key.pem', 'tuf-root.key.pem'])
      rmSync(join(beside, name), { recursive: true });
    await mustRun(`init --data DATA ${init}`);
    cpSync(beside, made, { recursive: true });
  });
  after(() => {
    rmSync(root, { recursive: true, force: true });
  });

  async function expectServes(passphrases: Procedure['passphrases'] = [undefined]): Promise<void> {
    const said: string[] = [];
    for (const passphrase of passphrases) {
      const opens = passphrase === undefined ? [] : ['--passphrase-file', join(beside, passphrase)];
      const service = startMayfly(['serve', '--data', join(beside, 'data'), ...ANYWHERE, ...opens]);
      const line = await service.firstLine.catch(() => undefined);
      service.child.kill();
      await service.ended;
      if (line !== undefined) return;
      said.push(service.stderr());
    }
    throw new Error(said.join('\n'));
  }

  for (const { command, before: earlier = [], isOver, passphrases } of PROCEDURES)
    it(`finish when they are given again after a kill: ${[...earlier.slice(0, 1), command].join(', ')}`, async () => {
      if (library === undefined) throw new Error('there is no library');
      const [start, killed] = [join(root, 'start'), join(root, 'killed')];
      begin(made);
      for (const one of earlier) await mustRun(one);
      rmSync(start, { recursive: true, force: true });
      cpSync(beside, start, { recursive: true });
      const words = mayflyWords(wordsOf(command));
      const count = changesOf(library, beside, words);
      const whole = files();
      const again = async (what: string): Promise<void> => {
        const { code, stderr } = await run(command);
        if (code !== 0 && isOver?.test(stderr) === true) return;
        expect(code, `${what} of ${count}: ${stderr}`).to.equal(0);
        expect(files(), `${what} of ${count}`).to.deep.equal(whole);
        for (const place of ['logs', 'artifacts'])
          expect(await unfinishedIn(join(beside, 'data', place)), `${what} of ${count}`).to.deep.equal([]);
      };
      const middle = Math.ceil(count / 2);
      const sample = new Set([middle, count]);
      const every = Array.from({ length: count }, (_, i) => i + 1);
      for (const at of process.env['EVERY_STEP'] === undefined ? sample : every) {
        begin(start);
        const signal = runKilledAt(library, beside, at, words);
        // One more or less may be made each time.
        if (at <= middle) expect(signal, `change ${at} of ${count}`).to.equal('SIGKILL');
        if (at === middle) {
          cpSync(beside, killed, { recursive: true });
          await expectServes(passphrases);
          begin(killed);
          rmSync(killed, { recursive: true });
        }
        await again(`killed after ${at}`);
      }
      begin(start);
      const { status, stderr } = runFailingAt(library, beside, middle, 'ENOSPC', words);
      if (status !== 0) expect(stderr).to.match(/^mayfly: (?!ENOSPC)[^]*(?:ENOSPC|disk)/);
      await again(`failed at ${middle}`);
      begin(start);
      const open = runFailingAt(library, beside, 1, 'EMFILE', words);
      expect([open.status, open.stderr]).to.satisfy(
        ([code, text]: [number, string]) => code !== 0 && text.includes('Raise the limit of open files'),
      );
    });
});
