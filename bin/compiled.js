// A command that the build made one file of, and what V8 makes of that file, so that a run need not compile it again. Plain
// JavaScript for old engines; its modules are asked for where they are used, which takes a tenth of the time of an import.

/** Where the code of a file is for this very Node. V8 itself refuses code of another version, of other flags or of another source, and the file is then compiled as usual. */
const codeOf = (file) => `${file}.${process.version}-${process.platform}-${process.arch}.code`;

const builtin = (name) => process.getBuiltinModule(`node:${name}`);

function scriptOf(file, cachedData) {
  const { Script } = builtin('vm');
  // It is ASCII alone; as UTF-8 it would take longer to read.
  const source = builtin('fs').readFileSync(file, 'latin1');
  return new Script(`(function (require, module, exports) {${source}\n})`, {
    filename: file,
    cachedData,
  });
}

/** Loads a file, a CommonJS module with an absolute path, and returns what it exports. Throws what it throws. */
export function load(file) {
  const { existsSync, readFileSync } = builtin('fs');
  const code = codeOf(file);
  const script = scriptOf(file, existsSync(code) ? readFileSync(code) : undefined);
  const module = { exports: {} };
  script.runInThisContext()(builtin('module').createRequire(file), module, module.exports);
  return module.exports;
}

/** Writes the code of a file beside it: of all its functions, for most of those that a command has are called in each run. */
export function compile(file) {
  const { setFlagsFromString } = builtin('v8');
  setFlagsFromString('--no-lazy');
  const script = scriptOf(file, undefined);
  // The code is of the flags that hold when it is made.
  setFlagsFromString('--lazy');
  builtin('fs').writeFileSync(codeOf(file), script.createCachedData());
}
