/** The directory that `mayfly trust export` writes, as a verifier reads it: `trusted_root.json`; or, as older versions wrote it, `root.pem`, `intermediate.pem`,
 * `log.pub.pem`, `log.vkey`, and `log.v3.json` where it is there. */
import { equalBytes } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { parseLogV3Json } from '../../ct-log/format/log-v3-json.ts';
import { parseVkeys, type Vkey } from '../../tlog/format/vkey.ts';
import { parseTrustedRoot, type TrustedRoot } from '../../trust/format/trusted-root.ts';
import type { LogName, Trust, TrustedLog } from '../../verify/trust.ts';
import { CommandError } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { platformCrypto } from './platform-crypto.ts';

const EXPORT_HINT = 'Make the directory again with: mayfly trust export --data DIR --out DIR';

const TRUSTED_ROOT = 'trusted_root.json';

/** Reads a trust directory. Where a `trusted_root.json` is among its files, that says which CAs and logs count and when; the others must not
 * contradict it. Throws {@link CommandError} `USAGE` with the file's name when one is missing or is not
 * what it should be, or when two contradict each other. */
export async function readTrustDirectory(directory: string): Promise<Trust> {
  const text = await read(directory, TRUSTED_ROOT, true);
  if (text === '') return readPems(directory);
  const trustedRoot = parsed(directory, TRUSTED_ROOT, () => parseTrustedRoot(text));
  await checkRoots(directory, trustedRoot);
  return {
    roots: [],
    intermediates: [],
    logs: [],
    trustedRoot,
    logNames: await logNames(directory, trustedRoot),
  };
}

async function readPems(directory: string): Promise<Trust> {
  const roots = await readPem(directory, 'root.pem', 'CERTIFICATE');
  const intermediates = await readPem(directory, 'intermediate.pem', 'CERTIFICATE');
  return { roots, intermediates, logs: await readLogs(directory) };
}

async function checkRoots(directory: string, { certificateAuthorities }: TrustedRoot): Promise<void> {
  // Empty it is written where every CA has ended.
  if ((await read(directory, 'root.pem', true)) === '') return;
  const roots = await readPem(directory, 'root.pem', 'CERTIFICATE');
  const anchors = certificateAuthorities.map(({ chain }) => chain.at(-1) ?? new Uint8Array());
  if (roots.some((root) => !anchors.some((anchor) => equalBytes(anchor, root))))
    throw unusable(directory, 'root.pem', `it holds a root that ${TRUSTED_ROOT} does not have`);
}

/** Names and second keys of the logs that the trusted root has. */
async function logNames(directory: string, { certificateLogs }: TrustedRoot): Promise<readonly LogName[]> {
  if (await isMissing(`${directory}/log.vkey`)) return [];
  const names = logsOf(await readVkeys(directory));
  const isListed = ({ publicKey }: LogName): boolean =>
    certificateLogs.some((log) => equalBytes(log.publicKey, publicKey));
  if (!names.every(isListed))
    throw unusable(directory, 'log.vkey', `it names a log that ${TRUSTED_ROOT} does not have`);
  return names;
}

/** Every log that `log.vkey` names; the keys in `log.pub.pem` must be among theirs. */
async function readLogs(directory: string): Promise<readonly TrustedLog[]> {
  const keys = await readPem(directory, 'log.pub.pem', 'PUBLIC KEY');
  const logs = logsOf(await readVkeys(directory));
  const isNamed = (key: Uint8Array): boolean => logs.some(({ publicKey }) => equalBytes(publicKey, key));
  if (!keys.every(isNamed)) throw unusable(directory, 'log.vkey', 'it does not name the key in log.pub.pem');
  await checkDescription(directory, logs);
  return logs;
}

const logsOf = (vkeys: readonly Vkey[]): readonly LogName[] =>
  vkeys
    .filter(({ type }) => type === 'static-ct')
    .map(({ name: origin, key: publicKey }) => {
      const second = vkeys.find(({ type, name }) => type === 'ed25519' && name === origin);
      return { origin, publicKey, ed25519PublicKey: second?.key };
    });

async function readVkeys(directory: string): Promise<Vkey[]> {
  const text = await read(directory, 'log.vkey');
  return parsed(directory, 'log.vkey', () => parseVkeys(platformCrypto.sha256, text));
}

/** `log.v3.json` adds nothing that is trusted, but one that speaks of another log shows that files were mixed up. */
async function checkDescription(directory: string, logs: readonly TrustedLog[]): Promise<void> {
  const file = 'log.v3.json';
  const text = await read(directory, file, true);
  if (text === '') return;
  const said = parsed(directory, file, () => parseLogV3Json(platformCrypto.sha256, text));
  const isKnown = logs.some(
    ({ origin, publicKey }) => said.origin === origin && equalBytes(said.publicKey, publicKey),
  );
  if (!isKnown) throw unusable(directory, file, 'it describes another log than log.vkey');
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
