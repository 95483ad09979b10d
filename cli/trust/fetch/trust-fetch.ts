/** `mayfly trust fetch`: everything that verifiers and signing clients need, by one hash, and later by what was trusted before. */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Updater } from 'tuf-js';
import { FormatError, messageOf } from '../../../core/errors.ts';
import { printable } from '../../../core/printable.ts';
import { writeDurably } from '../../../storage/durable-file.ts';
import { ensureDirectory } from '../../../storage/make-directory.ts';
import { isMissing } from '../../../storage/read-whole.ts';
import { systemFault } from '../../../instance/data-directory-error.ts';
import { differencesOf } from '../../../trust/differences.ts';
import {
  CHECKSUMS_FILE,
  filesOfTargets,
  SIGNING_CONFIG_FILE,
  TRUSTED_ROOT_FILE,
} from '../../../trust/export.ts';
import { parseSigningConfig, type SigningConfig } from '../../../trust/format/signing-config.ts';
import {
  EMPTY_TRUSTED_ROOT,
  parseTrustedRoot,
  type TrustedRoot,
} from '../../../trust/format/trusted-root.ts';
import { endOf, parseMetadata } from '../../../trust/tuf/metadata.ts';
import { rfc3339 } from '../../../core/clock.ts';
import { parseUrl } from '../../certificate/http.ts';
import { CommandError, type Speaker } from '../../program/command.ts';
import { staleFilesIn } from '../exported-directory.ts';
import { BoundedFetcher } from './bounded-fetcher.ts';
import { firstRoot } from './first-root.ts';

/** Its options. */
interface FetchOptions {
  readonly out: string;
  readonly fingerprint?: string;
}

/** The metadata that is kept, below `tuf` in the directory: what a later fetch follows from. */
const METADATA = ['root', 'timestamp', 'snapshot', 'targets'] as const;
const STATE = 'tuf';

