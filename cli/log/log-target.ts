/** The log that a `mayfly log` command is asked about: in a directory or behind a URL, with the keys to trust. */
import { access, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readCurrentLogName } from '../../instance/data-directory.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import { dataPaths } from '../../instance/data-paths.ts';
import { equalBytes, toHex, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { parseSct, parseSctList, SCT_LIST_OID, type Sct } from '../../ct-log/format/sct.ts';
import { openDirectorySource, type DirectorySource } from '../../ct-log/directory-source.ts';
import { parseCheckpoint } from '../../tlog/format/checkpoint.ts';
import { makeVkey, parseVkeys, type Vkey } from '../../tlog/format/vkey.ts';
import { parseLogV3Json } from '../../ct-log/format/log-v3-json.ts';
import { CHECKPOINT_FILE } from '../../tlog/store/checkpoint-file.ts';
import { httpSource, type HttpSource } from '../../ct-log/http-source.ts';
import { LogError, LogReadError } from '../../tlog/core/log-error.ts';
import { IDENTITY_FILE } from '../../tlog/core/log-identity.ts';
import { readIdentity } from '../../ct-log/log-identity.ts';
import { logKeys, logKeysAmong, type CtCheckpointKey } from '../../ct-log/log-keys.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { MIRROR_FILE, readMirrorRecord, type MirrorRecord } from '../../ct-log/mirror-record.ts';
import { isMissingOrHidden, type LogSource } from '../../ct-log/source.ts';
import { DESCRIPTION_FILE, staticSource, type StaticSource } from '../../ct-log/static-source.ts';
import { requireSafeTransport } from '../certificate/http.ts';
import { routedFetch } from '../certificate/routes.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readLimited, readAccessToken } from '../program/input-file.ts';
import { parseInteger } from '../program/options.ts';
import { readWitnessPolicy } from './witness-quorum.ts';
import type { WitnessPolicy } from '../../tlog/format/witness-policy.ts';
import { parseLogList, type ListedLog } from '../verify/log-list.ts';

/** Options that say which log there is meant. */
export interface LogNameOptions {
  readonly log?: string;
  /** What `--log` was called before. */
  readonly name?: string;
}

/** Options that say which log. */
export interface TargetOptions extends LogNameOptions {
  readonly data?: string;
  readonly url?: string;
  readonly trust?: string;
  readonly accessTokenFile?: string;
  /** A policy that names witnesses. */
  readonly witnessPolicy?: string;
  /** Seconds for the whole command; undefined for any time, as long as something comes. */
  readonly timeout?: string;
}

/** For a command that asks little: a server gets two minutes for it, unless there is another word. */
export const endingSoon = <T extends TargetOptions>(options: T): T =>
  options.url === undefined ? options : { timeout: '120', ...options };

/** A log and the keys that its checkpoints are checked with. */
export interface LogTarget {
  readonly source: LogSource;
  /** The same source, when it is a directory. */
  readonly directory: DirectorySource | undefined;
  readonly keys: readonly CtCheckpointKey[];
  /** Who has to have cosigned its head; undefined: nobody. */
  readonly policy?: WitnessPolicy | undefined;
  /** SHA-256 of its ECDSA key, 32 bytes. */
  readonly logId: Uint8Array;
  /** Whose word the keys are: `directory`, `trust` (--trust) or `server` (its own, which proves nothing). */
  readonly trusted: 'directory' | 'trust' | 'server';
}

/** Finds the log; throws {@link CommandError} or LogError with what to do. */
export async function openTarget(options: TargetOptions, speak: Speaker): Promise<LogTarget> {
  if ((options.data === undefined) === (options.url === undefined)) {
    throw new CommandError('USAGE', 'give either --data or --url', {
      hint: '--data is the directory of `mayfly serve` or `dev`, --url a log such as http://127.0.0.1:5555/log/2026.',
    });
  }
  if (options.data !== undefined && options.accessTokenFile !== undefined)
    throw new CommandError('USAGE', '--access-token-file is for --url: a directory asks for none');
  const policy = await readWitnessPolicy(options.witnessPolicy);
  const target =
    options.data === undefined
      ? await urlTarget(options.url ?? '', options, speak)
      : await directoryTarget(options.data, options, speak);
  return { ...target, policy };
}

/** What a directory says of the log that it is a copy of; undefined where it is none. Rejects with DataDirectoryError and LogError. */
export const copyIn = (data: string): Promise<MirrorRecord | undefined> =>
  readMirrorRecord(data).catch((error: unknown) => {
    throw error instanceof FileFault ? systemFault(join(data, MIRROR_FILE), 'read', error.cause) : error;
  });

/** Ends all reading; undefined for any time. */
export function deadlineOf(options: TargetOptions): AbortSignal | undefined {
  const seconds = timeoutOf(options);
  return seconds === undefined ? undefined : AbortSignal.timeout(seconds * 1000);
}

/** Seconds for the whole command; undefined for any time. Throws {@link CommandError} `USAGE`. */
export const timeoutOf = ({ timeout }: Pick<TargetOptions, 'timeout'>): number | undefined =>
  timeout === undefined ? undefined : parseInteger(timeout, '--timeout', 1, 86_400);

async function directoryTarget(data: string, options: TargetOptions, speak: Speaker): Promise<LogTarget> {
  const deadline = deadlineOf(options);
  const named = nameOf(options);
  if (await holdsExport(data)) return copyTarget(data, named, options, speak);
  const source = await openDirectorySource(await logDirectory(data, options), deadline);
  requireNamed(source.name, source.identity.origin, named);
  const { logId } = source.identity;
  const known = await trustedKeys(options.trust);
  if (known === undefined) {
    return { source, directory: source, logId, keys: logKeys(source.identity), trusted: 'directory' };
  }
  const keys = keysOfOrigin(known, source.identity.origin);
  if (equalBytes(logIdOf(keys), logId)) return { source, directory: source, logId, keys, trusted: 'trust' };
  throw new CommandError('FAILED', `the log in ${source.name} is not the one that --trust knows`, {
    hint: 'Export the trust directory again, or name the directory of the log that you mean.',
  });
}

/** A copy of `mayfly log export` or `mirror`. What the mirror was begun with is known, and trusted unless --trust says otherwise. */
async function copyTarget(
  data: string,
  named: string | undefined,
  options: TargetOptions,
  speak: Speaker,
): Promise<LogTarget> {
  const record = await copyIn(data);
  if (record?.bundle === 'entries')
    throw new CommandError(
      'USAGE',
      `${data} holds a copy of ${record.origin}, whose entries are no certificates`,
      {
        hint: '`mayfly log check --data DIR` checks all of it; `mayfly log search`, `show INDEX` and `proof --entry INDEX` read it.',
      },
    );
  const source = staticSource(data, deadlineOf(options));
  if (record === undefined || options.trust !== undefined) return keyedTarget(source, named, options, speak);
  requireNamed(data, record.origin, named);
  const { keys } = record;
  const isKnown = keys.some(({ type }) => type === 'static-ct');
  const logId = isKnown ? logIdOf(keys) : parseLogV3Json(sha256, utf8Text(await ownWord(source))).logId;
  return { source, directory: undefined, keys, logId, trusted: 'directory' };
}

/** Directory of the log in `data`: `data` itself when it is a log's directory, else the one in its `logs` that is meant. */
export async function logDirectory(data: string, options: LogNameOptions): Promise<string> {
  if (await holdsLog(data)) return data;
  const { logs, currentLog } = dataPaths(data);
  const names = await logNames(logs);
  const wanted =
    nameOf(options) ?? (names.length === 1 ? names[0] : await readCurrentLogName({ currentLog }));
  if (wanted !== undefined && names.includes(wanted)) return join(logs, wanted);
  if (names.length === 0) {
    throw new CommandError('FAILED', `${data} holds no log`, {
      hint: 'Name the directory that `mayfly init` or `mayfly dev` made.',
    });
  }
  const problem = wanted === undefined ? 'holds several logs' : `holds no log "${wanted}"`;
  throw new CommandError('USAGE', `${data} ${problem}`, {
    hint: `Say which with --log: ${names.join(', ')}.`,
  });
}

/** The name of the log that is meant, where the options say it. */
export const nameOf = ({ log, name }: LogNameOptions): string | undefined => log ?? name;

/** Names of the logs in the directory `logs`, sorted; none when it is not there. */
async function logNames(logs: string): Promise<string[]> {
  const found = (await unlessMissing(logs, readdir(logs))) ?? [];
  const hold = await Promise.all(found.map((entry) => holdsLog(join(logs, entry))));
  return found.filter((_, index) => hold[index]).sort();
}

/** A certificate log. */
export interface KnownLog {
  readonly origin: string;
  /** The last part of its origin, which `--log` takes. */
  readonly name: string;
}

/** The certificate logs that a directory has, or that --trust knows, by their ids in hexadecimal: former ones, too. */
export async function knownLogs({ data, trust }: TargetOptions): Promise<ReadonlyMap<string, KnownLog>> {
  if (data === undefined)
    return new Map(
      ((await trustedKeys(trust)) ?? [])
        .filter(({ type }) => type === 'static-ct')
        .map(({ key, origin }) => [toHex(sha256(key)), { origin, name: lastPart(origin) }]),
    );
  const { logs } = dataPaths(data);
  const known = new Map<string, KnownLog>();
  for (const name of await logNames(logs)) {
    const { logId, origin } = await readIdentity(join(logs, name));
    known.set(toHex(logId), { origin, name });
  }
  return known;
}

/** The same, with the log that the certificate (DER) has an SCT of, where none is named and that one is known: it may have been followed by another since. Rejects with {@link CommandError} `USAGE` for what is no
 * certificate, called `path`. */
export async function withLogOf<T extends TargetOptions>(
  options: T,
  certificate: Uint8Array,
  path: string,
): Promise<T> {
  const { data, url } = options;
  const scts = sctsOf(certificate, path);
  if (nameOf(options) !== undefined || (data !== undefined && (await isOneLog(data)))) return options;
  const known = await knownLogs(options);
  const log = scts.map(({ logId }) => known.get(toHex(logId))).find((one) => one !== undefined);
  // What has no list of logs is one log, whatever its address ends with.
  const isOne = log !== undefined && url !== undefined && (await logsListedAt(url, options)) === undefined;
  return log === undefined || isOne ? options : { ...options, log: log.name };
}

function sctsOf(certificate: Uint8Array, path: string): readonly Sct[] {
  try {
    const list = findExtension(parseCertificate(certificate), SCT_LIST_OID);
    return list === undefined ? [] : parseSctList(list.value).map(parseSct);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('USAGE', `${path} is no certificate that can be read: ${error.message}`, {
      hint: 'Give cert.pem, as `mayfly certificate` or cosign wrote it.',
    });
  }
}

async function holdsLog(directory: string): Promise<boolean> {
  return isThere(join(directory, IDENTITY_FILE));
}

/** Whether `directory` is that of one log, or an export of one, and not one that may hold several. */
export const isOneLog = async (directory: string): Promise<boolean> =>
  (await holdsLog(directory)) || (await holdsExport(directory));

/** Whether it is what `mayfly log export` or `mirror` wrote. */
async function holdsExport(directory: string): Promise<boolean> {
  if (await holdsLog(directory)) return false;
  const [checkpoint, ...either] = await Promise.all(
    [CHECKPOINT_FILE, DESCRIPTION_FILE, MIRROR_FILE].map((name) => isThere(join(directory, name))),
  );
  return checkpoint === true && either.includes(true);
}

const isThere = async (path: string): Promise<boolean> =>
  (await unlessMissing(
    path,
    access(path).then(() => true),
  )) ?? false;

/** Undefined when nothing is at `path`; that this user may not look is another matter and thrown. */
async function unlessMissing<T>(path: string, found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw systemFault(path, 'read', error);
  }
}

