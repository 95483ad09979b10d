/** `mayfly trust export`: the files that verifiers are given. */
import { stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { hash } from 'node:crypto';
import { certificateLog } from '../../instance/certificate-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import { loadConfig } from '../../config/load/load.ts';
import { ConfigError } from '../../config/findings/config-error.ts';
import { toBase64, toHex, utf8 } from '../../core/bytes.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { ensureDirectory } from '../../storage/make-directory.ts';
import { readWhole, UnfitFile } from '../../storage/read-whole.ts';
import { collectTrust, type TrustMaterial } from '../../trust/collect.ts';
import { exportTrust } from '../../trust/export.ts';
import { action, CommandError, type RegisterCommand, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { quotedPath } from '../../storage/quoted-path.ts';

interface ExportOptions {
  readonly data: string;
  readonly out: string;
  readonly config?: string;
  readonly force?: true;
}

const EXAMPLES = `
Examples:
  mayfly trust export --data /var/lib/mayfly --out ./trust
  mayfly trust export --data ./.mayfly --out ./trust --json
  mayfly trust export --data /var/lib/mayfly --config /etc/mayfly.yaml --out ./trust

Reads public parts only and opens no key; works beside a running server. Files in --out are replaced, but
those of another CA only with --force. Hand the directory to verifiers over a channel that they trust: anyone who can change root.pem decides what they accept.`;

/** Adds `trust`. */
export const register: RegisterCommand = (program) => {
  const version = program.version() ?? 'unknown';
  const trust = program
    .command('trust')
    .summary('write what verifiers need')
    .description('What verifiers have to trust.')
    .addHelpText('after', EXAMPLES);
  trust
    .command('export')
    .summary('write root.pem, intermediate.pem, chain.pem, log.pub.pem, log.vkey, log.v3.json')
    .description('Writes the certificates and log keys of an instance as files for verifiers.')
    .requiredOption('--data <dir>', 'the data directory')
    .requiredOption('--out <dir>', 'where to write; made if it is not there')
    .option('--config <file>', "the file that `serve --config` takes; default is the directory's config.yaml")
    .option('--force', 'replace the files of another CA in --out')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(action((options: ExportOptions, speak) => exportFiles(options, speak, version)));
};

async function exportFiles(options: ExportOptions, speak: Speaker, version: string): Promise<undefined> {
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
  const files = exportTrust(material, { logUrl, isDevelopment, version });
  if (options.force !== true) await refuseOther(out, files.get(ROOT) ?? '');
  await writeAll(out, files);
  speak.answer(
    // Scripts read it by this name.
    { directory: out, files: [...files.keys()], ...facts(material), isForTrying: isDevelopment },
    report(options.out, [...files.keys()], material),
  );
}

/** Throws {@link CommandError} `USAGE` when `out` lies in the data directory; both are absolute paths. */
export function refuseInside(data: string, out: string): void {
  const path = relative(data, out);
  if (path.startsWith('..') || resolve(path) === path) return;
  throw new CommandError('USAGE', '--out lies inside the data directory', {
    hint: 'Name another directory, so that the files can be handed on without what is secret beside them.',
  });
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
