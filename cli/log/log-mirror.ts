/** `mayfly log mirror`: a verified copy of a log of others, which is followed. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { equalBytes, toBase64, utf8Text } from '../../core/bytes.ts';
import { FormatError, messageOf } from '../../core/errors.ts';
import { parseLogV3Json } from '../../ct-log/format/log-v3-json.ts';
import { logKeysAmong, type CtCheckpointKey } from '../../ct-log/log-keys.ts';
import { mirrorLog } from '../../ct-log/mirror-log.ts';
import { readMirrorRecord, type MirrorRecord } from '../../ct-log/mirror-record.ts';
import { DESCRIPTION_FILE, type StaticSource } from '../../ct-log/static-source.ts';
import { LogError, LogReadError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { parseCheckpoint, type Checkpoint } from '../../tlog/format/checkpoint.ts';
import { makeVkey, parseVkeys, type Vkey } from '../../tlog/format/vkey.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { readLimited } from '../program/input-file.ts';
import { invocation } from '../program/invocation.ts';
import { parseInteger } from '../program/options.ts';
import {
  lastPart,
  logsListedAt,
  nameOf,
  requireNamed,
  trustedKeys,
  urlSource,
  type TargetOptions,
} from './log-target.ts';
import { isLogVerdict } from './log-verdict.ts';

/** Options of the command. */
export interface LogMirrorOptions extends Omit<TargetOptions, 'data' | 'url'> {
  readonly directory: string;
  readonly key?: readonly string[];
  readonly follow?: true;
  readonly interval?: string;
  readonly parallel?: string;
  readonly rate?: string;
}

/** A look at a log that was put off this often in a row is put off no longer, in seconds. */
const LONGEST_WAIT = 600;

/** How often in a row a log may show an older head before it is taken at its word: a cache may be behind. */
const OLDER_HEADS = 3;

/** Copies the log at the URL. Rejects with what `mirrorLog` rejects with, and with CommandError. */
export async function mirror(
  options: LogMirrorOptions,
  speak: Speaker,
  [url = '']: readonly string[],
): Promise<undefined> {
  const interval = parseInteger(options.interval ?? '10', '--interval', 1, 86_400);
  const parallel = parseInteger(options.parallel ?? '4', '--parallel', 1, 64);
  const rate = parseInteger(options.rate ?? '50', '--rate', 1, 10_000);
  if (options.follow === true && options.timeout !== undefined)
    throw new CommandError('USAGE', '--timeout is for a single run, and --follow goes on');
  const out = resolve(options.directory);
  const progress = (done: number, all: number): void => {
    speak.progress(() => `${done} of ${all} new entries copied`);
  };
  let log: OpenedLog | undefined;
  let isSaid = false;
  let failed = 0;
  let behind = 0;
  for (;;) {
    try {
      const { source, record } = (log ??= await opened(url, out, options, speak));
      const round = await mirrorLog({
        source: politely(source, parallel, rate),
        record,
        out,
        parallel,
        progress,
      });
      const { origin, size, root } = round.head;
      const { added, written, withheld, isFinal } = round;
      const facts = {
        origin,
        size,
        root: toBase64(root),
        added,
        written,
        withheld,
        final: isFinal,
        directory: options.directory,
      };
      const more = withheld === 0 ? '' : `; the log withholds ${withheld} of them`;
      const text = `${size} entries of ${origin} are in ${options.directory}: ${added} are new, ${written} files written${more}`;
      if (options.follow !== true) {
        speak.answer(facts, text);
        speak.step(`Next: ${invocation()} log check --data ${quotedPath(options.directory)}`);
      } else if ((written > 0 || !isSaid) && !(await speak.record(facts, text))) return undefined;
      isSaid = true;
      if (isFinal)
        speak.note(`note: the log ${origin} has ended with this head; there is nothing more to follow`);
      if (options.follow !== true || isFinal) return undefined;
      failed = 0;
      behind = 0;
    } catch (error) {
      const isWrongUse = error instanceof CommandError && error.code === 'USAGE';
      if (options.follow !== true || isWrongUse) throw error;
      behind = error instanceof LogError && error.code === 'LOG_ROLLED_BACK' ? behind + 1 : 0;
      if (isLogVerdict(error) && (behind === 0 || behind >= OLDER_HEADS)) throw error;
      failed++;
      speak.note(`warning: ${messageOf(error)}; trying again`);
    }
    await delay(waitOf(interval, failed) * 1000);
  }
}

/** Seconds until the next look: twice as long after each failure, and never all mirrors at one moment. */
function waitOf(interval: number, failed: number): number {
  const longest = Math.max(interval, LONGEST_WAIT);
  return Math.min(longest, interval * 2 ** Math.min(failed, 16)) * (0.8 + 0.4 * Math.random());
}

/** The same source, asked for at most `parallel` files at once, and for `rate` a second. */
function politely(source: StaticSource, parallel: number, rate: number): StaticSource {
  const waiting: (() => void)[] = [];
  let under = 0;
  let nextAt = 0;
  const polite = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (under >= parallel) await new Promise<void>((go) => waiting.push(go));
    else under++;
    try {
      const now = performance.now();
      nextAt = Math.max(now, nextAt + 1000 / rate);
      if (nextAt > now) await delay(nextAt - now);
      return await ask();
    } finally {
      const next = waiting.shift();
      if (next === undefined) under--;
      else next();
    }
  };
  return {
    name: source.name,
    checkpoint: () => polite(() => source.checkpoint()),
    description: () => polite(() => source.description()),
    tile: (path) => polite(() => source.tile(path)),
    chainCertificate: (hex) => polite(() => source.chainCertificate(hex)),
  };
}