async function urlTarget(url: string, options: TargetOptions, speak: Speaker): Promise<LogTarget> {
  const { source, named } = await urlSource(url, options);
  const described = { ...source, description: () => source.get(DESCRIPTION_FILE) };
  return keyedTarget(described, named, options, speak);
}

/** A log that is checked with the keys in --trust, or else with what it says of itself. Its checkpoint must be of the log that is called `named`, where that is said. */
async function keyedTarget(
  source: StaticSource,
  named: string | undefined,
  options: TargetOptions,
  speak: Speaker,
): Promise<LogTarget> {
  const known = await trustedKeys(options.trust);
  if (known !== undefined) {
    const keys = await keysOfLog(known, source, named);
    return { source, directory: undefined, keys, logId: logIdOf(keys), trusted: 'trust' };
  }
  speak.note("note: the log's key is the server's own word (log.v3.json); name --trust DIR to be sure");
  const { origin, publicKey, logId } = parseLogV3Json(sha256, utf8Text(await ownWord(source)));
  requireNamed(source.name, origin, named);
  const own = logKeysAmong([makeVkey(sha256, origin, 'static-ct', publicKey)]);
  return { source, directory: undefined, keys: own, logId, trusted: 'server' };
}

/** What the log says of its key. */
async function ownWord(source: StaticSource): Promise<Uint8Array> {
  return source.description().catch((error: unknown) => {
    if (!(error instanceof LogReadError)) throw error;
    throw new CommandError('FAILED', `${source.name} does not say what its key is: log.v3.json is missing`, {
      hint: 'Name a trust directory with --trust DIR.',
    });
  });
}

