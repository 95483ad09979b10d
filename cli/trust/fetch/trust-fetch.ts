/** `mayfly trust fetch`: everything that verifiers and signing clients need, by one hash, and later by what was trusted before. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { rfc3339 } from '../../../core/clock.ts';
import { FormatError } from '../../../core/errors.ts';
import { differencesOf } from '../../../trust/differences.ts';
import { filesOfTargets, SIGNING_CONFIG_FILE, TRUSTED_ROOT_FILE } from '../../../trust/export.ts';
import { parseSigningConfig, type SigningConfig } from '../../../trust/format/signing-config.ts';
import {
  EMPTY_TRUSTED_ROOT,
  parseTrustedRoot,
  type TrustedRoot,
} from '../../../trust/format/trusted-root.ts';
import { endOf, parseMetadata } from '../../../trust/tuf/metadata.ts';
import { meaningChanges } from '../../../trust/tuf/target-text.ts';
import { parseUrl } from '../../certificate/http.ts';
import { CommandError, type Speaker } from '../../program/command.ts';
import { lossesIn } from '../exported-directory.ts';
import { BoundedFetcher } from './bounded-fetcher.ts';
import {
  beginFrom,
  fetchedState,
  isAsNew,
  isOfSameRoot,
  overtaken,
  refuseDataDirectory,
  replaceFiles,
  scratchBeside,
  stateIn,
  trustBefore,
  type FollowedState,
  type TrustBefore,
} from './fetched-directory.ts';
import { firstRoot } from './first-root.ts';
import { followRepository, TARGETS } from './followed-repository.ts';

/** Its options. */
interface FetchOptions {
  readonly out: string;
  readonly fingerprint?: string;
  readonly force?: true;
}

/** `mayfly trust fetch`. Rejects with {@link CommandError} that names what was wrong; nothing in --out has changed then. */
export async function fetchTrust(
  options: FetchOptions,
  speak: Speaker,
  [url = '']: readonly string[],
): Promise<undefined> {
  const directory = resolve(options.out);
  const mirror = mirrorOf(parseUrl(url, 'URL'));
  await refuseDataDirectory(directory);
  let { fingerprint } = options;
  for (let tried = 0; tried < TRIES; tried++) {
    if (await fetchOnce({ ...options, fingerprint, directory, mirror }, speak)) return undefined;
    // What lies there now follows the root that it led to.
    fingerprint = undefined;
  }
  throw overtaken(directory);
}

/** Times that a fetch begins from what other ones have left. */
const TRIES = 5;

interface FetchWork extends Omit<FetchOptions, 'fingerprint'> {
  readonly fingerprint: string | undefined;
  readonly directory: string;
  readonly mirror: string;
}