interface OpenedLog {
  readonly source: StaticSource;
  readonly record: MirrorRecord;
}

/** The log that the copy in `out` is of, or that it is to be of. */
async function opened(
  url: string,
  out: string,
  options: LogMirrorOptions,
  speak: Speaker,
): Promise<OpenedLog> {
  const known = await readMirrorRecord(out);
  const log = nameOf(options) ?? (await nameAtService(url, known, options, speak));
  const { source: http, named } = await urlSource(url, log === undefined ? options : { ...options, log });
  const source = { ...http, description: () => http.get(DESCRIPTION_FILE) };
  if (known !== undefined && options.key === undefined && options.trust === undefined)
    return { source, record: known };
  return { source, record: await chosenRecord(source, named, options, speak) };
}

/** What the log of the copy is called at a service: that goes on serving it when another one is in use. */
async function nameAtService(
  url: string,
  known: MirrorRecord | undefined,
  options: LogMirrorOptions,
  speak: Speaker,
): Promise<string | undefined> {
  if (known === undefined) return undefined;
  const logs = (await logsListedAt(url, options)) ?? [];
  const log = logs.find(({ name }) => name === lastPart(known.origin));
  const inUse = logs.find(({ isInUse }) => isInUse);
  if (log !== undefined && inUse !== undefined && inUse !== log)
    speak.note(`note: the service has another log in use, ${inUse.name}: copy it to another directory`);
  return log?.name;
}

async function chosenRecord(
  source: StaticSource,
  named: string | undefined,
  options: LogMirrorOptions,
  speak: Speaker,
): Promise<MirrorRecord> {
  const description = await describedBy(source);
  const keys = await keysOf(source, options, description, speak);
  const [first] = keys;
  if (first === undefined) throw noKey(source.name);
  const { origin } = first;
  if (keys.some((key) => key.origin !== origin))
    throw new CommandError('USAGE', '--key: the keys are of several logs');
  requireNamed(source.name, origin, named);
  const isOfCertificates = keys.some(({ type }) => type === 'static-ct') || description?.origin === origin;
  return { origin, keys, bundle: isOfCertificates ? 'data' : 'entries' };
}

type Description = ReturnType<typeof parseLogV3Json>;

/** What the log says of itself; undefined of one that is no certificate log. */
async function describedBy(source: StaticSource): Promise<Description | undefined> {
  try {
    return parseLogV3Json(sha256, utf8Text(await source.description()));
  } catch (error) {
    if (error instanceof LogReadError || error instanceof FormatError) return undefined;
    throw error;
  }
}

async function keysOf(
  source: StaticSource,
  { key, trust }: LogMirrorOptions,
  description: Description | undefined,
  speak: Speaker,
): Promise<readonly CtCheckpointKey[]> {
  if (key !== undefined) return givenKeys(key);
  if (trust !== undefined) return keysInTrust(source, trust);
  if (description === undefined) throw noKey(source.name);
  speak.note(
    "note: the log's key is the server's own word (log.v3.json), which the copy is held to from now on; name --key or --trust to be sure",
  );
  return logKeysAmong([makeVkey(sha256, description.origin, 'static-ct', description.publicKey)]);
}

const noKey = (where: string): CommandError =>
  new CommandError('USAGE', `no key of the log at ${where} is known`, {
    hint: 'Give its verifier key with --key, name+id+key or a file with one on each line, or --trust DIR.',
  });

/** A verifier key has two plus signs, and the name of a file that is there has none of these by chance. */
async function givenKeys(given: readonly string[]): Promise<readonly CtCheckpointKey[]> {
  const vkeys: Vkey[] = [];
  for (const one of given) {
    const isFile = await access(one).then(
      () => true,
      () => false,
    );
    const text = isFile ? Buffer.from(await readLimited(one, '--key')).toString() : one;
    try {
      vkeys.push(...parseVkeys(sha256, text));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new CommandError('USAGE', `--key: ${error.message}`, {
        hint: 'A verifier key looks like example.com/log+1a2b3c4d+AW5…; a file has one on each line.',
      });
    }
  }
  return logKeysAmong(vkeys);
}

/** The keys of `log.vkey` for the log that is served, or the one of a log of artifacts in `trusted_root.json`. */
async function keysInTrust(source: StaticSource, trust: string): Promise<readonly CtCheckpointKey[]> {
  const checkpoint = parseCheckpoint(await source.checkpoint());
  const own = ((await trustedKeys(trust)) ?? []).filter(({ origin }) => origin === checkpoint.origin);
  return own.length > 0 ? own : artifactKeysIn(trust, checkpoint);
}

async function artifactKeysIn(
  trust: string,
  { origin, signatures }: Checkpoint,
): Promise<readonly CtCheckpointKey[]> {
  // Reads trusted roots, which no certificate log needs.
  const { artifactVkeys } = await import('./watch/served-artifacts.ts');
  return logKeysAmong(await artifactVkeys(trust)).filter(
    (key) => key.origin === origin && signatures.some(({ keyId }) => equalBytes(keyId, key.keyId)),
  );
}
