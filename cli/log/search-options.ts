/** Options of commands that look for entries of any log, in the words of a search over HTTP. */
import { toHex } from '../../core/bytes.ts';
import { decodePem } from '../../core/pem.ts';
import { conditionOf, type ConditionName } from '../../search/search-conditions.ts';
import { SearchError } from '../../search/search-error.ts';
import type { SearchCondition } from '../../search/search-keys.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { CommandError } from '../program/command.ts';
import { readInput } from '../program/input-file.ts';

/** Options that say which entries. */
export interface ConditionOptions {
  readonly identity?: string;
  readonly identityPrefix?: string;
  readonly issuer?: string;
  readonly serial?: string;
  readonly extension?: readonly string[];
  readonly digest?: string;
  /** A file. */
  readonly certificate?: string;
  readonly certificateSha256?: string;
  readonly keySha256?: string;
}

/** Option → condition. */
const CONDITIONS: readonly (readonly [keyof ConditionOptions, ConditionName, option: string])[] = [
  ['identity', 'identity', '--identity'],
  ['identityPrefix', 'identity-prefix', '--identity-prefix'],
  ['issuer', 'issuer', '--issuer'],
  ['serial', 'serial', '--serial'],
  ['extension', 'extension', '--extension'],
  ['digest', 'digest', '--digest'],
  ['certificateSha256', 'certificate', '--certificate-sha256'],
  ['keySha256', 'key', '--key-sha256'],
];

/** What is asked for. Rejects with {@link CommandError} `USAGE` for what is none. */
export async function conditionsOf(options: ConditionOptions): Promise<readonly SearchCondition[]> {
  const { identity, identityPrefix, certificate } = options;
  if (identity !== undefined && identityPrefix !== undefined)
    throw new CommandError('USAGE', 'give one of --identity and --identity-prefix');
  const written = CONDITIONS.flatMap(([name, by, option]) =>
    [options[name] ?? []].flat().map((value) => conditionIn(by, value, option)),
  );
  if (certificate === undefined) return written;
  return [...written, { by: 'certificate', value: await fingerprintOf(certificate) }];
}

function conditionIn(by: ConditionName, value: string, option: string): SearchCondition {
  try {
    return conditionOf(by, value);
  } catch (error) {
    if (!(error instanceof SearchError)) throw error;
    throw new CommandError('USAGE', `${option}: ${error.message}`, { hint: error.hint });
  }
}

async function fingerprintOf(path: string): Promise<string> {
  const [block] = decodePem(await readInput(path, '--certificate'));
  if (block?.label === 'CERTIFICATE') return toHex(sha256(block.bytes));
  throw new CommandError('FAILED', '--certificate holds no certificate in PEM');
}
