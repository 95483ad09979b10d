/** Where a module is, and why it cannot be loaded. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, systemCode } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { Cryptoki } from './cryptoki.ts';
import type { Koffi } from './native-memory.ts';
import { Pkcs11Error } from './pkcs11-error.ts';
import type { ModuleLocation } from '../pkcs11-uri.ts';

/** GNU's names of the folders of each architecture. */
const MULTIARCH: Readonly<Record<string, string>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  arm: 'arm-linux-gnueabihf',
  ppc64: 'powerpc64le-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
};

/** Where Linux, FreeBSD and macOS have modules; the first that has one of the name is taken. */
function moduleFolders(): readonly string[] {
  const multiarch = MULTIARCH[process.arch];
  const libraries = [
    ...(multiarch === undefined ? [] : [`/usr/lib/${multiarch}`]),
    ...['/usr/lib64', '/usr/lib', '/usr/local/lib64', '/usr/local/lib', '/opt/homebrew/lib'],
  ];
  return [...libraries.flatMap((folder) => [`${folder}/pkcs11`, `${folder}/softhsm`]), ...libraries];
}

/** The file of a module. Throws {@link Pkcs11Error} `PKCS11_MODULE` where there is none. */
export function moduleFile({ path, name }: ModuleLocation): string {
  if (path !== undefined && !isFolder(path)) return path;
  const folders = path === undefined ? moduleFolders() : [path];
  if (name === undefined)
    throw failure(
      `the module-path ${path ?? ''} is a folder`,
      `Name the file, or add module-name. In it are ${listed(path ?? '')}.`,
    );
  const wanted = name.toLowerCase();
  for (const folder of folders) {
    const file = filesIn(folder).find((one) => bareName(one) === wanted);
    if (file !== undefined) return join(folder, file);
  }
  throw failure(
    `no module is called ${name}`,
    `Looked for in ${folders.join(', ')}. Name the file itself by module-path.`,
  );
}

/** RFC 7512 §2.4: a name is compared without "lib" in front and the suffix of libraries, whatever its case. */
const bareName = (file: string): string | undefined =>
  /^(?:lib)?([^.].*)\.(?:so|dylib)(?:\.[\d.]+)?$/i.exec(file)?.[1]?.toLowerCase();

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

const listed = (folder: string): string =>
  printable(
    filesIn(folder)
      .filter((file) => bareName(file) !== undefined)
      .slice(0, 20)
      .join(', '),
  ) || 'no libraries';

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Loads the module in `file`. Throws {@link Pkcs11Error} `PKCS11_MODULE` with the text of the system's loader. */
export function loadModule(koffi: Koffi, file: string): Cryptoki {
  try {
    return new Cryptoki(koffi, file);
  } catch (error) {
    // Koffi's words stand before the loader's.
    const text = messageOf(error).replace(/^Failed to load shared library: /, '');
    if (/'C_GetFunctionList'/.test(text))
      throw failure(
        `${file} is a library, but no PKCS#11 module: it has no C_GetFunctionList`,
        'The makers of the token say which of their libraries is the PKCS#11 module.',
      );
    throw failure(
      `the module ${file} cannot be loaded: ${printable(text.slice(0, 1_000))}`,
      whyNotLoaded(file, text),
    );
  }
}

function whyNotLoaded(file: string, text: string): string {
  if (!existsSync(file)) return missingHint(file);
  const machine = machineOf(file);
  if (typeof machine === 'object') return machine.fault;
  if (machine !== undefined && machine !== process.arch)
    return `It is built for ${machine}, and this process is ${process.arch}: install the package of this architecture.`;
  if (/libc\.musl/.test(text))
    return 'It is built for musl (Alpine), and this system has another C library: install the package of this system.';
  const [, needed] = /^([^\s:]+): cannot open shared object file/.exec(text) ?? [];
  if (needed !== undefined)
    return `It needs ${needed}, which is not installed. What else it needs: ldd ${file}`;
  if (/GLIBC|not found/.test(text))
    return `It was built for a newer system, or what it needs is of another version: ldd -v ${file}`;
  return `What it needs: ldd ${file}. May this user read it?`;
}

const missingHint = (file: string): string => {
  const folder = file.slice(0, file.lastIndexOf('/')) || '/';
  return existsSync(folder)
    ? `There is no such file. In ${folder} are ${listed(folder)}.`
    : `There is no such file, and no folder ${folder}. Is the package of the token's maker installed here?`;
};

/** e_machine of ELF → the name in `process.arch`. */
const MACHINES: ReadonlyMap<number, string> = new Map([
  [3, 'ia32'],
  [8, 'mips'],
  [21, 'ppc64'],
  [22, 's390x'],
  [40, 'arm'],
  [62, 'x64'],
  [183, 'arm64'],
  [243, 'riscv64'],
  [258, 'loong64'],
]);

/** What a library is built for. The loader says "no such file" of one that is for another machine. */
function machineOf(file: string): string | { readonly fault: string } | undefined {
  const header = Buffer.alloc(20);
  try {
    const handle = openSync(file, 'r');
    try {
      if (readSync(handle, header) < header.length) return { fault: 'The file is too short for a library.' };
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    return { fault: `This user cannot read it (${systemCode(error) ?? 'unknown'}).` };
  }
  if (header.readUInt32BE(0) !== 0x7f454c46)
    return process.platform === 'darwin' ? undefined : { fault: 'The file is no library (ELF).' };
  return MACHINES.get(header.readUInt16LE(18));
}

const failure = (message: string, hint: string): Pkcs11Error =>
  new Pkcs11Error('PKCS11_MODULE', message, { hint });
