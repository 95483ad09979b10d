import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { resolve } from 'node:path';
import { parseCertificate } from '../../core/certificate.ts';
import { rfc3339 } from '../../core/clock.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { MayflyError, systemCode } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { printable, printableLines } from '../../core/printable.ts';
import { VERSION } from '../../core/version.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import { dataPaths } from '../../instance/data-paths.ts';
import { readWhole } from '../../storage/read-whole.ts';
import { quoted } from '../../storage/quoted-path.ts';
import { entriesOf, LIST_NAMES } from '../../trust/entries.ts';
import { readTrust } from '../../trust/ledger.ts';
import { encodeMetadata } from '../../trust/tuf/metadata.ts';
import { readRepository } from '../../trust/tuf/repository.ts';
import { OFFLINE_ROLES } from '../../trust/tuf/roles.ts';

/** Options that name files of which the fingerprint is public: requests, certificates, public keys and staged changes, never keys or passphrases. */
const PUBLIC_FILES = ['csr', 'stage', 'install', 'out', 'root', 'caChain', 'on', 'addKey'] as const;

const LIMIT = 8 * 1024 * 1024;

/** One entry of a transcript, from before the command to after it. */
export class TranscriptEntry {
  readonly #file: string;
  readonly #options: Readonly<Record<string, unknown>>;
  readonly #args: readonly string[];
  readonly #lines: string[];
  #said = '';

  private constructor(
    file: string,
    options: Readonly<Record<string, unknown>>,
    args: readonly string[],
    lines: string[],
  ) {
    this.#file = file;
    this.#options = options;
    this.#args = args;
    this.#lines = lines;
  }

  /** Notes what there is before the command. Rejects with DataDirectoryError where the transcript cannot be written. */
  static async begin(
    file: string,
    options: Readonly<Record<string, unknown>>,
    args: readonly string[],
  ): Promise<TranscriptEntry> {
    const before = await append(file, '');
    const lines = [
      `=== ${rfc3339(Date.now())}`,
      `command   mayfly ${process.argv.slice(2).map(shown).join(' ')}`,
      `by        ${printable(userInfo().username)} at ${printable(hostname())}, Mayfly ${VERSION}`,
      `earlier   ${before.length === 0 ? 'nothing in this file' : `SHA-256 ${sha256(before)} of this file so far`}`,
      ...(await stateLines('before', options)),
    ];
    return new TranscriptEntry(file, options, args, lines);
  }

  /** What the command answered; people saw it. */
  say(text: string): void {
    this.#said = text;
  }

  /** Notes what there is now, and writes the entry. Rejects as {@link begin} does. */
  async end(outcome: string): Promise<void> {
    const said = this.#said === '' ? [] : this.#said.split('\n').map((line) => `said      ${line}`);
    const lines = [
      ...this.#lines,
      ...(await stateLines('after', this.#options)),
      ...(await this.#fileLines()),
      ...said,
      `outcome   ${outcome}`,
      `ended     ${rfc3339(Date.now())}`,
      '',
    ];
    await append(this.#file, `${printableLines(lines.join('\n'))}\n`);
  }

  async #fileLines(): Promise<readonly string[]> {
    const named = PUBLIC_FILES.flatMap((option) => this.#options[option]);
    const files = [...named, ...this.#args].filter((file): file is string => typeof file === 'string');
    const lines: string[] = [];
    for (const file of new Set(files)) {
      const bytes = await readWhole(file, { size: LIMIT }).catch(() => undefined);
      if (bytes === undefined || /PRIVATE KEY/.test(bytes.toString('latin1'))) continue;
      lines.push(`file      ${printable(file)} SHA-256 ${sha256(bytes)}`, ...certificateLines(bytes));
    }
    return lines;
  }
}

/** What looks like a token, typed where something else belongs, is not repeated. */
const shown = (word: string): string => (/^eyJ/.test(word) ? '(a token)' : quoted(printable(word)));

function certificateLines(bytes: Buffer): readonly string[] {
  try {
    return decodePem(bytes.toString('latin1'))
      .filter(({ label }) => label === 'CERTIFICATE')
      .map(
        ({ bytes: der }) => `          ${describeName(parseCertificate(der).subject)} SHA-256 ${sha256(der)}`,
      );
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    return [];
  }
}

/** All that verifiers of the directory are to trust, and the TUF metadata by which they get it. */
async function stateLines(
  when: 'before' | 'after',
  { data }: Readonly<Record<string, unknown>>,
): Promise<readonly string[]> {
  if (typeof data !== 'string') return [];
  const title = when.padEnd(10);
  try {
    const paths = dataPaths(resolve(data));
    const { root } = await readTrust(paths);
    const lines = entriesOf(root).map(({ list, name, id, window }) => {
      const until = window.end === undefined ? '' : ` until ${rfc3339(window.end)}`;
      return `${title}${LIST_NAMES[list]} ${name} ${id}, trusted from ${rfc3339(window.start)}${until}`;
    });
    return [...lines, ...(await tufLines(paths.tuf)).map((line) => `${title}${line}`)];
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    return [`${title}no data directory that can be read`];
  }
}

/** The parts that people sign. */
async function tufLines(directory: string): Promise<readonly string[]> {
  try {
    const repository = await readRepository(directory);
    if (repository === undefined) return [];
    return OFFLINE_ROLES.map((role) => {
      const metadata = repository[role];
      return `TUF ${role} version ${metadata.signed.version} SHA-256 ${sha256(encodeMetadata(metadata))}`;
    });
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    return ['a TUF repository that cannot be read'];
  }
}

/** Appends durably; returns what was there. */
async function append(file: string, text: string): Promise<Buffer> {
  try {
    const handle = await open(file, 'a+', 0o644);
    try {
      const before = await handle.readFile();
      if (text !== '') await handle.appendFile(text);
      await handle.sync();
      return before;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw systemFault(file, 'write', error);
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