/** A log behind a URL, and what it is called, if that is known: whatever is served there, it has to be that one. */
interface NamedSource {
  readonly source: HttpSource;
  readonly named: string | undefined;
}

/** What the address of a log of a service ends with. */
const NAME_AT_END = /\/log\/([a-z0-9._-]+)$/;

/** What is served at a URL. */
interface Server {
  /** The URL, no slash at the end. */
  readonly base: string;
  readonly at: (path: string) => HttpSource;
}

async function serverAt(url: string, options: TargetOptions): Promise<Server> {
  const { accessTokenFile } = options;
  const base = /^https?:\/\/[^/?#][^?#]*$/.test(url) ? url.replace(/(?<!\/)\/+$/, '') : undefined;
  if (base === undefined) {
    throw new CommandError('USAGE', `"${url}" is not the URL of a log`, {
      hint: 'It looks like http://127.0.0.1:5555/log/2026.',
    });
  }
  const { username, password } = new URL(base);
  if (username !== '' || password !== '')
    throw new CommandError('USAGE', '--url has a user name or a password in it, which no log asks for', {
      hint: 'A log that is not public is read with --access-token-file FILE.',
    });
  const deadline = deadlineOf(options);
  const accessToken = await readAccessToken(accessTokenFile, 'access token');
  if (accessToken !== undefined) requireSafeTransport(new URL(base), 'the log');
  const at = (path: string): HttpSource =>
    httpSource(`${base}${path}`, { accessToken, deadline, send: routedFetch });
  return { base, at };
}

/** The logs of the service at `url`, as it lists them; undefined of what is no service, such as a log. Rejects with {@link CommandError} and LogError. */
export async function logsListedAt(
  url: string,
  options: TargetOptions,
): Promise<readonly ListedLog[] | undefined> {
  const { at } = await serverAt(url, options);
  const list = await unlessHidden(at('/log').get(''));
  return list && parseLogList(utf8Text(list));
}

/** The log at a URL, or, of a server, its log of that name or the one in use. Rejects with {@link CommandError} and LogError. */
export async function urlSource(url: string, options: TargetOptions): Promise<NamedSource> {
  const name = nameOf(options);
  const { base, at } = await serverAt(url, options);
  // The list first: a service has a checkpoint at its own address, too, that of its log of artifacts.
  const list = name === undefined ? await unlessHidden(at('/log').get('')) : undefined;
  const chosen = name ?? (list === undefined ? undefined : nameInUse(list, base));
  const log = at(chosen === undefined ? '' : `/log/${chosen}`);
  const named = chosen ?? NAME_AT_END.exec(base)?.[1];
  if ((await unlessThereIsNone(log.checkpoint())) !== undefined) return { source: log, named };
  throw noLog(log.name, base);
}

const noLog = (where: string, base: string): CommandError =>
  new CommandError('FAILED', `there is no log at ${where}`, {
    hint: `Give the log's own URL, as the server prints it at its start: ${base.replace(/\/log(\/.*)?$/, '')}/log/NAME.`,
  });

/** The name of the log in use of the server at `base`, or of its only one, out of its list. */
function nameInUse(list: Uint8Array, base: string): string {
  const logs = parseLogList(utf8Text(list));
  const [only] = logs;
  if (only === undefined) throw new CommandError('FAILED', `the service at ${base} has no log`);
  const inUse = logs.length === 1 ? only : logs.find(({ isInUse }) => isInUse);
  if (inUse !== undefined) return inUse.name;
  throw new CommandError('USAGE', `the service at ${base} has several logs`, {
    hint: `Say which with --log: ${logs.map(({ name }) => name).join(', ')}.`,
  });
}

/** Undefined where the server says that there is no such file. */
async function unlessThereIsNone(file: Promise<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    return await file;
  } catch (error) {
    if (error instanceof LogReadError) return undefined;
    throw error;
  }
}

