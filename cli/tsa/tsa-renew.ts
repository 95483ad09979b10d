/** Another key for timestamps: made and published first, in force later. */
import type { KeyObject } from 'node:crypto';
import { caKeyTypeOf } from '../../ca/certify.ts';
import { TIMESTAMP_KEY_TYPE, timestampCommonName } from '../../ca/timestamp-certificate.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { nameValue } from '../../core/distinguished-name.ts';
import { discardSuccessor } from '../../instance/discard-successor.ts';
import {
  nothingAsked,
  requestedKey,
  stageSuccessor,
  waitingKey,
  type CheckedChain,
} from '../../instance/stage-successor.ts';
import {
  isSameFirst,
  requireNothingStaged,
  requireSwitchFinished,
  timestampSuccession,
  type Succession,
} from '../../instance/succession.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { readChain } from '../../trust/collect.ts';
import { discardAnswer } from '../program/discarded.ts';
import { certificateLine } from '../ca/ca-output.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { invocation, passphraseWords } from '../program/invocation.ts';
import { chooseKey, type KeyChoice } from '../program/key-choice.ts';
import { requireKeyFiles } from '../program/named-keys.ts';
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
  if (options.discard !== true)
    await requireKeyFiles(paths, [
      { setting: 'timestamps', reference: paths.timestampKey },
      { setting: 'timestamps-next', reference: paths.nextTimestampKey },
    ]);
  const { csr } = options;
  const successor = timestampSuccession(paths, directory.passphrase);
  if (options.switch === true) await putInForce(directory, speak);
  else if (options.discard === true)
    speak.answer(...discardAnswer(await discardSuccessor(successor), options.data, 'with --csr or --stage'));
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
  const { paths, passphrase } = directory;
  const file = paths.nextTimestampKey;
  await requireNothingStaged(timestampSuccession(paths, passphrase));
  const { key, keep } = await successorKey(options, directory);
  const pem = await requestFor(key, await nameOf(options, directory), directory);
  await keep();
  const install = `${invocation()} tsa renew --data ${quotedPath(options.data)} --stage tsa-chain.pem${passphraseWords(options)}`;
  const lines = await requestElsewhere(csr, pem, install);
  speak.answer({ csr, key: file }, [`Key: ${file}`, ...lines].join('\n'));
}

/** The key is written first, then the chain, and last it is recorded: what a crash leaves in between is taken up by the same command. */
async function stage(options: RenewOptions, directory: TimestampDirectory, speak: Speaker): Promise<void> {
  const { paths, passphrase } = directory;
  const succession = timestampSuccession(paths, passphrase);
  const file = options.stage === true ? undefined : options.stage;
  if (!(await isMissing(succession.nextChain))) {
    report(await stageAgain(succession, options, directory), false, options, directory, speak);
    return;
  }
  if (file !== undefined && (await isMissing(succession.nextKey))) throw nothingAsked(succession.nextKey);
  const { key, keep } = await successorKey(options, directory);
  const chain =
    file === undefined
      ? await certifyHere(key, await nameOf(options, directory), options, directory)
      : await chainFromFile(file, key, directory);
  await keep();
  await stageSuccessor(succession, chain, key);
  report(chain, true, options, directory, speak);
}

/** Finishes what an interrupted staging of the same successor left to be done. */
async function stageAgain(
  succession: Succession,
  options: RenewOptions,
  directory: TimestampDirectory,
): Promise<CheckedChain> {
  await requireSwitchFinished(succession);
  const key = await requestedKey(succession);
  const file = options.stage === true ? undefined : options.stage;
  const staged = await chainFromFile(file ?? succession.nextChain, key, directory);
  const isSame =
    file === undefined
      ? isAskedFor(options, staged, key)
      : isSameFirst(staged.chain, await readChain(succession.nextChain));
  if (!isSame) await requireNothingStaged(succession);
  await stageSuccessor(succession, staged, key);
  return staged;
}

/** Whether a certificate that was made here is what the options ask for. */
function isAskedFor({ commonName, keyType }: RenewOptions, { chain }: CheckedChain, key: KeyObject): boolean {
  const [first = new Uint8Array()] = chain;
  const name = nameValue(parseCertificate(first).subject, 'CN');
  return (commonName ?? name) === name && (keyType ?? caKeyTypeOf(key)) === caKeyTypeOf(key);
}

function report(
  { chainPem }: CheckedChain,
  isNew: boolean,
  options: RenewOptions,
  { paths }: TimestampDirectory,
  speak: Speaker,
): void {
  const data = quotedPath(options.data);
  const lines = [
    `${isNew ? 'Staged' : 'Staged before'}: ${certificateLine(chainPem)}`,
    'It signs nothing yet. Publish it to those who verify (TUF: `mayfly trust tuf stage`):',
    `  ${invocation()} trust export --data ${data} --out ./trust`,
    'When all of them have it:',
    `  ${invocation()} tsa renew --data ${data} --switch${passphraseWords(options)}`,
  ];
  const { nextTimestampChain, nextTimestampKey } = paths;
  speak.answer(
    { chain: nextTimestampChain, key: nextTimestampKey, isNew, subject: certificateLine(chainPem) },
    lines.join('\n'),
  );
}

/** The key of a request that was made, or of an interrupted command; or a new one. */
async function successorKey(
  { keyType }: RenewOptions,
  { paths, passphrase }: TimestampDirectory,
): Promise<KeyChoice> {
  return chooseKey(await waitingKey(timestampSuccession(paths, passphrase)), {
    paths,
    passphrase,
    file: paths.nextTimestampKey,
    keyType,
    defaultType: () => TIMESTAMP_KEY_TYPE,
    toBeginAgain: 'give it up with --discard',
  });
}

async function nameOf({ commonName }: RenewOptions, { paths, root }: TimestampDirectory): Promise<string> {
  const [current] = await readChain(paths.timestampChain);
  return commonName ?? timestampCommonName(root, current);
}
