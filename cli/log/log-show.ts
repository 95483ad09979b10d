/** `mayfly log show`: one entry of a log, with everything that its certificate says. */
import { equalBytes, toBase64, toHex } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { parseCertificate, parseTbsCertificate } from '../../core/certificate.ts';
import { FormatError } from '../../core/errors.ts';
import { FULCIO_EXTENSIONS } from '../../core/fulcio-extensions.ts';
import { encodePem } from '../../core/pem.ts';
import { printable } from '../../core/printable.ts';
import type { TileLeaf } from '../../ct-log/format/leaf.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { TILE_WIDTH } from '../../tlog/format/tile.ts';
import { readEntry, type FoundEntry } from '../../ct-log/entry-search.ts';
import { LogError, LogReadError } from '../../tlog/core/log-error.ts';
import { loggedTbsOf } from '../../ct-log/logged-tbs.ts';
import { proveCertificate } from '../../ct-log/proof.ts';
import { ProvenEntries } from '../../ct-log/proven-entries.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { openArtifactCopy, type ArtifactCopy } from './artifact-copy.ts';
import { findAuditedCertificate, type AuditedCertificate } from './audit-lookup.ts';
import { certificateFacts, type Facts } from '../../search/entry-facts.ts';
import { readCertificateFile } from '../verify/certificate-file.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { placeOf } from './entry-options.ts';
import { headOf, verifiedCheckpoint, type SeenHead } from './log-head.ts';
import { endingSoon, openTarget, withLogOf, type LogTarget, type TargetOptions } from './log-target.ts';
import { formerLogNames } from './watch/certificate-log.ts';

/** Options that say which entry. */
interface ShowOptions extends TargetOptions {
  readonly certificate?: string;
  readonly certificateSha256?: string;
  readonly audit?: readonly string[];
  readonly pem?: true;
}

/** Shows the entry at `args[0]`, of a certificate, or of a line of the audit. */
export async function show(
  options: ShowOptions,
  speak: Speaker,
  [index]: readonly string[],
): Promise<undefined> {
  checkCombination(options, index);
  const copy = await openArtifactCopy(endingSoon(options));
  if (copy !== undefined) return showCopied(copy, options, speak, index);
  const { head, place, leaf, entry } = await found(options, speak, index);
  const der = precertificateOf(leaf);
  if (options.pem === true && der === undefined)
    throw new LogError('LOG_CORRUPT', `the precertificate of entry ${place} is not the one that was logged`);
  const pem = der && encodePem('CERTIFICATE', der);
  const { origin, size } = head;
  const leafHash = toBase64(hashLeaf(sha256, leaf.leaf));
  const key = 'spki' in entry ? { publicKey: encodePem('PUBLIC KEY', entry.spki) } : {};
  speak.answer(
    { origin, size, ...certificateFacts(entry), ...key, leafHash, precertificate: pem ?? null },
    options.pem === true ? (pem ?? '').trimEnd() : textOf(entry, leafHash),
  );
  if (options.pem !== true) speak.note(WHERE_IT_IS);
  return undefined;
}

/** Of a log of artifacts: what was signed, and by whom. */
async function showCopied(
  copy: ArtifactCopy,
  { pem }: ShowOptions,
  speak: Speaker,
  index: string | undefined,
): Promise<undefined> {
  const { origin, size } = copy;
  if (index === undefined || pem === true)
    throw new CommandError(
      'USAGE',
      `the entries of ${origin} are no certificates: give INDEX, without --pem`,
      {
        hint: '`mayfly log search` finds what was signed by a certificate, a key or a name (--certificate, --key-sha256, --identity).',
      },
    );
  const { view, leafHash } = await copy.entryAt(placeOf(index, 'INDEX'));
  const facts = { ...view.facts(), leafHash: toBase64(leafHash) };
  speak.answer({ origin, size, ...facts }, tableOf(rowsOfFacts(facts)));
  return undefined;
}

