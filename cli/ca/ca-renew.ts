import type { KeyObject } from 'node:crypto';
import { basename } from 'node:path';
import { CA_KEY_TYPES, caKeyTypeOf } from '../../ca/certify.ts';
import { intermediateRequest, nextCommonName } from '../../ca/renewal.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { generateKey } from '../../signers/key-types.ts';
import { changing } from '../../instance/change-lock.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { shareOwner, syncDirectory, writeNew } from '../../storage/durable-file.ts';
import {
  authoritySuccession,
  discardSuccessor,
  isSwitchInterrupted,
  requireKeyNotEnded,
  requireNothingStaged,
} from '../../instance/successor.ts';
import { readChain } from '../../trust/collect.ts';
import { discardAnswer } from '../program/discarded.ts';
import { writeOutput } from './ca-output.ts';
import { installSuccessor, openKey, stageSuccessor, switchToSuccessor } from './ca-successor.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { passphraseLike, readSecret } from '../program/input-file.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { invocation } from '../program/invocation.ts';
import { quoted, quotedPath } from '../../storage/quoted-path.ts';
import { parseChoice } from '../program/options.ts';

/** Options of `mayfly ca renew`. */
interface RenewOptions {
  readonly data: string;
  readonly csr?: string;
  readonly stage?: string;
  readonly switch?: true;
  readonly install?: string;
  readonly discard?: true;
  readonly newRoot?: true;
  readonly passphraseFile?: string;
  readonly keyType?: string;
  readonly commonName?: string;
}

/** The steps of a renewal. Rejects with the typed error of what does not fit; nothing is in force then that was not. */
export async function renew(options: RenewOptions, speak: Speaker): Promise<undefined> {
  const { csr, stage, install } = options;
  const steps = [csr, stage, options.switch, install, options.discard].filter((step) => step !== undefined);
  if (steps.length !== 1)
    throw usage(
      'say which step: --csr FILE, --stage CHAIN, --switch, --install CHAIN, or --discard',
      'See: mayfly ca renew --help',
    );
  if (csr === undefined && (options.keyType ?? options.commonName) !== undefined)
    throw usage('--key-type and --common-name belong to --csr', 'Leave them out.');
  if (options.newRoot !== undefined && (stage ?? install) === undefined)
    throw usage('--new-root belongs to --stage and --install', 'Leave it out.');
  await changing(options.data, async ({ paths }) => {
    const passphrase = await readSecret(options.passphraseFile, 'passphrase');
    const successor = { paths, passphrase, data: options.data, mayHaveNewRoot: options.newRoot === true };
    if (csr !== undefined) await request(csr, options, { paths, passphrase }, speak);
    else if (stage !== undefined) await stageSuccessor(stage, successor, speak);
    else if (install !== undefined) await installSuccessor(install, successor, speak);
    else if (options.discard === true) await discard({ paths, passphrase }, options, speak);
    else await switchToSuccessor(successor, speak);
  });
  return undefined;
}

interface Opened {
  readonly paths: DataPaths;
  readonly passphrase: string | undefined;
}

async function request(csr: string, options: RenewOptions, opened: Opened, speak: Speaker): Promise<void> {
  const { paths } = opened;
  await requireNothingStaged(authoritySuccession(paths));
  const [issuing = new Uint8Array()] = await readChain(paths.chain);
  const name = options.commonName ?? nextCommonName(issuing);
  const begun = !(await isMissing(paths.nextIntermediateKey));
  const key = begun ? await pendingKey(opened, options) : await newKey(opened, options);
  // Before the file of the key: what is wrong with the name leaves nothing behind.
  const pem = await intermediateRequest(key, issuing, name);
  if (!begun) await keep(key, opened);
  await writeOutput(csr, pem, '--csr');
  const lines = [
    begun
      ? `The key of the renewal that was begun: ${paths.nextIntermediateKey}`
      : `New key: ${paths.nextIntermediateKey}`,
    `Request: ${csr}, for CN=${name}`,
    'Next, where the root key is (any X.509 tool does):',
    `  mayfly ca sign ${quoted(basename(csr))} --root root.pem --root-key root.key.pem --out chain.pem`,
    'and here again:',
    `  ${invocation()} ca renew --data ${quotedPath(options.data)} --stage chain.pem`,
  ];
  speak.answer({ csr, key: paths.nextIntermediateKey, commonName: name, begun }, lines.join('\n'));
}

async function discard({ paths, passphrase }: Opened, { data }: RenewOptions, speak: Speaker): Promise<void> {
  const discarded = await discardSuccessor(authoritySuccession(paths), (file) => openKey(file, passphrase));
  speak.answer(...discardAnswer(discarded, data));
}

/** Who asks a second time, for a request that was lost, asks for the same key. */
async function pendingKey({ paths, passphrase }: Opened, { keyType }: RenewOptions): Promise<KeyObject> {
  if (keyType !== undefined)
    throw new CommandError('REFUSED', `a renewal was begun already: ${paths.nextIntermediateKey}`, {
      hint: 'To go on with its key leave out --key-type; to begin again give it up with --discard.',
    });
  const key = await openKey(paths.nextIntermediateKey, passphrase);
  const succession = authoritySuccession(paths);
  if (await isSwitchInterrupted(succession, key))
    throw new CommandError('REFUSED', `${paths.nextIntermediateKey} is the key of the chain in force`, {
      hint: `The last renewal was interrupted. Finish it: --install ${quotedPath(paths.chain)}`,
    });
  await requireKeyNotEnded(succession, key);
  return key;
}

async function newKey({ paths, passphrase }: Opened, { keyType }: RenewOptions): Promise<KeyObject> {
  // Also shows that the passphrase is the one of the other keys, before a key has another one.
  const old = await openKey(paths.intermediateKey, passphrase);
  const type = keyType === undefined ? caKeyTypeOf(old) : parseChoice(keyType, '--key-type', CA_KEY_TYPES);
  return generateKey(type);
}

async function keep(key: KeyObject, { paths, passphrase }: Opened): Promise<void> {
  const { nextIntermediateKey: file } = paths;
  try {
    const own = await passphraseLike(paths.intermediateKey, file, passphrase);
    await writeNew(file, writeKeyPem(key, own), 0o600);
    await shareOwner(file, paths.intermediateKey);
    await syncDirectory(paths.keys);
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
}

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
