/** `mayfly trust export`: the files that verifiers and signing clients are given. */
import { hash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { toBase64, toHex } from '../../core/bytes.ts';
import { VERSION } from '../../core/version.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { ensureDirectory } from '../../storage/make-directory.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import type { AdmissionController } from '../../trust/admission/admission-policy.ts';
import { CHECKSUMS_FILE, exportTrust } from '../../trust/export.ts';
import { readTrust, type InstanceTrust } from '../../trust/ledger.ts';
import { signingConfigOf, type ServiceUrls } from '../../trust/signing-services.ts';
import { refresh } from '../../trust/tuf/publish.ts';
import { readRepository } from '../../trust/tuf/repository.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { refuseInside } from '../program/output-directory.ts';
import { clientLines } from './client-lines.ts';
import { lossesIn, staleFilesIn } from './exported-directory.ts';
import { outsideLog, withOutsideLog, type OutsideLogOptions } from './outside-log.ts';
import { printAdmissionPolicy } from './trust-admission.ts';
import { beginLines, rootOfRepository } from './tuf/tuf-directory.ts';
import { serviceUrls, type ServiceUrlOptions } from './service-urls.ts';

/** Its options. */
interface ExportOptions extends ServiceUrlOptions, OutsideLogOptions {
  readonly data: string;
  readonly out?: string;
  readonly force?: true;
  readonly for?: AdmissionController;
  readonly identity?: string;
  readonly issuer?: string;
  readonly allowUnlogged?: true;
}

/** `mayfly trust export`. Rejects with the typed error of what is wrong; nothing is written then. */
export async function exportFiles(options: ExportOptions, speak: Speaker): Promise<undefined> {
  refuseUnread(options);
  if (options.for !== undefined) {
    await printAdmissionPolicy({ ...options, for: options.for }, speak);
    return;
  }
  if (options.out === undefined)
    throw new CommandError('USAGE', '--out is missing', { hint: 'It names the directory to write.' });
  await writeFiles({ ...options, out: options.out }, speak);
}

/** Throws {@link CommandError} for an option that has no meaning beside the others. */
function refuseUnread(options: ExportOptions): void {
  const { for: controller } = options;
  const unread = Object.entries(controller === undefined ? FOR_CONTROLLERS : FOR_FILES).find(
    ([name]) => options[name as keyof ExportOptions] !== undefined,
  );
  if (unread === undefined) return;
  const [, flag] = unread;
  throw controller === undefined
    ? new CommandError('USAGE', `${flag} has no meaning without --for`, {
        hint: 'It says what the policy of an admission controller lets in. Name the controller with --for, or leave it out.',
      })
    : new CommandError('USAGE', `${flag} has no meaning beside --for`, {
        hint: 'The policy is printed, and no file is written. Leave it out.',
      });
}

const FOR_CONTROLLERS = {
  identity: '--identity',
  issuer: '--issuer',
  allowUnlogged: '--allow-unlogged',
} as const;
const FOR_FILES = { out: '--out', force: '--force' } as const;

async function writeFiles(options: ExportOptions & { readonly out: string }, speak: Speaker): Promise<void> {
  const out = resolve(options.out);
  refuseInside(resolve(options.data), out);
  const directory = await openDataDirectory(options.data);
  const own = await readTrust(directory.paths);
  for (const sentence of own.unreadable) speak.note(`warning: ${sentence}`);
  const log = await outsideLog(options, birthOf(own));
  const trust = withOutsideLog(own, log);
  const isDevelopment = directory.marker.mode === 'dev';
  const urls = await serviceUrls(options, {
    paths: directory.paths,
    isDevelopment,
    trust,
    speak,
  });
  const notes = { ...urls, outsideLog: log?.service, isDevelopment, version: VERSION, now: Date.now() };
  const files = exportTrust(trust, notes);
  if (options.force !== true) await refuseLoss(out, trust);
  const names = [...files.keys()];
  const removed = await staleFilesIn(out, names);
  await writeAll(out, files, removed);
  const { publicUrl, grantsTimestamps = true } = urls;
  const hasTimestamps = grantsTimestamps && trust.inForce.timestampAuthorities.length > 0;
  const repository = await refresh(directory.paths.tuf)
    .then(() => readRepository(directory.paths.tuf))
    .catch(() => undefined);
  speak.answer(
    // Scripts read it by this name.
    { directory: out, files: names, removed, publicUrl, ...facts(trust), isForTrying: isDevelopment },
    [
      ...report(options.out, { names, removed }, trust),
      ...clientLines({ directory: options.out, publicUrl, hasTimestamps, log: logOfClients(trust, notes) }),
      ...(repository === undefined ? [] : beginLines(publicUrl, rootOfRepository(repository))),
    ].join('\n'),
  );
}

/** The log that the signing config names first. */
function logOfClients(trust: InstanceTrust, notes: ServiceUrls): Parameters<typeof clientLines>[0]['log'] {
  const [first] = signingConfigOf(trust, notes).artifactLogs;
  return first && { ...first, isOwn: notes.outsideLog === undefined };
}

/** Milliseconds since the epoch: nothing was signed for this instance before. */
const birthOf = ({ root }: InstanceTrust): number =>
  Math.min(...root.certificateAuthorities.map(({ window }) => window.start));

/** Who is handed a directory by its name would no longer trust what was in it, or again what had ended, without a word. */
async function refuseLoss(out: string, trust: InstanceTrust): Promise<void> {
  const { missing, reopened } = await lossesIn(out, trust.root);
  if (missing.length > 0)
    throw new CommandError('REFUSED', `${out} trusts ${someOf(missing)}, which this instance does not know`, {
      hint: 'Name another directory with --out, or replace what is there with --force.',
    });
  if (reopened.length > 0)
    throw new CommandError(
      'REFUSED',
      `${out} ends ${someOf(reopened)}, and this instance trusts it for longer`,
      {
        hint: `After a backup was restored, take the ends from there: ${invocation()} trust import --take-ends. If verifiers are to believe again what they refuse now, say --force.`,
      },
    );
}

const someOf = ([first = '', ...more]: readonly string[]): string =>
  more.length === 0 ? first : `${first} and ${more.length} more`;

/** The checksums come last: after a crash, the files that are to go are still named by the old ones. */
async function writeAll(
  out: string,
  files: ReadonlyMap<string, Uint8Array>,
  stale: readonly string[],
): Promise<void> {
  try {
    await ensureDirectory(out);
    for (const [name, content] of files) {
      if (name === CHECKSUMS_FILE) for (const gone of stale) await rm(join(out, gone), { force: true });
      await writeDurably(join(out, name), content, 0o644);
    }
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

const rootHash = ({ inForce }: InstanceTrust): string =>
  toHex(hash('sha256', inForce.certificateAuthorities[0]?.chain.at(-1) ?? new Uint8Array(), 'buffer'));

function facts(trust: InstanceTrust): Readonly<Record<string, unknown>> {
  const [log] = trust.logs;
  return {
    rootSha256: rootHash(trust),
    log: log && { origin: log.origin, logId: toBase64(log.logId) },
  };
}

function report(
  out: string,
  { names, removed }: { readonly names: readonly string[]; readonly removed: readonly string[] },
  trust: InstanceTrust,
): readonly string[] {
  const [log] = trust.logs;
  return [
    `Written to ${out}: ${names.join(' ')}`,
    ...(removed.length === 0
      ? []
      : [`Removed, for nothing that is trusted now has them: ${removed.join(' ')}`]),
    `  Root     SHA-256 ${rootHash(trust)}`,
    ...(log === undefined ? [] : [`  Log      ${log.origin}`, `  Log id   ${toBase64(log.logId)}`]),
    'Check a certificate with it:',
    `  ${invocation()} verify certificate cert.pem --trust ${quotedPath(out)} --identity NAME --issuer URL`,
  ];
}
