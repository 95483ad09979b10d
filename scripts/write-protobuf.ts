/**
 * Writes `server/grpc/protobuf/` from the files in `proto/`, with Buf's compiler and code generator. `npm run protobuf` calls it
 * when one of them has changed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** The program of an npm package, which lies where `from` finds it. */
function program(name: string, from = require): string {
  const file = from.resolve(`${name}/package.json`);
  const { bin } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly bin: Readonly<Record<string, string>>;
  };
  const path = bin[name.split('/').at(-1) ?? ''];
  if (path === undefined) throw new Error(`${name} has no program of its name`);
  return join(dirname(file), path);
}

/** Buf's compiler, which is installed in `scripts/buf/` when it is first needed: no machine that only builds or tests has to have it. */
function buf(root: string): string {
  const folder = join(root, 'scripts/buf');
  if (!existsSync(join(folder, 'node_modules/@bufbuild/buf/bin/buf')))
    execFileSync('npm', ['ci', '--silent', '--ignore-scripts'], { cwd: folder, stdio: 'inherit' });
  return program('@bufbuild/buf', createRequire(join(folder, 'package.json')));
}

/** Writes the code of the proto files of the checkout `root` into `out`. Throws where the compiler cannot be installed. */
export function writeProtobuf(root: string, out: string): void {
  const compiler = buf(root);
  const template = {
    version: 'v2',
    plugins: [
      {
        local: [process.execPath, program('@bufbuild/protoc-gen-es')],
        out,
        opt: ['target=ts', 'import_extension=ts', 'erasable_syntax=true'],
      },
    ],
  };
  rmSync(out, { recursive: true, force: true });
  execFileSync(process.execPath, [compiler, 'generate', 'proto', '--template', JSON.stringify(template)], {
    cwd: root,
    stdio: 'inherit',
  });
}

const root = dirname(import.meta.dirname);
if (import.meta.main) writeProtobuf(root, join(root, 'server/grpc/protobuf'));
