import { readNamedKey } from '../../signers/key-file.ts';
import { signIntermediate } from '../../ca/renewal.ts';
import { signTimestamps } from '../../ca/timestamp-certificate.ts';
import type { Speaker } from '../program/command.ts';
import { certificateLine, writeOutput } from './ca-output.ts';
import { readInput, readLimited, readSecret } from '../program/input-file.ts';

/** Options of `mayfly ca sign`. */
interface SignOptions {
  readonly root: string;
  readonly rootKey: string;
  readonly passphraseFile?: string;
  readonly timestamps?: true;
  readonly out: string;
}

/** Signs a request with the root and writes the chain. Rejects with the typed error of what does not fit. */
export async function sign(
  options: SignOptions,
  speak: Speaker,
  [file = '']: readonly string[],
): Promise<undefined> {
  const request = await readInput(file, 'the request');
  const root = Buffer.from(await readLimited(options.root, '--root')).toString('latin1');
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  const rootKey = await readNamedKey(
    options.rootKey,
    await readLimited(options.rootKey, '--root-key'),
    passphrase,
  );
  const ceremony = { root, rootKey, clock: Date.now };
  const forTimestamps = options.timestamps === true;
  const chain = await (forTimestamps
    ? signTimestamps(request, ceremony)
    : signIntermediate({ request, ...ceremony }));
  await writeOutput(options.out, chain, '--out');
  const lines = [
    `Signed ${certificateLine(chain)}`,
    `Written to ${options.out}: take it to the server, and there:`,
    ...(forTimestamps
      ? [
          '  mayfly tsa renew --data DIR --stage CHAIN   (the first one: mayfly tsa init --data DIR --install CHAIN)',
        ]
      : ['  mayfly ca renew --data DIR --stage CHAIN']),
  ];
  speak.answer({ chain, out: options.out }, lines.join('\n'));
  return undefined;
}
