/** `mayfly log export`: the log as files for any web server. */
import { resolve } from 'node:path';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { toBase64 } from '../../core/bytes.ts';
import { openDirectorySource, type DirectorySource } from '../../ct-log/directory-source.ts';
import { exportLog } from '../../ct-log/export-log.ts';
import { logV3Json } from '../../ct-log/format/log-v3-json.ts';
import { parseUrl } from '../certificate/http.ts';
import type { Speaker } from '../program/command.ts';
import { logDirectory, type LogNameOptions } from './log-target.ts';
import { refuseInside } from '../program/output-directory.ts';

/** Options of the command. */
export interface LogExportOptions extends LogNameOptions {
  readonly data: string;
  readonly out: string;
  readonly publicUrl?: string;
}

/** Writes the copy; `version` is that of the program. */
export async function exportFiles(
  options: LogExportOptions,
  speak: Speaker,
  version: string,
): Promise<undefined> {
  const out = resolve(options.out);
  refuseInside(resolve(options.data), out);
  const source = await openDirectorySource(await logDirectory(options.data, options));
  const description = await describe(source, options, version);
  const { head, written, present } = await exportLog({
    source,
    out,
    description,
    progress: (files) => {
      speak.progress(() => `${files} files so far`);
    },
  });
  const { origin, size, root } = head;
  if (size < source.head.size) speak.note(behind(size, source.head.size));
  const isFinal = source.frozenAt !== undefined && size === source.head.size;
  speak.answer(
    { origin, size, root: toBase64(root), final: isFinal, out, written, present },
    `${size} entries of ${origin} are in ${options.out}: ${written} files written, ${present} were there`,
  );
  return undefined;
}

async function describe(
  { identity, head, frozenAt }: DirectorySource,
  { data, publicUrl }: LogExportOptions,
  version: string,
): Promise<string> {
  const url =
    publicUrl === undefined ? `https://${identity.origin}` : parseUrl(publicUrl, '--public-url').href;
  const fields = logV3Json({
    ...identity,
    url,
    intendedUse: (await isDevelopment(data)) ? 'test' : 'production',
    software: { name: 'mayfly', version },
    final: frozenAt === undefined ? undefined : { ...head, frozenAt },
  });
  return `${JSON.stringify(fields, undefined, 2)}\n`;
}

/** A log's own directory does not say what it is for. */
const isDevelopment = (data: string): Promise<boolean> =>
  openDataDirectory(data).then(
    ({ marker }) => marker.mode === 'dev',
    () => false,
  );

const behind = (size: number, committed: number): string =>
  `note: the newest signed checkpoint has ${size} of ${committed} entries. The service writes it within a second; ` +
  'after a crash start it once, or end the log.';