/** Returns false where another fetch has left something older meanwhile, from which a next one can follow. */
async function fetchOnce({ directory, mirror, ...options }: FetchWork, speak: Speaker): Promise<boolean> {
  const scratch = await scratchBeside(directory);
  try {
    const fetcher = new BoundedFetcher(scratch);
    const [state, before] = [await stateIn(directory), await trustBefore(directory)];
    await begin({ ...options, directory, scratch, mirror, fetcher, state });
    const targets = await followRepository({ scratch, mirror, fetcher });
    const trustedRoot = trustedRootOf(targets.get(TRUSTED_ROOT_FILE));
    const files = targets.has(TRUSTED_ROOT_FILE)
      ? filesOfTargets(
          targets,
          { trustedRoot, signingConfig: signingConfigIn(targets.get(SIGNING_CONFIG_FILE)) },
          Date.now(),
        )
      : targets;
    // What follows a repository is led on by it. What anything else trusts is somebody's.
    if (state.size === 0 && options.force !== true) await refuseLosses(directory, trustedRoot);
    const replaced = await replaceFiles(directory, { scratch, files, state });
    const names = [...files.keys()];
    if (replaced.removed === undefined) {
      const { there, trust } = replaced;
      const fetched = await fetchedState(scratch);
      if (!isAsNew(there, fetched)) {
        // A fingerprint is of a repository: what follows another root is not to be followed for it.
        if (options.fingerprint !== undefined && !isOfSameRoot(there, fetched)) throw overtaken(directory);
        return false;
      }
      const sentences = changesFrom(before, trust.root, trust.signingConfig);
      report(speak, { out: options.out, directory, state: there, names, sentences });
      return true;
    }
    const signingConfig = targets.get(SIGNING_CONFIG_FILE);
    const sentences = [
      ...(before.failure === undefined ? [] : [`what was there is replaced unread: ${before.failure}`]),
      ...changesFrom(before, trustedRoot, signingConfig && Buffer.from(signingConfig).toString()),
      ...replaced.removed.map((name) => `${name} is removed: nothing says any more that it is trusted`),
    ];
    report(speak, { out: options.out, directory, state: await fetchedState(scratch), names, sentences });
    return true;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** In whom is trusted, and in where clients sign. */
function changesFrom(
  before: TrustBefore,
  trustedRoot: TrustedRoot,
  signingConfig: string | undefined,
): readonly string[] {
  const config = (text: string | undefined): ReadonlyMap<string, string> =>
    new Map(text === undefined ? [] : [[SIGNING_CONFIG_FILE, text]]);
  const signing = meaningChanges(SIGNING_CONFIG_FILE, config(before.signingConfig), config(signingConfig));
  const trust = differencesOf(
    { root: before.root, name: 'the files of before' },
    { root: trustedRoot, name: 'these' },
  );
  return [...trust.map(({ sentence }) => sentence), ...signing];
}

interface Report {
  readonly out: string;
  readonly directory: string;
  readonly state: FollowedState;
  readonly names: readonly string[];
  readonly sentences: readonly string[];
}

function report(speak: Speaker, { out, directory, state, names, sentences }: Report): void {
  const root = parseMetadata('root', bytesIn(state, 'root.json')).signed;
  const timestamp = parseMetadata('timestamp', bytesIn(state, 'timestamp.json'));
  speak.answer(
    { directory, files: names, root: { version: root.version, expires: root.expires }, changes: sentences },
    [
      `Fetched to ${out}: ${names.join(' ')}`,
      `  Root      version ${root.version}, until ${rfc3339(Date.parse(root.expires))}`,
      `  Fresh     until ${rfc3339(endOf(timestamp))}`,
      ...(sentences.length === 0
        ? ['  Nothing has changed.']
        : sentences.map((sentence) => `  - ${sentence}`)),
    ].join('\n'),
  );
}

const bytesIn = (state: FollowedState, name: string): Uint8Array => state.get(name) ?? new Uint8Array();

/** Throws {@link CommandError} `REFUSED` where files that follow no repository trust, or end, what this one does not. */
async function refuseLosses(directory: string, trustedRoot: TrustedRoot): Promise<void> {
  const { missing, reopened } = await lossesIn(directory, trustedRoot);
  const [first] = [...missing, ...reopened];
  if (first === undefined) return;
  throw new CommandError(
    'REFUSED',
    missing.length > 0
      ? `${directory} trusts ${first}, which this repository does not`
      : `${directory} ends ${first}, and this repository trusts it for longer`,
    { hint: 'Name another directory with --out, or replace what is there with --force.' },
  );
}

const mirrorOf = (url: URL): string => {
  const base = `${url.origin}${url.pathname}`.replace(/(?<!\/)\/+$/, '');
  return base.endsWith('/tuf') ? base : `${base}/tuf`;
};

interface Beginning {
  readonly directory: string;
  readonly scratch: string;
  readonly mirror: string;
  readonly fingerprint?: string | undefined;
  readonly fetcher: BoundedFetcher;
  readonly state: FollowedState;
}

/** Puts into `scratch` what is trusted already. */
async function begin({ directory, scratch, mirror, fingerprint, fetcher, state }: Beginning): Promise<void> {
  const hasState = state.size > 0;
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
  await beginFrom(state, scratch);
}

function hashOf(fingerprint: string): string {
  const hex = fingerprint
    .replace(/^sha256:/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new CommandError('USAGE', '--fingerprint: a SHA-256 has 64 hexadecimal digits');
}

/** Nothing where there is no such target. Throws {@link CommandError} for one that is none. */
function trustedRootOf(bytes: Uint8Array | undefined): TrustedRoot {
  try {
    return bytes === undefined ? EMPTY_TRUSTED_ROOT : parseTrustedRoot(Buffer.from(bytes).toString());
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('REFUSED', `${TRUSTED_ROOT_FILE} is no trusted root: ${error.message}`, {
      cause: error,
    });
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