/** What is in lists and records, each value in a row of its own. */
const rowsOfFacts = (facts: Facts): (readonly [string, string])[] =>
  Object.entries(facts).flatMap(([name, value]) => {
    const all: readonly unknown[] = Array.isArray(value) ? value : [value];
    return all.flatMap((one) =>
      typeof one === 'object' && one !== null
        ? rowsOfFacts(one as Facts)
        : one === undefined
          ? []
          : [[name, typeof one === 'string' ? one : JSON.stringify(one)] as const],
    );
  });

/** An entry under a head that covers it. */
interface ShownEntry {
  readonly head: SeenHead;
  readonly place: number;
  readonly leaf: TileLeaf;
  readonly entry: FoundEntry;
}

/** Where the log in use has been followed by another, what an index of the audit or a certificate means may stand in a former one. */
async function found(options: ShowOptions, speak: Speaker, index?: string): Promise<ShownEntry> {
  const soon = endingSoon(options);
  const { certificate: file } = options;
  if (file !== undefined) {
    const { certificate } = await readCertificateFile(file);
    const log = await openTarget(await withLogOf(soon, certificate, file === '-' ? 'stdin' : file), speak);
    const { bytes: checkpoint, head } = await verifiedCheckpoint(log);
    const { source, logId } = log;
    const proven = await proveCertificate({ source, logId, checkpoint, verified: head }, certificate);
    return entryAt(log, head, proven.index);
  }
  const audited = await auditedOf(options);
  if (audited !== undefined) return auditedEntry(audited, soon, speak);
  const log = await openTarget(soon, speak);
  return entryAt(log, await headOf(log), placeOf(index ?? '', 'INDEX'));
}

/** The entry that a line of the audit is about: in the log that it names, or in the first that has its serial there. */
async function auditedEntry(
  audited: AuditedCertificate,
  options: ShowOptions,
  speak: Speaker,
): Promise<ShownEntry> {
  const { log: origin, leafIndex: place } = audited;
  let failure: Error | undefined;
  // The log in use first, or the one that --log names.
  for (const name of [undefined, ...(await formerLogNames(options))]) {
    const log = await openTarget(name === undefined ? options : { ...options, log: name }, speak);
    const head = await headOf(log);
    if (head.origin !== (origin ?? head.origin)) continue;
    const there = place < head.size ? await entryAt(log, head, place) : undefined;
    if (there !== undefined && isOf(audited, there)) return there;
    failure ??= there === undefined ? noEntry(head, place) : contradiction(audited, there);
  }
  throw failure ?? notHere(origin ?? '');
}

const notHere = (origin: string): LogReadError =>
  new LogReadError(
    'NOT_FOUND',
    `the audit says that the entry is in the log ${origin}, which is not asked here`,
    {
      hint: 'Name the data directory or the service that has it; without --log, its former logs are asked, too.',
    },
  );

const WHERE_IT_IS =
  'The log holds the precertificate (--pem): the certificate without its SCT. The certificate itself is with its owner and with what ' +
  'was signed; the audit line with this serial has its SHA-256 (certificateSha256).';

function checkCombination(
  { certificate, certificateSha256, audit, pem, ...rest }: ShowOptions,
  index?: string,
): void {
  const ways = [index, certificate, certificateSha256].filter((way) => way !== undefined);
  if (ways.length !== 1)
    throw new CommandError(
      'USAGE',
      'say which entry: INDEX, --certificate FILE or --certificate-sha256 HEX',
      {
        hint: 'mayfly log list and search show the index of each.',
      },
    );
  if ((certificateSha256 === undefined) !== (audit === undefined))
    throw new CommandError('USAGE', '--certificate-sha256 and --audit go together', {
      hint: 'The log holds no hash of a finished certificate, which got its SCT later; the lines of the audit do.',
    });
  if (pem === true && 'json' in rest)
    throw new CommandError('USAGE', 'give --pem or --json, not both: the JSON has the precertificate, too');
}

