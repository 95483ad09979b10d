/** What `.ci/run` holds a change to, in a clone with its packages. */

/** Status with which the campaign and the attacks end when they found a promise broken, or a saboteur went unseen. They draw new random
 * numbers in each run, so that a second one that holds says nothing about the first. */
export const BROKEN = 80;

/** Status of a run of mocha whose process did not end when every test was over. */
export const HUNG = 86;

/** A command that must succeed. */
export interface Check {
  readonly name: string;
  readonly command: readonly string[];
  /** Variables that it has beside those of all; undefined takes one away. */
  readonly env?: NodeJS.ProcessEnv;
  /** What a failure of it may be by chance, so that a second attempt decides: `whole`, because it judges times or kills at
   * random, runs anew, unless it ended with {@link BROKEN}. Of a `suite`, which is a run of mocha, the files that failed run alone by the command given here,
   * whose last word is the file. Without it, a failure stays one. */
  readonly again?: 'whole' | { readonly file: readonly string[] };
}

/** A run of mocha, which is judged by its own counts. */
const suite = (
  name: string,
  command: readonly string[],
  file: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Check => ({ name, command, env, again: { file } });

const npmRun = (...words: readonly string[]): readonly string[] => ['npm', 'run', '--silent', ...words];
const FROM_BUILD = ['mocha', '--config', '.mocharc.built.json', '--no-parallel'];

/** The tests from source, properties with all their runs. */
export const SHORT_TESTS = suite('npm test', ['npm', 'test'], npmRun('test:file', '--'));

/** Checks the types as it compiles. What several of the others would build first is there already, and is not written again. */
export const BUILD: Check = { name: 'npm run build', command: npmRun('build') };

/** Whole programs, outside judges, tarballs, storms of requests. The rows of `npm run interop` are among these and the short ones
 * (test/interop/rows.long.test.ts holds them to that), so they are not run again. */
export const LONG_TESTS = suite('long tests, from the build', npmRun('test:long'), FROM_BUILD);

/** Its OpenSSL is the one that takes weak Ed25519 keys. */
const OLDEST = ['node', 'scripts/test-on-node.ts', '22.16'];
const ON_OLDEST = ['-g', 'the first certificate|keys that anybody can use'];

/** What judges no time and runs beside the long tests, one after the other. */
export const BESIDE: readonly Check[] = [
  { name: 'npm run lint (rules, layers, formatting)', command: npmRun('lint') },
  {
    name: 'benchmark, smoke run, which leaves no file behind',
    command: [
      'sh',
      '-c',
      'TMPDIR=$(mktemp -d) && chmod 755 "$TMPDIR" && export TMPDIR && npm run --silent bench -- --smoke --out ../bench.json && rmdir "$TMPDIR"',
    ],
    env: { NODE_DISABLE_COMPILE_CACHE: '1' },
    again: 'whole',
  },
  suite('beside Fulcio', npmRun('test:differential'), [
    ...['mocha', '--config', '.mocharc.differential.json'],
  ]),
  suite(
    'the first certificate and weak keys on the oldest Node',
    [...OLDEST, 'dist/test/**/*.test.js', ...ON_OLDEST],
    [...OLDEST, ...ON_OLDEST],
  ),
  // Programs that are installed run on the pinned runtime, and properties have had all their runs: the next Node is asked
  // for the rest.
  suite(
    'the short suite on node@26',
    npmRun('test:node26'),
    ['node', 'scripts/test-on-node.ts', '26', '--no-parallel'],
    { PROPERTY_RUNS: undefined },
  ),
];

/** What measures what honest clients see, so that nothing runs beside it. */
export const ALONE: readonly Check[] = [
  {
    name: 'the campaign against the logs, short form',
    command: npmRun('campaign', '--', '--short'),
    again: 'whole',
  },
  {
    name: 'attacks on a running service, short form',
    command: npmRun('abuse', '--', '--short', '--json', '../abuse.json'),
    again: 'whole',
  },
];