/** `mayfly trust fetch`. Rejects with {@link CommandError} that names what was wrong; nothing in --out has changed then. */
export async function fetchTrust(
  { out, fingerprint }: FetchOptions,
  speak: Speaker,
  [url = '']: readonly string[],
): Promise<undefined> {
  const directory = resolve(out);
  const mirror = mirrorOf(parseUrl(url, 'URL'));
  const scratch = await mkdtemp(join(tmpdir(), 'mayfly-fetch-'));
  try {
    const fetcher = new BoundedFetcher();
    await begin({ directory, scratch, mirror, fingerprint, fetcher });
    const names = await update(scratch, mirror, fetcher);
    const before = await trustedRootIn(directory);
    const after = await trustedRootIn(join(scratch, TARGETS));
    const changes = differencesOf(
      { root: before, name: 'the files of before' },
      { root: after, name: 'these' },
    );
    const targets = new Map<string, Uint8Array>();
    for (const name of names) targets.set(name, await readFile(join(scratch, TARGETS, name)));
    const signingConfig = signingConfigIn(targets.get(SIGNING_CONFIG_FILE));
    const files = targets.has(TRUSTED_ROOT_FILE)
      ? filesOfTargets(targets, { trustedRoot: after, signingConfig }, Date.now())
      : targets;
    await publish(scratch, directory, files);
    const root = parseMetadata('root', await readFile(join(scratch, 'root.json'))).signed;
    const timestamp = parseMetadata('timestamp', await readFile(join(scratch, 'timestamp.json')));
    const sentences = changes.map(({ sentence }) => sentence);
    speak.answer(
      {
        directory,
        files: [...files.keys()],
        root: { version: root.version, expires: root.expires },
        changes: sentences,
      },
      [
        `Fetched to ${out}: ${[...files.keys()].join(' ')}`,
        `  Root      version ${root.version}, until ${rfc3339(Date.parse(root.expires))}`,
        `  Fresh     until ${rfc3339(endOf(timestamp))}`,
        ...(sentences.length === 0
          ? ['  Nothing has changed.']
          : sentences.map((sentence) => `  - ${sentence}`)),
      ].join('\n'),
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const TARGETS = 'targets';

const mirrorOf = (url: URL): string => {
  const base = `${url.origin}${url.pathname}`.replace(/(?<!\/)\/+$/, '');
  return base.endsWith('/tuf') ? base : `${base}/tuf`;
};

interface Beginning {
  readonly directory: string;
  readonly scratch: string;
  readonly mirror: string;
  readonly fingerprint: string | undefined;
  readonly fetcher: BoundedFetcher;
}

/** Puts into `scratch` what is trusted already. */
async function begin({ directory, scratch, mirror, fingerprint, fetcher }: Beginning): Promise<void> {
  const hasState = !(await isMissing(join(directory, STATE, 'root.json')));
  if (hasState && fingerprint !== undefined)
    throw new CommandError('USAGE', `${directory} follows a repository already`, {
      hint: 'Leave --fingerprint out to follow it on, or name another directory with --out.',
    });
  if (!hasState && fingerprint === undefined)
    throw new CommandError('USAGE', `nothing says yet which repository ${directory} trusts`, {
      hint: 'Give --fingerprint SHA256 of its TUF root: `mayfly trust tuf status` prints it where the service runs.',
    });
  await mkdir(join(scratch, TARGETS));
  if (fingerprint !== undefined) {
    await writeFile(join(scratch, 'root.json'), await firstRoot(fetcher, mirror, hashOf(fingerprint)));
    return;
  }
  for (const name of METADATA)
    if (!(await isMissing(join(directory, STATE, `${name}.json`))))
      await copyFile(join(directory, STATE, `${name}.json`), join(scratch, `${name}.json`));
}

function hashOf(fingerprint: string): string {
  const hex = fingerprint
    .replace(/^sha256:/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new CommandError('USAGE', '--fingerprint: a SHA-256 has 64 hexadecimal digits');
}

/** Names of targets that may be names of files. */
const NAME = /^[A-Za-z0-9][\w.-]{0,127}$/;

/** Follows the repository by the rules of TUF and gets every target; returns their names. */
async function update(scratch: string, mirror: string, fetcher: BoundedFetcher): Promise<readonly string[]> {
  try {
    const updater = new Updater({
      metadataDir: scratch,
      metadataBaseUrl: mirror,
      targetDir: join(scratch, TARGETS),
      targetBaseUrl: `${mirror}/${TARGETS}`,
      fetcher,
    });
    await updater.refresh();
    const targets = parseMetadata('targets', await readFile(join(scratch, 'targets.json'))).signed.targets;
    const names = Object.keys(targets);
    for (const name of names) {
      if (!NAME.test(name)) throw new Error(`the target ${name} has a name that no file may have`);
      const info = await updater.getTargetInfo(name);
      if (info === undefined) throw new Error(`there is no target ${name}`);
      await updater.downloadTarget(info, join(scratch, TARGETS, name));
    }
    return names;
  } catch (error) {
    throw fetcher.fault ?? refusal(error, mirror);
  }
}

/** By the names of the errors of tuf-js, which also stand in the messages of others. */
const CAUSES: readonly (readonly [name: RegExp, sentence: string])[] = [
  [
    /ExpiredMetadataError|expired/i,
    'its metadata has ended: the service does not sign any more, or this is an old copy',
  ],
  [/BadVersionError|version/i, 'it shows a state that is older than the one that was seen before'],
  [/LengthMismatch|length/i, 'a file is longer than its metadata says'],
  [/hash/i, 'a file is not the one that its metadata names'],
  [/signed by|threshold|signature/i, 'it is not signed by the keys that are trusted'],
];

function refusal(error: unknown, mirror: string): CommandError {
  const text = `${error instanceof Error ? error.constructor.name : ''} ${messageOf(error)}`;
  const sentence =
    CAUSES.find(([pattern]) => pattern.test(text))?.[1] ?? 'it is not a repository that can be followed';
  return new CommandError(
    'REFUSED',
    `the repository at ${mirror} is refused: ${sentence} (${printable(messageOf(error).slice(0, 300))})`,
    {
      hint: 'Nothing was changed. Ask the operator, over a channel that you trust.',
      cause: error,
    },
  );
}

async function trustedRootIn(directory: string): Promise<TrustedRoot> {
  const file = join(directory, TRUSTED_ROOT_FILE);
  if (await isMissing(file)) return EMPTY_TRUSTED_ROOT;
  try {
    return parseTrustedRoot(await readFile(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('REFUSED', `${file} is no trusted root: ${error.message}`, { cause: error });
  }
}

/** Where to sign; undefined where there is no such file. Throws {@link CommandError} for one that is none. */
function signingConfigIn(bytes: Uint8Array | undefined): SigningConfig | undefined {
  try {
    return bytes && parseSigningConfig(Buffer.from(bytes).toString());
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('REFUSED', `${SIGNING_CONFIG_FILE} is no signing config: ${error.message}`, {
      cause: error,
    });
  }
}

/** The files first: a crash in between leaves metadata that the next fetch follows from again. Their checksums come last, and name until then what is to go. */
async function publish(
  scratch: string,
  directory: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  try {
    const stale = await staleFilesIn(directory, [...files.keys()]);
    await ensureDirectory(join(directory, STATE));
    for (const [name, content] of files) {
      if (name === CHECKSUMS_FILE) for (const gone of stale) await rm(join(directory, gone), { force: true });
      await writeDurably(join(directory, name), content, 0o644);
    }
    for (const name of METADATA) {
      const bytes = await readFile(join(scratch, `${name}.json`));
      await writeDurably(join(directory, STATE, `${name}.json`), bytes, 0o644);
    }
  } catch (error) {
    throw systemFault(directory, 'write', error);
  }
}
