// A command that the build made one file of, and what V8 makes of that file, so that a run need not compile it again. Plain
// JavaScript for old engines; its modules are asked for where they are used, which takes a tenth of the time of an import.

/** Where the code of a file is for this very Node. V8 itself refuses code of another version, of other flags or of another source, and the file is then compiled as usual. */
const codeOf = (file) => `${file}.${process.version}-${process.platform}-${process.arch}.code`;

const builtin = (name) => process.getBuiltinModule(`node:${name}`);

/** A file's text is that of a function `(require, module, exports, __filename) => …` in brackets. */
function scriptOf(file, cachedData) {
  const { Script } = builtin('vm');
  // It is ASCII alone; as UTF-8 it would take longer to read.
  return new Script(builtin('fs').readFileSync(file, 'latin1'), { filename: file, cachedData });
}

function run(script, file) {
  const module = { exports: {} };
  script.runInThisContext()(builtin('module').createRequire(file), module, module.exports, file);
  return module.exports;
}

/** Loads a file with an absolute path, and returns what it exports. Throws what it throws. */
export function load(file) {
  const { existsSync, readFileSync } = builtin('fs');
  const code = codeOf(file);
  return run(scriptOf(file, existsSync(code) ? readFileSync(code) : undefined), file);
}

/** Writes the code of a file beside it: of the functions that a run with `sample` for its words calls, and without one of all. To read code of a function that is not called
 * takes longer than to read the others. Throws when the sample does not succeed. */
export async function compile(file, sample) {
  const { setFlagsFromString } = builtin('v8');
  // The engine forgets code that was not called for a while.
  const flags = [sample === undefined ? 'lazy' : 'flush-bytecode'];
  for (const flag of flags) setFlagsFromString(`--no-${flag}`);
  const script = scriptOf(file, undefined);
  if (sample !== undefined) {
    await run(script, file).main(sample);
    if (process.exitCode) throw new Error(`${file} ${sample.join(' ')}: ended with ${process.exitCode}`);
  }
  // The code is of the flags that hold when it is made.
  for (const flag of flags) setFlagsFromString(`--${flag}`);
  builtin('fs').writeFileSync(codeOf(file), script.createCachedData());
}
