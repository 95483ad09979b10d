import { dirname } from 'node:path';
import { TIMESTAMP_KEY_TYPE, timestampCommonName } from '../../ca/timestamp-certificate.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { openPrivateKey } from '../../instance/private-key-file.ts';
import { nothingAsked } from '../../instance/stage-successor.ts';
import { utf8 } from '../../core/bytes.ts';
import { makeDirectory, shareOwner, writeDurably } from '../../storage/durable-file.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { isMissing } from '../../storage/read-whole.ts';
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
  type CertificationOptions,
} from './certification.ts';
import {
  changeTimestampDirectory,
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
  await requireKeyFiles(paths, [{ setting: 'timestamps', reference: paths.timestampKey }]);
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
  if (install !== undefined && (await isMissing(paths.timestampKey))) throw nothingAsked(paths.timestampKey);
  const { key, keep } = await keyOf(options, directory);
  const { chainPem } =
    install === undefined
      ? await certifyHere(key, nameOf(options, directory), options, directory)
      : await chainFromFile(install, key, directory);
  await keep();
  await writeFirstChain(paths, chainPem);
  const lines = [
    `Timestamps: ${certificateLine(chainPem)}`,
    `Written: ${paths.timestampChain} ${paths.timestampKey}`,
    'In force from the next start of the service. Before that, give verifiers what they need:',
    `  ${invocation()} trust export --data ${quotedPath(options.data)} --out ./trust`,
    'and make a backup.',
  ];
  const { timestampChain, timestampKey } = paths;
  speak.answer(
    { chain: timestampChain, key: timestampKey, subject: certificateLine(chainPem) },
    lines.join('\n'),
  );
}

/** The key of a request that was made, or of an interrupted command; or a new one. */
async function keyOf({ keyType }: InitOptions, directory: TimestampDirectory): Promise<KeyChoice> {
  const { paths, passphrase } = directory;
  const file = paths.timestampKey;
  const waiting = (await isMissing(file)) ? undefined : await openPrivateKey(file, passphrase);
  return chooseKey(waiting, {
    paths,
    passphrase,
    file,
    keyType,
    defaultType: () => TIMESTAMP_KEY_TYPE,
    toBeginAgain: 'delete that file',
  });
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