/** The same where it only refuses to say, as a bucket does that may not be listed. */
async function unlessHidden(file: Promise<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    return await file;
  } catch (error) {
    if (isMissingOrHidden(error)) return undefined;
    throw error;
  }
}

/** The keys in `log.vkey` of a directory of `mayfly trust export`; undefined where none is named. Rejects with {@link CommandError}. */
export async function trustedKeys(directory: string | undefined): Promise<CtCheckpointKey[] | undefined> {
  if (directory === undefined) return undefined;
  const path = await fileOfDirectory(directory, 'log.vkey');
  const hint = 'Make the directory with `mayfly trust export --data DIR --out DIR`.';
  const text = Buffer.from(await readLimited(path, '--trust', hint, true)).toString();
  try {
    return logKeysAmong(parseVkeys(sha256, text));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('FAILED', `--trust: ${path}: ${error.message}`);
  }
}

/** A file of the directory that --trust names. Rejects with {@link CommandError} `USAGE` where it names a file: what the others say is missing then. */
export async function fileOfDirectory(directory: string, name: string): Promise<string> {
  const found = await stat(directory).catch(() => undefined);
  if (found?.isFile() !== true) return join(directory, name);
  throw new CommandError('USAGE', `--trust: ${directory} is a file, and ${name} is wanted beside it`, {
    hint: 'Name the directory that `mayfly trust export` wrote: a trusted root alone does not say what each log is called.',
  });
}

