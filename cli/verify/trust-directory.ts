/** The directory that `mayfly trust export` writes, as a verifier reads it: `root.pem`, `intermediate.pem`,
 * `log.pub.pem`, `log.vkey`, and `log.v3.json` where it is there. */
import { equalBytes } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { parseLogV3Json } from '../../ct-log/format/log-v3-json.ts';
import { parseVkeys, type Vkey } from '../../tlog/format/vkey.ts';
import type { Trust, TrustedLog } from '../../verify/trust.ts';
import { CommandError } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { platformCrypto } from './platform-crypto.ts';

const EXPORT_HINT = 'Make the directory again with: mayfly trust export --data DIR --out DIR';

/** Reads a trust directory. Throws {@link CommandError} `USAGE` with the file's name when one is missing or is not
 * what it should be, or when two contradict each other. */
export async function readTrustDirectory(directory: string): Promise<Trust> {
  const roots = await readPem(directory, 'root.pem', 'CERTIFICATE');
  const intermediates = await readPem(directory, 'intermediate.pem', 'CERTIFICATE');
  return { roots, intermediates, logs: [await readLog(directory)] };
}

async function readLog(directory: string): Promise<TrustedLog> {
  const [publicKey] = await readPem(directory, 'log.pub.pem', 'PUBLIC KEY');
  if (publicKey === undefined) throw unusable(directory, 'log.pub.pem', 'it holds no key');
  const vkeys = await readVkeys(directory);
  const main = vkeys.find(({ type, key }) => type === 'static-ct' && equalBytes(key, publicKey));
  if (main === undefined) throw unusable(directory, 'log.vkey', 'it does not name the key in log.pub.pem');
  const second = vkeys.find(({ type, name }) => type === 'ed25519' && name === main.name);
  const log = { origin: main.name, publicKey, ed25519PublicKey: second?.key };
  await checkDescription(directory, log);
  return log;
}

async function readVkeys(directory: string): Promise<Vkey[]> {
  const text = await read(directory, 'log.vkey');
  return parsed(directory, 'log.vkey', () => parseVkeys(platformCrypto.sha256, text));
}

/** `log.v3.json` adds nothing that is trusted, but one that speaks of another log shows that files were mixed up. */
async function checkDescription(directory: string, log: TrustedLog): Promise<void> {
  const file = 'log.v3.json';
  const text = await read(directory, file, true);
  if (text === '') return;
  const said = parsed(directory, file, () => parseLogV3Json(platformCrypto.sha256, text));
  if (said.origin !== log.origin || !equalBytes(said.publicKey, log.publicKey)) {
    throw unusable(directory, file, 'it describes another log than log.vkey');
  }
}

async function readPem(directory: string, file: string, label: string): Promise<Uint8Array[]> {
  const text = await read(directory, file);
  const blocks = parsed(directory, file, () => decodePem(text));
  const wrong = blocks.find((block) => block.label !== label);
  if (blocks.length === 0 || wrong !== undefined) {
    const found = wrong === undefined ? 'no PEM block' : `a block "${wrong.label}"`;
    throw unusable(directory, file, `it holds ${found} where "${label}" should be`);
  }
  return blocks.map(({ bytes }) => bytes);
}

async function read(directory: string, file: string, optional = false): Promise<string> {
  const path = `${directory}/${file}`;
  if (optional && (await isMissing(path))) return '';
  const bytes = await readLimited(path, `--trust: ${file}`, EXPORT_HINT, true);
  return Buffer.from(bytes).toString('utf8');
}

function parsed<T>(directory: string, file: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw unusable(directory, file, error.message);
  }
}

const unusable = (directory: string, file: string, why: string): CommandError =>
  new CommandError('USAGE', `--trust: ${directory}/${file} cannot be used: ${why}`, { hint: EXPORT_HINT });
