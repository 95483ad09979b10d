/** Files that a configuration names and that are read with it. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { DefinitionError } from '../core/definition-error.ts';

/** Where a file is named, and what it has to be. */
interface NamedFile {
  readonly path: string;
  /** The setting that names it. */
  readonly field: string;
  /** The issuer of that setting. */
  readonly issuer: string;
  /** Most bytes. */
  readonly size: number;
  /** What it holds, a sentence. */
  readonly hint: string;
}

/** The text of the file, without a byte order mark, which editors leave. Throws {@link DefinitionError} for what is not
 * there, is no file, or is too long. */
export function readNamedFile(file: NamedFile): string {
  const { path, field } = file;
  try {
    // Opening a pipe would wait for a writer.
    if (!statSync(path).isFile()) throw fileFault(file, `${path} is not a file`);
    return readAll(file).replace(/^\uFEFF/, '');
  } catch (error) {
    if (error instanceof DefinitionError) throw error;
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    throw fileFault(
      { ...file, hint: `It is named by ${field} of the issuer block.` },
      `cannot read ${path}: ${code}`,
    );
  }
}

/** Something wrong with the file or what it holds. */
export const fileFault = ({ field, issuer, hint }: NamedFile, sentence: string): DefinitionError =>
  new DefinitionError('FIELD_INVALID', sentence, { hint, metadata: { issuer, field } });

function readAll(named: NamedFile): string {
  const { path, size } = named;
  const file = openSync(path, 'r');
  try {
    if (fstatSync(file).size > size) throw fileFault(named, `${path} has more than ${size} bytes`);
    const bytes = Buffer.alloc(size);
    let length = 0;
    for (let read = -1; read !== 0 && length < size; length += read)
      read = readSync(file, bytes, length, size - length, null);
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}
