import { createHash, type KeyObject } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { adoptAuthority } from '../../ca/adopt.ts';
import { CA_KEY_TYPES, caKeyTypeOf } from '../../ca/certify.ts';
import { intermediateRequest, nextCommonName } from '../../ca/renewal.ts';
import { readPrivateKey, writeKeyPem } from '../../signers/key-file.ts';
import { KeyFileError } from '../../signers/key-error.ts';
import { generateKey } from '../../signers/key-types.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { equalBytes, utf8 } from '../../core/bytes.ts';
import { decodePem } from '../../core/pem.ts';
import {
  makeDirectory,
  replaceDurably,
  shareOwner,
  syncDirectory,
  writeDurably,
  writeNew,
} from '../../storage/durable-file.ts';
import { certificateLine, writeOutput } from './ca-output.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readLimited, readSecret } from '../program/input-file.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { invocation } from '../program/invocation.ts';
import { quoted, quotedPath } from '../../storage/quoted-path.ts';
import { parseChoice } from '../program/options.ts';

/** Options of `mayfly ca renew`. */
interface RenewOptions {
  readonly data: string;
  readonly csr?: string;
  readonly install?: string;
  readonly passphraseFile?: string;
  readonly keyType?: string;
  readonly commonName?: string;
}

/** The two ends of a renewal. Rejects with the typed error of what does not fit; nothing is in force then that was not. */
export async function renew(options: RenewOptions, speak: Speaker): Promise<undefined> {
  const { csr, install } = options;
  if ((csr === undefined) === (install === undefined))
    throw usage('say what to do: --csr FILE or --install CHAIN', 'See: mayfly ca renew --help');
  if (install !== undefined && (options.keyType ?? options.commonName) !== undefined)
    throw usage('--key-type and --common-name belong to --csr', 'Leave them out.');
  const { paths } = await openDataDirectory(options.data, { write: true });
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  if (csr !== undefined) await request(csr, options, { paths, passphrase }, speak);
  else await putInForce(install ?? '', { paths, passphrase }, speak);
  return undefined;
}

interface Opened {
  readonly paths: DataPaths;
  readonly passphrase: string | undefined;
}

async function request(csr: string, options: RenewOptions, opened: Opened, speak: Speaker): Promise<void> {
  const { paths } = opened;
  const [issuing] = await chainIn(paths);
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
    `  ${invocation()} ca renew --data ${quotedPath(options.data)} --install chain.pem`,
  ];
  speak.answer({ csr, key: paths.nextIntermediateKey, commonName: name, begun }, lines.join('\n'));
}

/** Who asks a second time, for a request that was lost, asks for the same key. */
async function pendingKey({ paths, passphrase }: Opened, { keyType }: RenewOptions): Promise<KeyObject> {
  if (keyType !== undefined)
    throw new CommandError('REFUSED', `a renewal was begun already: ${paths.nextIntermediateKey}`, {
      hint: 'To go on with its key leave out --key-type; to begin again delete that file.',
    });
  return openKey(paths.nextIntermediateKey, passphrase);
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
    // Encrypted as the others are: the service is started with one passphrase, or none.
    const isEncrypted = /ENCRYPTED/.test(await readFile(paths.intermediateKey, 'latin1'));
    await writeNew(file, writeKeyPem(key, isEncrypted ? passphrase : undefined), 0o600);
    await shareOwner(file, paths.intermediateKey);
    await syncDirectory(paths.keys);
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
}

/**
 * The order makes every crash harmless: first the old chain is kept, for verifiers; then the new chain is put in force by
 * one rename; then its key takes the place of the old one. Between the last two, `serve` finds the key of the new chain
 * where the renewal left it, and the same command finishes.
 */
async function putInForce(file: string, opened: Opened, speak: Speaker): Promise<void> {
  const { paths, passphrase } = opened;
  const text = Buffer.from(await readLimited(file, '--install')).toString('latin1');
  if (await isMissing(paths.nextIntermediateKey)) throw notBegun(paths);
  const key = await readLimited(paths.nextIntermediateKey, '--data');
  const adoption = adoptAuthority({ key, chainPem: text, passphrase, clock: Date.now });
  const { authority, chainPem } = await naming(paths.nextIntermediateKey, adoption);
  const { chain } = authority;
  const old = await chainIn(paths);
  requireSameRoot(chain, old);
  try {
    if (!equalBytes(chain[0] ?? new Uint8Array(), old[0])) await keepFormer(paths, old[0]);
    await replaceDurably(paths.chain, utf8(chainPem));
    await replaceDurably(paths.intermediateKey, key);
    await rm(paths.nextIntermediateKey);
    await syncDirectory(paths.keys);
  } catch (error) {
    throw systemFault(paths.root, 'write', error);
  }
  const lines = [
    `In force from the next start of the service: ${certificateLine(chainPem)}`,
    'Next: start the service anew, and make a backup. Verifiers that trust the root need nothing;',
    '`mayfly trust export` has both intermediates from now on.',
  ];
  speak.answer(
    { chain: paths.chain, key: paths.intermediateKey, subject: certificateLine(chainPem) },
    lines.join('\n'),
  );
}

async function keepFormer(paths: DataPaths, issuing: Uint8Array): Promise<void> {
  const name = createHash('sha256').update(issuing).digest('hex').slice(0, 32);
  await makeDirectory(paths.formerChains, paths.root);
  await shareOwner(paths.formerChains, paths.chain);
  const file = join(paths.formerChains, `${name}.pem`);
  await writeDurably(file, await readFile(paths.chain), 0o644);
  await shareOwner(file, paths.chain);
}

/** The chain in force; it was checked when it was put there. */
async function chainIn({ chain }: DataPaths): Promise<readonly [Uint8Array, ...Uint8Array[]]> {
  const text = await readFile(chain, 'latin1').catch((error: unknown) => {
    throw systemFault(chain, 'read', error);
  });
  const [first, ...more] = decodePem(text).map(({ bytes }) => bytes);
  if (first === undefined) throw new CommandError('FAILED', `${chain} holds no certificate`);
  return [first, ...more];
}

function requireSameRoot(chain: readonly Uint8Array[], old: readonly Uint8Array[]): void {
  if (equalBytes(chain.at(-1) ?? new Uint8Array(), old.at(-1) ?? new Uint8Array())) return;
  throw new CommandError('REFUSED', 'the chain ends at another root than the one in force', {
    hint: 'Verifiers would not trust it. Put the same root last in the chain; another CA needs a directory of its own (mayfly init --ca-chain).',
  });
}

const openKey = async (path: string, passphrase: string | undefined): Promise<KeyObject> =>
  naming(path, readPrivateKey(await readLimited(path, '--data'), passphrase));

/** A complaint about a key names its file. */
const naming = <T>(path: string, step: Promise<T>): Promise<T> =>
  step.catch((error: unknown) => {
    if (!(error instanceof KeyFileError)) throw error;
    throw new KeyFileError(error.code, `${path}: ${error.message}`, { hint: error.hint });
  });

const notBegun = ({ nextIntermediateKey }: DataPaths): CommandError =>
  new CommandError('REFUSED', `no renewal was begun: there is no ${nextIntermediateKey}`, {
    hint: 'Begin with --csr FILE. If you did, and installed the chain already, there is nothing left to do but to start the service anew.',
  });

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
