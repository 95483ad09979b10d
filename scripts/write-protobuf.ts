/**
 * Writes `server/grpc/protobuf/` from the files in `proto/`, with Buf's compiler and code generator. `npm run protobuf` calls it
 * when one of them has changed.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** The program of an npm package. */
function program(name: string): string {
  const file = require.resolve(`${name}/package.json`);
  const { bin } = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly bin: Readonly<Record<string, string>>;
  };
  const path = bin[name.split('/').at(-1) ?? ''];
  if (path === undefined) throw new Error(`${name} has no program of its name`);
  return join(dirname(file), path);
}

/** Writes the code of the proto files of the checkout `root` into `out`. */
export function writeProtobuf(root: string, out: string): void {
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
  execFileSync(
    process.execPath,
    [program('@bufbuild/buf'), 'generate', 'proto', '--template', JSON.stringify(template)],
    { cwd: root, stdio: 'inherit' },
  );
}

const root = dirname(import.meta.dirname);
if (import.meta.main) writeProtobuf(root, join(root, 'server/grpc/protobuf'));