const auditedOf = async ({
  certificateSha256,
  audit = [],
}: ShowOptions): Promise<AuditedCertificate | undefined> =>
  certificateSha256 === undefined ? undefined : findAuditedCertificate(certificateSha256, audit);

async function entryAt(log: LogTarget, head: SeenHead, place: number): Promise<ShownEntry> {
  if (place >= head.size) throw noEntry(head, place);
  const leaf = await leafAt(log, head, place);
  return { head, place, leaf, entry: readEntry(leaf, place) };
}

const noEntry = ({ size }: SeenHead, place: number): LogReadError =>
  new LogReadError('NOT_FOUND', `the log has ${size} entries, and none at ${place}`, {
    hint: 'Entries count from 0.',
  });

async function leafAt({ source }: LogTarget, head: SeenHead, place: number): Promise<TileLeaf> {
  const n = Math.floor(place / TILE_WIDTH);
  const leaf = (await new ProvenEntries(source, head).tile(n))[place - n * TILE_WIDTH];
  if (leaf === undefined) throw new LogError('LOG_CORRUPT', `the log has no entry ${place}`);
  return leaf;
}

const serialOf = ({ entry }: ShownEntry): string =>
  'serial' in entry ? `serial ${entry.serial}` : 'nothing that can be read';

const isOf = ({ serial }: AuditedCertificate, shown: ShownEntry): boolean =>
  serialOf(shown) === `serial ${serial}`;

const contradiction = ({ serial, leafIndex }: AuditedCertificate, shown: ShownEntry): LogError =>
  new LogError(
    'LOG_CORRUPT',
    `the audit says serial ${serial} for entry ${leafIndex}, the log has ${serialOf(shown)} there`,
    {
      hint: 'Is it the audit of this log? A former log goes in by --log NAME. If it is, one of them was changed.',
    },
  );

/** The precertificate lies beside the leaf, which alone the tree covers: undefined where it does not say the same. */
function precertificateOf({ entry, precertificate }: TileLeaf): Uint8Array | undefined {
  if (entry.type === 'x509') return entry.certificate;
  try {
    if (precertificate === undefined) return undefined;
    // Another key may have signed it in the name of its CA.
    const tbs = loggedTbsOf(parseCertificate(precertificate), parseTbsCertificate(entry.tbs));
    return equalBytes(tbs, entry.tbs) ? precertificate : undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}

const textOf = (entry: FoundEntry, leafHash: string): string => tableOf(rowsOf(entry, leafHash));

function tableOf(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`).join('\n');
}

function rowsOf(entry: FoundEntry, leafHash: string): (readonly [string, string])[] {
  const place = [
    ['entry', String(entry.index)],
    ['logged', rfc3339(entry.timestamp)],
    ['leaf hash', leafHash],
  ] as const;
  if ('unreadable' in entry) return [...place, ['unreadable', entry.unreadable]];
  const { identity, names, issuers, authority, caKeySha256 = '-' } = entry;
  return [
    ...place,
    ['identity', identity === undefined ? '-' : `${identity.value} (${identity.type})`],
    ...(names.length > 1 || identity === undefined ? names.map((name) => ['name', name] as const) : []),
    ['issuer', issuers.length === 0 ? '-' : issuers.join(', ')],
    ['serial', entry.serial],
    ['valid', `${rfc3339(entry.notBefore)} to ${rfc3339(entry.notAfter)}`],
    ['key', `SHA-256 ${toHex(sha256(entry.spki))}`],
    ['CA', authority === '' ? '-' : authority],
    ['CA key', `SHA-256 ${caKeySha256}`],
    ...FULCIO_EXTENSIONS.flatMap(({ number, name }) => {
      const value = entry.extensions.get(number);
      return value === undefined ? [] : [[`1.${number} ${name}`, value] as const];
    }),
  ];
}
