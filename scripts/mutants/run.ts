/**
 * Changes the deciding parts wrongly, one small change at a time (`parts.ts` has them), and runs the tests that judge the
 * file: they must fail.
 *
 *     npm run mutants -- [--part PART]… [--only WORDS]… [--jobs N] [--list] [--check]
 *
 * `--only` takes a part of a line as it prints them. `--check` runs no test. Everything else happens in a copy of the
 * checkout as it stands. Ends with 1 where fewer than 95 % are killed, or where one
 * survives without a reason in the list; with 2 where the list or the tests themselves are at fault.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import ts from 'typescript';
import { copyCheckout } from './copy-checkout.ts';
import { placesOf, type MutatedFile, type Mutant } from './mutant.ts';
import { PARTS } from './parts.ts';

/** The share of mutants, in percent, that tests must kill. */
const LEAST_KILLED = 95;
/** Milliseconds for the tests of one mutant. One that makes them hang counts as killed. */
const LONGEST_RUN = 300_000;

const OUTCOMES = ['killed', 'timed out', 'equivalent', 'survived'] as const;
type Outcome = (typeof OUTCOMES)[number];

interface Task {
  readonly part: string;
  readonly file: string;
  readonly tests: readonly string[];
  readonly mutant: Mutant;
}

const root = dirname(dirname(import.meta.dirname));
const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    part: { type: 'string', multiple: true, default: [] },
    jobs: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});

const unknown = values.part.find((name) => !PARTS.has(name));
if (unknown !== undefined) end(2, `there is no part "${unknown}": ${[...PARTS.keys()].join(', ')}`);
const jobs = Number(values.jobs);
if (!Number.isInteger(jobs) || jobs < 1) end(2, '--jobs takes a whole number from 1 on');

const tasks = [...PARTS]
  .filter(([part]) => values.part.length === 0 || values.part.includes(part))
  .flatMap(([part, files]) => files.flatMap((file) => tasksOf(part, file)))
  .filter((task) => values.only.length === 0 || values.only.some((words) => describe(task).includes(words)));
if (tasks.length === 0) end(2, 'no mutant is chosen');
if (values.list) {
  for (const task of tasks) console.log(describe(task));
  end(0, `${tasks.length} mutants`);
}

requireCurrent(tasks);
requireCompiled(tasks);
if (values.check) end(0, `${tasks.length} mutants, which stand in their files once and compile`);
const work = mkdtempSync(join(tmpdir(), 'mayfly-mutants-'));
process.on('exit', () => {
  rmSync(work, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
const copies = Array.from({ length: jobs }, (_, number) => join(work, String(number)));
for (const copy of copies) {
  copyCheckout(root, copy);
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
}

const [first = ''] = copies;
const judges = [...new Set(tasks.flatMap(({ tests }) => tests))];
console.log(`${tasks.length} mutants, judged by ${judges.length} test files, which must pass without one`);
if ((await runTests(first, judges, LONGEST_RUN * judges.length)) !== 'passed')
  end(2, `these fail before anything is changed: npm run test:file -- ${judges.join(' ')}`);

const outcomes = new Map<Task, Outcome>();
const waiting = [...tasks];
await Promise.all(
  copies.map(async (copy) => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      const began = Date.now();
      const outcome = await judge(copy, task);
      outcomes.set(task, outcome);
      console.log(`${outcome.padEnd(10)} ${((Date.now() - began) / 1000).toFixed(1)} s  ${describe(task)}`);
    }
  }),
);
report();

function tasksOf(part: string, { file, tests, mutants }: MutatedFile): Task[] {
  return mutants.map((mutant) => ({ part, file, tests, mutant }));
}

function describe({ file, mutant: [wrong] }: Task): string {
  return `${file}: ${wrong}`;
}

function sourceOf(folder: string, { file }: Task): string {
  return readFileSync(join(folder, file), 'utf8');
}

function mutated(source: string, { mutant: [, text, replacement] }: Task): string {
  return source.replace(text, () => replacement);
}

/** Ends the run where a text to replace is gone from its file, or is there twice. */
function requireCurrent(all: readonly Task[]): void {
  const stale = all.filter((task) => placesOf(sourceOf(root, task), task.mutant) !== 1);
  if (stale.length === 0) return;
  end(2, ['the text of these is not in their file exactly once:', ...stale.map(describe)].join('\n'));
}

/** Ends the run where a mutant has an error of the compiler: the tests would fail for that, and show nothing. */
function requireCompiled(all: readonly Task[]): void {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, 'tsconfig.json'),
    { noEmit: true, incremental: false },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: ({ messageText }) => end(2, text(messageText)) },
  );
  const changed = new Map<string, string>();
  let version = 0;
  const names = [...new Set(all.map(({ file }) => join(root, file)))];
  const service = ts.createLanguageService({
    getCompilationSettings: () => config?.options ?? {},
    // The declarations of the libraries are found through these, and the rest of the tree through their imports.
    getScriptFileNames: () => names,
    getScriptVersion: (name) => (changed.has(name) ? String(version) : '0'),
    getScriptSnapshot(name) {
      const source = changed.get(name) ?? ts.sys.readFile(name);
      return source === undefined ? undefined : ts.ScriptSnapshot.fromString(source);
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (name) => ts.sys.fileExists(name),
    readFile: (name) => ts.sys.readFile(name),
    readDirectory: (...where) => ts.sys.readDirectory(...where),
    directoryExists: (name) => ts.sys.directoryExists(name),
    getDirectories: (name) => ts.sys.getDirectories(name),
  });
  const wrong: string[] = [];
  for (const task of all) {
    const name = join(root, task.file);
    changed.set(name, mutated(sourceOf(root, task), task));
    version++;
    const found = [...service.getSyntacticDiagnostics(name), ...service.getSemanticDiagnostics(name)];
    for (const { messageText } of found) wrong.push(`${describe(task)}: ${text(messageText)}`);
    changed.delete(name);
  }
  if (wrong.length > 0) end(2, ['these do not compile:', ...wrong].join('\n'));
}

