import { replaceDurably } from '../../../storage/durable-file.ts';
import { systemFault } from '../../../instance/data-directory-error.ts';
import { loadKeyFile } from '../../../signers/key-file.ts';
import { utf8 } from '../../../core/bytes.ts';
import { readWhole } from '../../../storage/read-whole.ts';
import { describeChange, unfitParts } from '../../../trust/tuf/change-text.ts';
import { signChange } from '../../../trust/tuf/sign-change.ts';
import {
  encodeStagedChange,
  parseStagedChange,
  type StagedChange,
} from '../../../trust/tuf/staged-change.ts';
import { tufKey } from '../../../trust/tuf/tuf-key.ts';
import { CommandError, type Speaker } from '../../program/command.ts';
import { readLimited, readSecret } from '../../program/input-file.ts';
import { missingText, signerLines } from './signer-lines.ts';

/** Options of `mayfly trust tuf sign`. */
interface TufSignOptions {
  readonly key?: string;
  readonly passphraseFile?: string;
}

/** Shows what a staged change does, and signs it with a key, in the file itself. Needs nothing but the two. */
export async function signTuf(
  options: TufSignOptions,
  speak: Speaker,
  [file = '']: readonly string[],
): Promise<undefined> {
  const staged = await readStaged(file);
  const changes = describeChange(staged, Date.now());
  if (options.key === undefined) {
    speak.answer(
      { changes, missing: missingText(staged) ?? null },
      [...changes, ...signerLines(staged), ...rest(staged)].join('\n'),
    );
    return undefined;
  }
  requireMeaning(staged);
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  const signer = await loadKeyFile(await readLimited(options.key, '--key'), passphrase);
  const signed = await signChange(staged, signer);
  await replaceDurably(file, utf8(encodeStagedChange(signed))).catch((error: unknown) => {
    throw systemFault(file, 'write', error);
  });
  const keyId = tufKey(signer.publicKey).keyID;
  const lines = ['Signed:', ...changes, `with the key ${keyId}`, ...signerLines(signed), ...rest(signed)];
  speak.answer({ changes, keyId, missing: missingText(signed) ?? null }, lines.join('\n'));
  return undefined;
}

/** What cannot be shown in words, or says two things at once, is not signed by this command. */
function requireMeaning(change: StagedChange): void {
  const unfit = unfitParts(change, Date.now());
  if (unfit.length === 0) return;
  throw new CommandError('REFUSED', `this is not signed: ${unfit.join('; ')}`, {
    hint: 'Set the clock of this machine right, and use the version of Mayfly that the server has. If something has ended since it was staged, stage it again. Otherwise the server is not what you think it is.',
  });
}

const rest = (change: StagedChange): readonly string[] => [
  missingText(change) ??
    'All have signed. Where the data directory is: mayfly trust tuf import FILE --data DIR',
];

/** More than any staged change. */
const LIMIT = 16 * 1024 * 1024;

/** A staged change from its file. Rejects with TufError, or {@link CommandError} `USAGE` when it cannot be read. */
export async function readStaged(file: string): Promise<StagedChange> {
  const bytes = await readWhole(file, { size: LIMIT }).catch((cause: unknown) => {
    throw new CommandError('USAGE', `${file} cannot be read`, {
      hint: 'Name the file that `mayfly trust tuf stage` wrote.',
      cause,
    });
  });
  return parseStagedChange(bytes.toString());
}
