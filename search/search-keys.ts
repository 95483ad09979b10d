/**
 * What an entry of any log is found by, and what is asked for: the one language of every search. Both are texts of a type, in lower case, as Rekor's own index compares
 * them.
 */
import { toHex, utf8 } from '../core/bytes.ts';
import { parseCertificate, parseTbsCertificate, type TbsCertificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { encodePem } from '../core/pem.ts';
import { readBodyContent, type BodyVerifier } from '../rekor/format/body-content.ts';
import { parseLeaf } from '../ct-log/format/leaf.ts';
import { loggedTbs } from '../ct-log/logged-tbs.ts';
import { certificateExtensions, certificateIssuers, certificateNames } from '../core/certificate-names.ts';
import { sha256 } from '../tlog/core/sha256.ts';

/**
 * By what entries are found.
 *
 * - `digest`: of an artifact, a payload, an envelope's text, or what a payload names: `algorithm:hex`. Also `sha256:` and a {@link SearchBy} `pem`, because Rekor
 *   finds dsse entries by that.
 * - `name`: a whole subject alternative name of a certificate. `name-prefix`: its beginning.
 * - `issuer`: whom the identity in a certificate comes from.
 * - `extension`: a value of one of Fulcio's extensions: its number, `=` and the value.
 * - `pem`: SHA-256 of the PEM of a key, a certificate or a chain. `certificate`: of a certificate or precertificate in DER, whichever is logged. `key`: of a
 *   SubjectPublicKeyInfo in DER, that of a certificate, too. All in hexadecimal.
 * - `serial`: the number of a certificate in hexadecimal, without zeros before it.
 */
export type SearchBy =
  'digest' | 'name' | 'name-prefix' | 'issuer' | 'extension' | 'pem' | 'certificate' | 'key' | 'serial';

/** One thing that is asked of an entry. Letter case does not count. */
export interface SearchCondition {
  readonly by: SearchBy;
  readonly value: string;
}

/** What an entry is found by: of the types but `name-prefix`, for which there are the names. */
export interface EntryKeys {
  /** `type value`, each once. */
  readonly exact: readonly string[];
  readonly names: readonly string[];
}

/** What is indexed of an entry. */
export interface SearchedEntry {
  readonly index: number;
  readonly leafHash: Uint8Array;
  /** What the leaf hash is of: the body of an entry about a signature, or a MerkleTreeLeaf about a certificate. */
  readonly body: Uint8Array;
  /** What an entry about a signature is found by besides; empty for a certificate. */
  readonly namedDigests: readonly string[];
  /** DER of the precertificate beside a leaf. */
  readonly precertificate?: Uint8Array | undefined;
}

/** What the entries of a log are about. */
export type SearchedKind = 'artifacts' | 'certificates';

/** A serial number has several spellings. */
const spelled = ({ by, value }: SearchCondition): string =>
  by === 'serial' ? value.replaceAll(':', '').replace(/^0+/, '') : value;

/** The key of a condition that one key alone meets. */
export const exactKey = (condition: SearchCondition): string =>
  `${condition.by} ${spelled(condition).toLowerCase()}`;

/** What an entry of such a log is found by; nothing but its named digests when its body is none that can be read. */
export function entryKeys(kind: SearchedKind, entry: EntryContent): EntryKeys {
  const conditions = kind === 'artifacts' ? signatureConditions(entry) : leafConditions(entry);
  const names = conditions.filter(({ by }) => by === 'name').map(({ value }) => value.toLowerCase());
  return { exact: [...new Set(conditions.map(exactKey))], names: [...new Set(names)] };
}

type EntryContent = Pick<SearchedEntry, 'body' | 'namedDigests' | 'precertificate'>;

function signatureConditions({ body, namedDigests }: EntryContent): SearchCondition[] {
  const conditions: SearchCondition[] = namedDigests.map((value) => ({ by: 'digest', value }));
  const content = readable(() => readBodyContent(body));
  for (const value of content?.digests ?? []) conditions.push({ by: 'digest', value });
  for (const verifier of content?.verifiers ?? []) conditions.push(...verifierConditions(verifier));
  return conditions;
}

function leafConditions({ body, precertificate }: EntryContent): SearchCondition[] {
  const entry = readable(() => parseLeaf(body).entry);
  if (entry === undefined) return [];
  const logged = entry.type === 'x509' ? entry.certificate : precertificate;
  const fingerprint = logged && ({ by: 'certificate', value: hex(logged) } as const);
  const certificate = readable(() =>
    parseTbsCertificate(entry.type === 'x509' ? loggedTbs(entry.certificate) : entry.tbs),
  );
  return [
    ...(fingerprint === undefined ? [] : [fingerprint]),
    ...(certificate === undefined ? [] : certificateConditions(certificate)),
  ];
}

/** Whether an entry with these keys meets all conditions, or one of them. */
export function meets(
  keys: EntryKeys,
  conditions: readonly SearchCondition[],
  match: 'all' | 'any',
): boolean {
  const exact = new Set(keys.exact);
  const isMet = (condition: SearchCondition): boolean =>
    condition.by === 'name-prefix'
      ? keys.names.some((name) => name.startsWith(condition.value.toLowerCase()))
      : exact.has(exactKey(condition));
  return match === 'all' ? conditions.every(isMet) : conditions.some(isMet);
}

/** Whether an entry may be what is asked for, as far as its body says it: digests that a statement names stand in no body. */
export function mayMeet(
  kind: SearchedKind,
  entry: EntryContent,
  conditions: readonly SearchCondition[],
  match: 'all' | 'any',
): boolean {
  const isOfStatement =
    kind === 'artifacts' &&
    STATEMENT_KINDS.has(readable(() => readBodyContent(entry.body))?.kind ?? '') &&
    conditions.some(({ by }) => by === 'digest');
  if (isOfStatement && match === 'any') return true;
  const shown = isOfStatement ? conditions.filter(({ by }) => by !== 'digest') : conditions;
  return meets(entryKeys(kind, entry), shown, match);
}

/** Kinds of entries about envelopes, which the first API has. */
const STATEMENT_KINDS: ReadonlySet<string> = new Set(['dsse', 'intoto']);

function* verifierConditions({ pem, blocks, isCertificate }: BodyVerifier): Generator<SearchCondition> {
  const [first = new Uint8Array()] = blocks;
  yield* pemConditions(pem);
  if (!isCertificate) {
    yield { by: 'key', value: hex(first) };
    return;
  }
  // A chain is found by its leaf, too.
  if (blocks.length > 1) yield* pemConditions(utf8(encodePem('CERTIFICATE', first)));
  yield { by: 'certificate', value: hex(first) };
  const certificate = readable(() => parseCertificate(first));
  if (certificate !== undefined) yield* certificateConditions(certificate);
}

function* pemConditions(pem: Uint8Array): Generator<SearchCondition> {
  const value = hex(pem);
  yield { by: 'pem', value };
  yield { by: 'digest', value: `sha256:${value}` };
}

function* certificateConditions(certificate: TbsCertificate): Generator<SearchCondition> {
  yield { by: 'key', value: hex(certificate.spki) };
  yield { by: 'serial', value: toHex(certificate.serial) };
  for (const value of certificateIssuers(certificate)) yield { by: 'issuer', value };
  for (const value of certificateNames(certificate)) yield { by: 'name', value };
  for (const [number, value] of certificateExtensions(certificate))
    yield { by: 'extension', value: `${number}=${value}` };
}

const hex = (bytes: Uint8Array): string => toHex(sha256(bytes));

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
