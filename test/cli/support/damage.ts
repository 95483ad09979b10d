/** Ways to damage a stored log. */
import { chmodSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';

/** What is done to a directory, and what the check must say. */
export type DamageKinds = Readonly<Record<string, readonly [spoil: (here: string) => void, says: RegExp]>>;

/** Other bytes in the place of a file's. */
export function edit(path: string, change: (bytes: Buffer) => Buffer): void {
  chmodSync(path, 0o600);
  writeFileSync(path, change(readFileSync(path)));
}

/** Flips one bit of a file, at an offset, from its end where that is negative. */
export const flip =
  (name: string, at: number | ((bytes: Buffer) => number), bit = 0) =>
  (here: string): void => {
    edit(join(here, name), (bytes) => {
      const offset = typeof at === 'number' ? at : at(bytes);
      const place = offset < 0 ? bytes.length + offset : offset;
      bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
      return bytes;
    });
  };
/** Cuts a file off. */
export const cut =
  (name: string, left: number) =>
  (here: string): void => {
    chmodSync(join(here, name), 0o600);
    truncateSync(join(here, name), left);
  };
/** Adds a byte. */
export const longer = (name: string) => (here: string) => {
  edit(join(here, name), (bytes) => Buffer.concat([bytes, Buffer.of(0)]));
};
/** Removes a file. */
export const remove = (name: string) => (here: string) => {
  rmSync(join(here, name));
};
/** Puts the bytes of the other file into the first one. */
export const swap = (one: string, other: string) => (here: string) => {
  const bytes = readFileSync(join(here, other));
  edit(join(here, one), () => bytes);
};
/** Makes a folder of a file. */
export const asDirectory = (name: string) => (here: string) => {
  rmSync(join(here, name));
  mkdirSync(join(here, name));
};
/** Runs a statement on a database. */
export const sql = (name: string, statement: string) => (here: string) => {
  const db = new DatabaseSync(join(here, name));
  db.exec(statement);
  db.close();
};
/** Where a text is in a file. */
export const at =
  (text: string | Uint8Array, more = 0) =>
  (bytes: Buffer): number => {
    const found = bytes.indexOf(text);
    if (found < 0) throw new Error('the file does not have it');
    return found + more;
  };
