import { join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { utf8, utf8Text } from '../../core/bytes.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { LogError } from './log-error.ts';
import { readLogFile } from './log-file.ts';

/** What a log of any kind is, for good. */
export interface LogIdentity {
  /** What names it on its checkpoints. */
  readonly origin: string;
  /** 32 bytes that no other log has, derived from its keys. */
  readonly logId: Uint8Array;
  /** The text of `log.json`, to which the commit store is bound: the same for the same identity. */
  readonly text: string;
}

/** Name of the identity's file inside a log's directory. Written once, when the log is created. */
export const IDENTITY_FILE = 'log.json';

const COMPONENT = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const HOST = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?$/;

/** The name of the log with this origin. Throws {@link LogError} when the origin is not `host[:port]/path` in lower
 * case without scheme and trailing slash: clients derive the key's id from these very letters. */
export function nameOfOrigin(origin: string): string {
  const [host = '', ...path] = origin.split('/');
  const name = path.at(-1);
  if (name === undefined || !HOST.test(host) || !path.every((part) => COMPONENT.test(part))) {
    throw new LogError('LOG_BAD_ORIGIN', `"${origin}" cannot be the origin of a log`, {
      hint: 'An origin looks like ca.example.org/log/2026: lower case, no scheme, no slash at the end.',
    });
  }
  return name;
}

/** Writes the identity of a new log into `directory`. */
export async function writeIdentity(directory: string, { text }: LogIdentity): Promise<void> {
  await writeDurably(join(directory, IDENTITY_FILE), utf8(text), 0o644);
}

/** What `parse` makes of the fields of `log.json` in `directory`. Throws {@link LogError}: `LOG_MISSING`, `LOG_STORAGE`, and
 * `LOG_CORRUPT` with what reading and `parse` throw. */
export async function readIdentityFile<T>(
  directory: string,
  parse: (fields: ReadonlyMap<string, unknown>) => T,
): Promise<T> {
  const path = join(directory, IDENTITY_FILE);
  const bytes = await readLogFile(directory, IDENTITY_FILE).catch((cause: unknown) => {
    throw new LogError('LOG_STORAGE', messageOf(cause), { cause });
  });
  if (bytes === undefined)
    throw new LogError('LOG_MISSING', `there is no log in ${directory}`, {
      hint: 'Name the directory that holds it. If its log.json was lost, restore that from a copy; it never changes after the log is created.',
    });
  try {
    return parse(fieldsOf(utf8Text(bytes)));
  } catch (error) {
    throw new LogError('LOG_CORRUPT', `${path} is damaged: ${messageOf(error)}`, {
      hint: 'Restore log.json from a copy; it never changes after the log is created.',
    });
  }
}

/** What `parse` makes of the fields of a text of `log.json`. Throws what that throws, and SyntaxError. */
export const parseIdentityText = <T>(text: string, parse: (fields: ReadonlyMap<string, unknown>) => T): T =>
  parse(fieldsOf(text));

function fieldsOf(text: string): Map<string, unknown> {
  const value: unknown = JSON.parse(text);
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
}

/** The names of the fields in which two texts of `log.json` differ. */
export function identityDifferences(bound: string, file: string): string[] {
  const [was, is] = [fieldsOf(bound), fieldsOf(file)];
  return [...new Set([...was.keys(), ...is.keys()])].filter((key) => was.get(key) !== is.get(key));
}
