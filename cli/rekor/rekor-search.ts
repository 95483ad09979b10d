/** `mayfly rekor search`: who signed what. */
import { rfc3339 } from '../../core/clock.ts';
import { toHex } from '../../core/bytes.ts';
import { decodePem } from '../../core/pem.ts';
import { contentOf, signatureFacts, signerFacts } from '../../search/entry-facts.ts';
import type { SearchCondition } from '../../search/search-keys.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { endIn, parseUrl, requireSafeTransport } from '../certificate/http.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readInput, readAccessToken } from '../program/input-file.ts';
import { parseInteger } from '../program/options.ts';
import { apisOf, type ArtifactApiOptions } from './artifact-log-facts.ts';
import { entriesInDirectory, entriesOnServer, type EntrySearch, type FoundArtifact } from './entry-search.ts';

interface SearchOptions extends ArtifactApiOptions {
  readonly data?: string;
  readonly url?: string;
  readonly accessTokenFile?: string;
  readonly identity?: string;
  readonly identityPrefix?: string;
  readonly issuer?: string;
  readonly digest?: string;
  readonly serial?: string;
  readonly certificate?: string;
  readonly any?: true;
  readonly before?: string;
  readonly limit?: string;
  readonly timeout?: string;
}

/** Entries, unless there is another word. */
const DEFAULT_LIMIT = '100';
/** Seconds that a service has for all of it. */
const DEFAULT_TIMEOUT = '120';

/** Prints the entries that meet what is asked, the newest of each log first. */
export async function search(options: SearchOptions, speak: Speaker): Promise<undefined> {
  const query = await queryOf(options);
  let count = 0;
  for await (const entry of await entriesOf(options, query, speak)) {
    count++;
    if (!(await speak.record(factsOf(entry), lineOf(entry))) || count === query.limit) break;
  }
  const more = count === query.limit ? '; stopped at the limit, go on with --before' : '';
  speak.note(`${count} ${count === 1 ? 'entry' : 'entries'}, the newest of each log first${more}`);
  return undefined;
}

async function entriesOf(
  options: SearchOptions,
  query: EntrySearch,
  speak: Speaker,
): Promise<AsyncGenerator<FoundArtifact>> {
  const { data, url, accessTokenFile } = options;
  if ((data === undefined) === (url === undefined))
    throw new CommandError('USAGE', 'give either --data or --url', {
      hint: '--data is the directory of `mayfly serve` or `dev`, --url the public URL of a service.',
    });
  const timeout = parseInteger(options.timeout ?? DEFAULT_TIMEOUT, '--timeout', 1, 86_400);
  if (data !== undefined) return entriesInDirectory(data, apisOf(options), query);
  if (options.v2 === true)
    throw new CommandError('USAGE', 'a service is asked for its log of Rekor v1 alone', {
      hint: 'Search the log of Rekor v2 in its data directory.',
    });
  const base = parseUrl(url ?? '', '--url');
  const token = await readAccessToken(accessTokenFile, 'log access token');
  if (token !== undefined) requireSafeTransport(base, 'the service');
  speak.note(
    'note: which entries there are, their numbers and times are the word of the service: nothing is verified. `mayfly log search --by-index` proves that they are logged',
  );
  return entriesOnServer(base, token, query, endIn(timeout));
}

async function queryOf(options: SearchOptions): Promise<EntrySearch> {
  const {
    identity,
    identityPrefix,
    issuer,
    digest,
    serial,
    certificate,
    before,
    limit = DEFAULT_LIMIT,
  } = options;
  if (identity !== undefined && identityPrefix !== undefined)
    throw new CommandError('USAGE', 'give one of --identity and --identity-prefix');
  const conditions = [
    ...only('name', identity),
    ...only('name-prefix', identityPrefix),
    ...only('issuer', issuer),
    ...only('digest', digest === undefined ? undefined : digestOf(digest)),
    ...only('serial', serial),
    ...only('certificate', certificate === undefined ? undefined : await fingerprintOf(certificate)),
  ];
  if (conditions.length === 0)
    throw new CommandError(
      'USAGE',
      'say what to look for: --identity, --issuer, --digest, --serial or --certificate',
      {
        hint: 'Several of them are all to be met, unless --any is given.',
      },
    );
  return {
    conditions,
    match: options.any === true ? 'any' : 'all',
    before: before === undefined ? undefined : parseInteger(before, '--before', 0, 2 ** 40),
    limit: parseInteger(limit, '--limit', 1, 1_000_000),
  };
}

const only = (by: SearchCondition['by'], value: string | undefined): SearchCondition[] =>
  value === undefined ? [] : [{ by, value }];

function digestOf(text: string): string {
  if (/^(?:sha256:)?[0-9a-f]{64}$/i.test(text)) return text.includes(':') ? text : `sha256:${text}`;
  if (/^(?:sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/i.test(text)) return text;
  throw new CommandError('USAGE', '--digest is no digest in hexadecimal', {
    hint: 'For example --digest sha256:$(sha256sum FILE | cut -d" " -f1)',
  });
}

async function fingerprintOf(path: string): Promise<string> {
  const [block] = decodePem(await readInput(path, '--certificate'));
  if (block?.label === 'CERTIFICATE') return toHex(sha256(block.bytes));
  throw new CommandError('FAILED', '--certificate holds no certificate in PEM');
}

/** An entry, for machines. */
export const factsOf = (entry: FoundArtifact): Readonly<Record<string, unknown>> => ({
  api: `v${entry.api}`,
  ...signatureFacts(entry),
});

/** The same in a line. */
export function lineOf(entry: FoundArtifact): string {
  const { api, logIndex, integratedTime } = entry;
  const content = contentOf(entry.body);
  const time = integratedTime === undefined ? '' : rfc3339(integratedTime * 1000);
  const signers = (content?.verifiers ?? [])
    .map(signerFacts)
    .map(({ identities, issuer, certificateSha256, keySha256 = '' }) =>
      certificateSha256 === undefined
        ? `key ${keySha256.slice(0, 16)}…`
        : `${identities.join(', ')} (${issuer ?? 'no issuer'})`,
    );
  const cells = [
    `v${api}`,
    String(logIndex),
    time,
    signers.join('; '),
    (content?.digests ?? ['not readable']).join(' '),
  ];
  return cells.filter((cell) => cell !== '').join('  ');
}
