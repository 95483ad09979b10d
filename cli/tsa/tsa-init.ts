import type { KeyObject } from 'node:crypto';
import { dirname } from 'node:path';
import { timestampCommonName } from '../../ca/timestamp-certificate.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { utf8 } from '../../core/bytes.ts';
import { makeDirectory, shareOwner, writeDurably } from '../../storage/durable-file.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { certificateLine } from '../ca/ca-output.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import {
  certifyHere,
  chainFromFile,
  checkWays,
  requestElsewhere,
  requestFor,
  type CertificationOptions,
} from './certification.ts';
import {
  changeTimestampDirectory,
  keepKey,
  newKey,
  passphraseWords,
  pendingKey,
  type TimestampDirectory,
  type TimestampOptions,
} from './timestamp-directory.ts';

type InitOptions = TimestampOptions & CertificationOptions;

/**
 * A key and a certificate for timestamps in a directory that has none. The key is written first and the chain last, and the
 * chain alone makes an authority of it: what a crash leaves in between is taken up by the same command.
 */
export async function init(options: InitOptions, speak: Speaker): Promise<undefined> {
  checkWays(
    options,
    'say how the certificate is made: --root-key FILE, or --csr FILE and then --install CHAIN',
  );
  return changeTimestampDirectory(options, (directory) => initIn(directory, options, speak));
}

async function initIn(directory: TimestampDirectory, options: InitOptions, speak: Speaker): Promise<void> {
  const { paths } = directory;
  if (!(await isMissing(paths.timestampChain)))
    throw new CommandError('REFUSED', `${paths.root} has a timestamp authority already`, {
      hint: `\`mayfly tsa show --data ${quotedPath(options.data)}\` shows it; \`mayfly tsa renew\` renews its key.`,
    });
  const { csr, install } = options;
  if (csr !== undefined) await ask(csr, options, directory, speak);
  else await begin(install, options, directory, speak);
}

async function ask(
  csr: string,
  options: InitOptions,
  directory: TimestampDirectory,
  speak: Speaker,
): Promise<void> {
  const { key, keep } = await keyOf(options, directory);
  const pem = await requestFor(key, nameOf(options, directory), directory);
  await keep();
  const install = `${invocation()} tsa init --data ${quotedPath(options.data)} --install tsa-chain.pem${passphraseWords(options)}`;
  const lines = await requestElsewhere(csr, pem, install);
  speak.answer(
    { csr, key: directory.paths.timestampKey },
    [`Key: ${directory.paths.timestampKey}`, ...lines].join('\n'),
  );
}

async function begin(
  install: string | undefined,
  options: InitOptions,
  directory: TimestampDirectory,
  speak: Speaker,
): Promise<void> {
  const { paths } = directory;
  if (install !== undefined && (await isMissing(paths.timestampKey)))
    throw new CommandError('REFUSED', `nothing was asked for: there is no ${paths.timestampKey}`, {
      hint: 'Begin with --csr FILE: the key is made here, and the chain is the answer to its request.',
    });
  const { key, keep } = await keyOf(options, directory);
  const chain =
    install === undefined
      ? await certifyHere(key, nameOf(options, directory), options, directory)
      : await chainFromFile(install, key, directory);
  await keep();
  await writeFirstChain(paths, chain);
  const lines = [
    `Timestamps: ${certificateLine(chain)}`,
    `Written: ${paths.timestampChain} ${paths.timestampKey}`,
    'In force from the next start of the service. Before that, give verifiers what they need:',
    `  ${invocation()} trust export --data ${quotedPath(options.data)} --out ./trust`,
    'and make a backup.',
  ];
  const { timestampChain, timestampKey } = paths;
  speak.answer(
    { chain: timestampChain, key: timestampKey, subject: certificateLine(chain) },
    lines.join('\n'),
  );
}

/** `keep` writes the key if it is new: not before what is asked for was found to be possible. */
async function keyOf(
  { keyType }: InitOptions,
  directory: TimestampDirectory,
): Promise<{ key: KeyObject; keep: () => Promise<void> }> {
  const { timestampKey, intermediateKey } = directory.paths;
  const pending = await pendingKey(timestampKey, directory, keyType);
  if (pending !== undefined) return { key: pending, keep: () => Promise.resolve() };
  const key = await newKey(directory, keyType, intermediateKey);
  return { key, keep: () => keepKey(timestampKey, key, directory) };
}

const nameOf = ({ commonName }: InitOptions, { root }: TimestampDirectory): string =>
  commonName ?? timestampCommonName(root);

async function writeFirstChain(paths: DataPaths, chain: string): Promise<void> {
  const folder = dirname(paths.timestampChain);
  try {
    await makeDirectory(folder, paths.root);
    await shareOwner(folder, paths.chain);
    await writeDurably(paths.timestampChain, utf8(chain), 0o644);
    await shareOwner(paths.timestampChain, paths.chain);
  } catch (error) {
    throw systemFault(paths.timestampChain, 'write', error);
  }
}