/** Those of one log, when there are those of several; all of them when none is of that origin. */
function keysOfOrigin(known: readonly CtCheckpointKey[], origin: string): readonly CtCheckpointKey[] {
  const keys = known.filter((key) => key.origin === origin);
  return keys.length > 0 ? keys : known;
}

/** The keys of the log that is meant: its signatures have to be of these. One that is not named is the one that the checkpoint at `source` says it is. */
async function keysOfLog(
  known: readonly CtCheckpointKey[],
  source: StaticSource,
  named: string | undefined,
): Promise<readonly CtCheckpointKey[]> {
  const possible = known.filter(({ origin }) => named === undefined || lastPart(origin) === named);
  if (possible.length === 0)
    throw new CommandError('FAILED', `--trust knows no log called ${named ?? ''}`, {
      hint: 'Export the trust directory again: it names the logs that there were then.',
    });
  const isOne = new Set(possible.map(({ origin }) => origin)).size < 2;
  if (isOne && named === undefined) return possible;
  const { origin } = parseCheckpoint(await source.checkpoint());
  requireNamed(source.name, origin, named);
  return keysOfOrigin(possible, origin);
}

/** What a log with that origin is called. */
export const lastPart = (origin: string): string => origin.slice(origin.lastIndexOf('/') + 1);

/** Throws {@link LogError} `LOG_CORRUPT` unless the log with that origin is called so: another one of the same service, such as the one before it, is not to stand in its place. */
export function requireNamed(where: string, origin: string, named: string | undefined): void {
  if (named === undefined || lastPart(origin) === named) return;
  throw new LogError('LOG_CORRUPT', `${where} is not the log ${named}, but "${origin}"`, {
    hint: 'The last part of the origin of a log is its name. Another log was put in its place.',
  });
}

function logIdOf(keys: readonly Vkey[]): Uint8Array {
  const key = keys.find(({ type }) => type === 'static-ct');
  if (key !== undefined) return sha256(key.key);
  throw new CommandError('FAILED', '--trust: log.vkey holds no key of a log (type 05)');
}
