/** `mayfly trust export`: the files that verifiers are given. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { hash } from 'node:crypto';
import { certificateLog } from '../../instance/certificate-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import { loadConfig } from '../../config/load/load.ts';
import { ConfigError } from '../../config/findings/config-error.ts';
import { toBase64, toHex, utf8 } from '../../core/bytes.ts';
import { VERSION } from '../../core/version.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { ensureDirectory } from '../../storage/make-directory.ts';
import { readWhole, UnfitFile } from '../../storage/read-whole.ts';
import { collectTrust, type TrustMaterial } from '../../trust/collect.ts';
import { exportTrust } from '../../trust/export.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { refuseInside } from '../program/output-directory.ts';
import { invocation } from '../program/invocation.ts';
import { quotedPath } from '../../storage/quoted-path.ts';

/** Its options. */
interface ExportOptions {
  readonly data: string;
  readonly out: string;
  readonly config?: string;
  readonly force?: true;
}

/** `mayfly trust export`. Rejects with the typed error of what is wrong; nothing is written then. */
export async function exportFiles(options: ExportOptions, speak: Speaker): Promise<undefined> {
  const out = resolve(options.out);
  refuseInside(resolve(options.data), out);
  const directory = await openDataDirectory(options.data);
  const log = certificateLog(directory);
  const material = await collectTrust({
    chainFile: directory.paths.chain,
    formerChains: directory.paths.formerChains,
    logDirectory: log.directory,
  });
  const logUrl =
    options.config === undefined
      ? await usualUrlOf(directory.paths.config, material, speak)
      : await logUrlOf(options.config, material);
  const isDevelopment = directory.marker.mode === 'dev';
  const files = exportTrust(material, { logUrl, isDevelopment, version: VERSION });
  if (options.force !== true) await refuseOther(out, files.get(ROOT) ?? '');
  await writeAll(out, files);
  speak.answer(
    // Scripts read it by this name.
    { directory: out, files: [...files.keys()], ...facts(material), isForTrying: isDevelopment },
    report(options.out, [...files.keys()], material),
  );
}

const ROOT = 'root.pem';

/** Verifiers who are handed a directory by its name would trust another CA from then on. */
async function refuseOther(out: string, root: string): Promise<void> {
  const there = await readThere(join(out, ROOT)).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof UnfitFile) return undefined;
    // What else is in the way is reported when it is written.
    if (code === 'ENOENT' || code === 'ENOTDIR') return root;
    throw systemFault(join(out, ROOT), 'read', error);
  });
  if (there === root) return;
  throw new CommandError('REFUSED', `${join(out, ROOT)} is there already, and is not the root of this CA`, {
    hint: 'Name another directory with --out, or replace what is there with --force.',
  });
}

/** Beyond every root certificate. */
const LIMIT = 1024 * 1024;

const readThere = async (path: string): Promise<string> =>
  (await readWhole(path, { size: LIMIT })).toString();

/** Where the log says that it is: below the configured public URL, else below its origin. */
async function logUrlOf(config: string, { log }: TrustMaterial): Promise<string> {
  const { publicUrl } = (await loadConfig(config)).mayfly;
  return publicUrl === undefined ? `https://${log.origin}` : `${publicUrl}/log/${log.name}`;
}

/** The same by the directory's own configuration, which may be broken: only a hint in log.v3.json depends on it, and
 * certificates and keys do not wait for it to be fixed. */
async function usualUrlOf(config: string, material: TrustMaterial, speak: Speaker): Promise<string> {
  try {
    return await logUrlOf(config, material);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    speak.note(
      `warning: the log's URL is taken from its origin, for the configuration is wrong: ${error.message}`,
    );
    return `https://${material.log.origin}`;
  }
}

async function writeAll(out: string, files: ReadonlyMap<string, string>): Promise<void> {
  try {
    await ensureDirectory(out);
    for (const [name, content] of files) await writeDurably(join(out, name), utf8(content), 0o644);
  } catch (error) {
    if (await isFile(out))
      throw new CommandError('USAGE', `--out: ${out} is a file`, {
        hint: 'Name a directory; it is made if it is not there.',
        cause: error,
      });
    throw systemFault(out, 'write', error);
  }
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );

function facts({ chain, log }: TrustMaterial): Readonly<Record<string, unknown>> {
  return {
    rootSha256: toHex(hash('sha256', chain.at(-1) ?? new Uint8Array(), 'buffer')),
    log: { origin: log.origin, logId: toBase64(log.logId) },
  };
}

function report(out: string, files: readonly string[], material: TrustMaterial): string {
  const { chain, log } = material;
  return [
    `Written to ${out}: ${files.join(' ')}`,
    `  Root     SHA-256 ${toHex(hash('sha256', chain.at(-1) ?? new Uint8Array(), 'buffer'))}`,
    `  Log      ${log.origin}`,
    `  Log id   ${toBase64(log.logId)}`,
    'Check a certificate with it:',
    `  ${invocation()} verify certificate cert.pem --trust ${quotedPath(out)} --identity NAME --issuer URL`,
  ].join('\n');
}
