/** Where bundles go: looked at before anything is asked of anybody, and written when all of them are verified. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { systemCode } from '../../core/errors.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { FileFault } from '../../storage/file-fault.ts';
import { CommandError } from '../program/command.ts';
import { STDIN } from './artifact.ts';

/** Options that say where. */
export interface OutputOptions {
  readonly bundle?: string;
  readonly output?: string;
  readonly force?: true;
}

/** Where the bundle of an artifact goes; undefined is standard output. */
export interface BundlePlace {
  readonly artifact: string;
  readonly bundle: string | undefined;
}

/** What Sigstore's clients look for beside an artifact. */
const EXTENSION = '.sigstore.json';

/** The place of the bundle of each artifact, all different. Rejects with {@link CommandError}: `USAGE` where they cannot be, `REFUSED` where something is there already
 * and `force` does not say to replace it, `FAILED` where nothing can be written. */
export async function bundlePlaces(
  artifacts: readonly string[],
  options: OutputOptions,
): Promise<readonly BundlePlace[]> {
  const { bundle, output } = options;
  if (bundle !== undefined && output !== undefined)
    throw usage('--bundle names the file and --output a directory', 'Give one of them.');
  if (bundle !== undefined && artifacts.length > 1)
    throw usage(
      '--bundle is for one file',
      'For several give --output DIR, or nothing: each bundle then lies beside its file.',
    );
  if (output !== undefined) await requireDirectory(output);
  const places = artifacts.map((artifact) => ({ artifact, bundle: placeOf(artifact, options) }));
  requireDifferent(places);
  for (const { bundle: path } of places)
    if (path !== undefined) await requireWritable(path, options.force === true);
  return places;
}

function placeOf(artifact: string, { bundle, output }: OutputOptions): string | undefined {
  if (bundle !== undefined) return bundle === STDIN ? undefined : bundle;
  if (artifact === STDIN) return undefined;
  return output === undefined ? `${artifact}${EXTENSION}` : join(output, `${basename(artifact)}${EXTENSION}`);
}

function requireDifferent(places: readonly BundlePlace[]): void {
  const seen = new Set<string>();
  for (const { artifact, bundle } of places) {
    const place = bundle === undefined ? STDIN : resolve(bundle);
    if (seen.has(place))
      throw usage(
        `${artifact}: another file would have the same bundle`,
        'Sign each file once, and files of one name in runs of their own.',
      );
    seen.add(place);
    if (places.some((other) => other.artifact !== STDIN && resolve(other.artifact) === place))
      throw usage(
        `${place} is to be signed, and the bundle of ${artifact} would replace it`,
        'Name another place with --bundle or --output.',
      );
  }
}

async function requireDirectory(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw usage(
    `--output: ${path} is ${found === undefined ? 'not there' : 'no directory'}`,
    'It names the directory for the bundles, which must be there; --bundle names the file of one.',
  );
}

async function requireWritable(path: string, force: boolean): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) throw usage(`${path} is a directory`, 'Name a file for the bundle.');
  // Such as /dev/stdout: nothing there is replaced.
  if (found !== undefined && found.isFile() && !force)
    throw new CommandError('REFUSED', `${path} is there already, so it is not replaced`, {
      hint: 'Replace it with --force, or name another place with --bundle or --output.',
    });
  try {
    await access(dirname(resolve(path)), constants.W_OK);
  } catch (error) {
    throw writeFault(path, error);
  }
}

/** Writes each bundle, whole or not at all. Rejects with {@link CommandError} `FAILED`. */
export async function writeBundle(path: string, text: string): Promise<void> {
  try {
    await writeDurably(path, Buffer.from(text), 0o644);
  } catch (error) {
    if (!(error instanceof FileFault) && systemCode(error) === undefined) throw error;
    throw writeFault(path, error);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENOENT: 'there is no such directory',
  ENOTDIR: 'a part of the path is a file',
};

function writeFault(path: string, cause: unknown): CommandError {
  const code = cause instanceof FileFault ? cause.code : systemCode(cause);
  return new CommandError(
    'FAILED',
    `${path} cannot be written: ${REASONS[code ?? ''] ?? code ?? 'unknown fault'}`,
    {
      hint: 'Name another place with --bundle or --output.',
      cause,
    },
  );
}

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
