/** Another key for timestamps: made and published first, in force later. */
import type { KeyObject } from 'node:crypto';
import { timestampCommonName } from '../../ca/timestamp-certificate.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import { utf8 } from '../../core/bytes.ts';
import { shareOwner, writeDurably } from '../../storage/durable-file.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { readChain } from '../../trust/collect.ts';
import { recordTrust } from '../../trust/ledger.ts';
import {
  discardSuccessor,
  requireKeyNotEnded,
  requireNothingStaged,
  requireSwitchFinished,
  timestampSuccession,
} from '../../instance/successor.ts';
import { discardAnswer } from '../program/discarded.ts';
import { certificateLine } from '../ca/ca-output.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import {
  certifyHere,
  chainFromFile,
  checkWays,
  requestElsewhere,
  requestFor,
  usage,
  type CertificationOptions,
} from './certification.ts';
import { putInForce } from './switch-key.ts';
import {
  changeTimestampDirectory,
  keepKey,
  newKey,
  openKeyFile,
  passphraseWords,
  pendingKey,
  type TimestampDirectory,
  type TimestampOptions,
} from './timestamp-directory.ts';

interface RenewOptions extends TimestampOptions, Omit<CertificationOptions, 'install'> {
  /** The chain that was made of the request; true with the root key. */
  readonly stage?: string | true;
  readonly switch?: true;
  readonly discard?: true;
}

/** A step of a renewal. Rejects with the typed error of what does not fit; nothing is in force then that was not. */
export async function renew(options: RenewOptions, speak: Speaker): Promise<undefined> {
  checkStep(options);
  return changeTimestampDirectory(options, (directory) => renewIn(directory, options, speak));
}

async function renewIn(directory: TimestampDirectory, options: RenewOptions, speak: Speaker): Promise<void> {
  const { paths } = directory;
  if (await isMissing(paths.timestampChain))
    throw new CommandError('REFUSED', `${paths.root} has no timestamp authority that could be renewed`, {
      hint: `Make one: mayfly tsa init --data ${quotedPath(options.data)} --help`,
    });
  const { csr } = options;
  if (options.switch === true) await putInForce(directory, speak);
  else if (options.discard === true) await discard(directory, speak);
  else if (csr === undefined) await stage(options, directory, speak);
  else await ask(csr, options, directory, speak);
}

function checkStep(options: RenewOptions): void {
  const { stage: chain, csr, rootKey } = options;
  const others = [rootKey, csr, chain, options.keyType, options.commonName, options.root];
  if (options.switch === true) {
    if ([...others, options.discard].every((option) => option === undefined)) return;
    throw usage('--switch stands alone', 'Stage the successor first, publish it, and then switch to it.');
  }
  if (options.discard === true) {
    if (others.every((option) => option === undefined)) return;
    throw usage('--discard stands alone', 'Give up the successor first, and then begin anew.');
  }
  if (chain === true ? rootKey === undefined : rootKey !== undefined)
    throw usage(
      '--root-key and --stage go together: --stage --root-key FILE; or --csr FILE, and then --stage CHAIN',
      'Verifiers refuse timestamps by a key that they do not know yet, so a successor is staged first. When they have the new trust material: --switch.',
    );
  checkWays(
    chain === undefined || chain === true ? options : { ...options, install: chain },
    'say what to do: --csr FILE and then --stage CHAIN, or --stage --root-key FILE; then --switch; or --discard',
  );
}

async function ask(
  csr: string,
  options: RenewOptions,
  directory: TimestampDirectory,
  speak: Speaker,
): Promise<void> {
  const { nextTimestampKey: file } = directory.paths;
  await requireNothingStaged(timestampSuccession(directory.paths));
  const { key, keep } = await successorKey(options, directory);
  const pem = await requestFor(key, await nameOf(options, directory), directory);
  await keep();
  const install = `${invocation()} tsa renew --data ${quotedPath(options.data)} --stage tsa-chain.pem${passphraseWords(options)}`;
  const lines = await requestElsewhere(csr, pem, install);
  speak.answer({ csr, key: file }, [`Key: ${file}`, ...lines].join('\n'));
}

/** The key is written first and the chain last: what a crash leaves in between is taken up by the same command. */
async function stage(options: RenewOptions, directory: TimestampDirectory, speak: Speaker): Promise<void> {
  const { paths } = directory;
  const file = options.stage === true ? undefined : options.stage;
  await requireNothingStaged(timestampSuccession(paths));
  if (file !== undefined && (await isMissing(paths.nextTimestampKey)))
    throw new CommandError('REFUSED', `nothing was asked for: there is no ${paths.nextTimestampKey}`, {
      hint: 'Begin with --csr FILE: the key is made here, and the chain is the answer to its request.',
    });
  const { key, keep } = await successorKey(options, directory);
  const chain =
    file === undefined
      ? await certifyHere(key, await nameOf(options, directory), options, directory)
      : await chainFromFile(file, key, directory);
  await keep();
  try {
    await writeDurably(paths.nextTimestampChain, utf8(chain), 0o644);
    await shareOwner(paths.nextTimestampChain, paths.chain);
  } catch (error) {
    throw systemFault(paths.nextTimestampChain, 'write', error);
  }
  await recordTrust(paths);
  report(chain, options, directory, speak);
}

function report(chain: string, options: RenewOptions, { paths }: TimestampDirectory, speak: Speaker): void {
  const data = quotedPath(options.data);
  const lines = [
    `Staged: ${certificateLine(chain)}`,
    'It signs nothing yet. Publish it to those who verify (TUF: `mayfly trust tuf stage`):',
    `  ${invocation()} trust export --data ${data} --out ./trust`,
    'When all of them have it:',
    `  ${invocation()} tsa renew --data ${data} --switch${passphraseWords(options)}`,
  ];
  const { nextTimestampChain, nextTimestampKey } = paths;
  speak.answer(
    { chain: nextTimestampChain, key: nextTimestampKey, subject: certificateLine(chain) },
    lines.join('\n'),
  );
}

async function discard({ data, paths, passphrase }: TimestampDirectory, speak: Speaker): Promise<void> {
  const open = (file: string): Promise<KeyObject> => openKeyFile(file, passphrase);
  const discarded = await discardSuccessor(timestampSuccession(paths), open);
  speak.answer(...discardAnswer(discarded, data));
}

/** `keep` writes the key if it is new: not before what is asked for was found to be possible. */
async function successorKey(
  { keyType }: RenewOptions,
  directory: TimestampDirectory,
): Promise<{ key: KeyObject; keep: () => Promise<void> }> {
  const { nextTimestampKey, timestampKey } = directory.paths;
  const pending = await pendingKey(nextTimestampKey, directory, keyType, 'give it up with --discard');
  if (pending !== undefined) {
    const succession = timestampSuccession(directory.paths);
    await requireSwitchFinished(succession, pending);
    await requireKeyNotEnded(succession, pending);
    return { key: pending, keep: () => Promise.resolve() };
  }
  const key = await newKey(directory, keyType, timestampKey);
  return { key, keep: () => keepKey(nextTimestampKey, key, directory) };
}

async function nameOf({ commonName }: RenewOptions, { paths, root }: TimestampDirectory): Promise<string> {
  const [current] = await readChain(paths.timestampChain);
  return commonName ?? timestampCommonName(root, current);
}