function text(message: string | ts.DiagnosticMessageChain): string {
  return ts.flattenDiagnosticMessageText(message, '\n');
}

async function judge(copy: string, task: Task): Promise<Outcome> {
  const changed = join(copy, task.file);
  const before = sourceOf(copy, task);
  writeFileSync(changed, mutated(before, task));
  try {
    const ran = await runTests(copy, task.tests, LONGEST_RUN);
    if (ran !== 'passed') return ran === 'failed' ? 'killed' : ran;
    return task.mutant[3] === undefined ? 'survived' : 'equivalent';
  } finally {
    writeFileSync(changed, before);
  }
}

/** Runs test files up to the first that fails, and ends every process that they leave behind. */
function runTests(
  copy: string,
  tests: readonly string[],
  longest: number,
): Promise<'passed' | 'failed' | 'timed out'> {
  const options = ['--config', '.mocharc.source.json', '--bail', '--exit', '--reporter', 'dot'];
  const child = spawn(
    process.execPath,
    [join(root, 'node_modules/mocha/bin/mocha.js'), ...options, ...tests],
    {
      cwd: copy,
      stdio: 'ignore',
      detached: true,
      env: { ...process.env, NODE_COMPILE_CACHE: join(work, 'compiled') },
    },
  );
  const killAll = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // None is left.
    }
  };
  process.once('exit', killAll);
  return new Promise((resolve, reject) => {
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      killAll();
    }, longest);
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(limit);
      process.off('exit', killAll);
      killAll();
      resolve(isLate ? 'timed out' : code === 0 ? 'passed' : 'failed');
    });
  });
}

/** Prints the table of the parts and what survived, and ends with the verdict. */
function report(): never {
  const rows = [...Map.groupBy(outcomes, ([{ part }]) => part)].map(([part, all]) => [
    part,
    all.length,
    ...OUTCOMES.map((outcome) => all.filter(([, one]) => one === outcome).length),
  ]);
  console.log(`\n${['part'.padEnd(14), 'tried', ...OUTCOMES].join('  ')}`);
  for (const [part, ...numbers] of rows)
    console.log(
      [
        String(part).padEnd(14),
        ...numbers.map((number, at) => String(number).padStart(['tried', ...OUTCOMES][at]?.length ?? 0)),
      ].join('  '),
    );
  const survivors = tasks.filter((task) => outcomes.get(task) === 'survived');
  for (const task of survivors) console.log(`survived: ${describe(task)}`);
  const needless = tasks
    .filter(({ mutant }) => mutant[3] !== undefined)
    .filter((task) => outcomes.get(task) !== 'equivalent');
  for (const task of needless) console.log(`is killed and has a reason to survive: ${describe(task)}`);
  const counted = [...outcomes.values()].filter(
    (outcome) => outcome === 'killed' || outcome === 'timed out',
  ).length;
  const share = (100 * counted) / tasks.length;
  const isGood = share >= LEAST_KILLED && survivors.length === 0 && needless.length === 0;
  return end(isGood ? 0 : 1, `${counted} of ${tasks.length} killed, ${share.toFixed(1)} %`);
}

function end(status: number, sentence: string): never {
  if (status === 2) console.error(sentence);
  else console.log(sentence);
  process.exit(status);
}
