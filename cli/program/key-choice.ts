/** The key that a certificate is asked for: the one that waits since it was asked for before, or a new one. */
import type { KeyObject } from 'node:crypto';
import { CA_KEY_TYPES, caKeyTypeOf, type CaKeyType } from '../../ca/certify.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { passphraseForNewKey, writeNewKey } from '../../instance/private-key-file.ts';
import { generateKey } from '../../signers/key-types.ts';
import { CommandError, notify } from './command.ts';
import { parseChoice } from './options.ts';

/** What the key is for. */
interface KeyRequest {
  readonly paths: DataPaths;
  readonly passphrase: string | undefined;
  /** Where it waits. */
  readonly file: string;
  /** `--key-type`. */
  readonly keyType: string | undefined;
  /** Without it. */
  readonly defaultType: () => CaKeyType | Promise<CaKeyType>;
  /** What is done to have another key than the one that waits, in words. */
  readonly toBeginAgain: string;
}

/** A key. */
export interface KeyChoice {
  readonly key: KeyObject;
  readonly isNew: boolean;
  /** Writes it if it is new: not before what is asked for was found to be possible. */
  readonly keep: () => Promise<void>;
}

/** Takes `waiting`, or makes a key. Throws {@link CommandError} where one waits that is of another type than is asked for, and rejects with KeyFileError where the passphrase is not
 * the one of the other keys: before a key has another one. */
export async function chooseKey(waiting: KeyObject | undefined, request: KeyRequest): Promise<KeyChoice> {
  const { paths, passphrase, file, keyType } = request;
  if (waiting !== undefined) {
    if (keyType !== undefined && keyType !== caKeyTypeOf(waiting)) throw begun(request);
    return { key: waiting, isNew: false, keep: () => Promise.resolve() };
  }
  const shared = await passphraseForNewKey(paths, file, passphrase);
  const type =
    keyType === undefined ? await request.defaultType() : parseChoice(keyType, '--key-type', CA_KEY_TYPES);
  const key = await generateKey(type);
  return { key, isNew: true, keep: () => keep(key, shared, request) };
}

async function keep(
  key: KeyObject,
  shared: string | undefined,
  { paths, passphrase, file }: KeyRequest,
): Promise<void> {
  await writeNewKey(paths, file, key, shared);
  if (passphrase !== undefined && shared === undefined)
    notify(`mayfly: warning: ${file} has no passphrase, because the other keys of the directory have none`);
}

const begun = ({ file, toBeginAgain }: KeyRequest): CommandError =>
  new CommandError('REFUSED', `this was begun already: ${file}`, {
    hint: `To go on with its key leave out --key-type; to begin again ${toBeginAgain}.`,
  });
