/** What a page of a search over several logs costs. */
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { LogSearch } from '../../search/log-search.ts';
import { WithheldSignatures } from '../../search/withheld-signatures.ts';
import { searchableLog, type SearchableEntry, type SearchableLog } from '../../search/searchable-log.ts';
import { LogError } from '../../tlog/core/log-error.ts';

/** Of that key, for all that is searched for. */
const entryOf = (index: number, key: string, valid: Partial<typeof VALID> = {}): SearchableEntry => ({
  entry: { index, leafHash: new Uint8Array(32), body: new Uint8Array(), namedDigests: [] },
  time: undefined,
  facts: () => ({ index }),
  owners: () => [{ key, ...valid }],
  digest: () => `sha256:${index}`,
});

const logOf = (
  values: Pick<SearchableLog, 'name' | 'kind' | 'search'> &
    Partial<Pick<SearchableLog, 'redacted' | 'withheld'>> & { readonly entries: readonly SearchableEntry[] },
): SearchableLog => ({
  origin: values.name,
  logId: new Uint8Array(32),
  size: () => values.entries.length,
  redacted: 0,
  withheld: () => Promise.resolve(new WithheldSignatures([])),
  entriesFrom: (first) => Promise.resolve(values.entries.slice(first)),
  entryAt: (index) => Promise.resolve(values.entries[index]),
  ready: () => Promise.resolve(),
  ...values,
});

interface SearchOfOptions {
  readonly pageMs?: number;
  /** Redacted entries of the log of artifacts. */
  readonly withheld?: readonly Pick<SearchableEntry, 'time' | 'redactedAt'>[];
}

/** When the certificates are valid. */
const VALID = { notBefore: 10_000, notAfter: 20_000 };

/** Certificates of these keys, and a log in which `search` finds what each signed. */
const searchOf = (
  keys: readonly string[],
  search: SearchableLog['search'],
  { pageMs, withheld = [] }: SearchOfOptions = {},
): LogSearch =>
  new LogSearch(
    [
      logOf({
        name: 'certificates',
        kind: 'certificates',
        entries: keys.map((key, index) => entryOf(index, key, VALID)),
        search: () => Promise.reject(new Error('not searched')),
      }),
      logOf({
        name: 'v1',
        kind: 'artifacts',
        entries: [],
        search,
        redacted: withheld.length,
        withheld: () => Promise.resolve(new WithheldSignatures(withheld)),
      }),
    ],
    pageMs,
  );

const QUERY = { conditions: [], match: 'all', logs: ['certificates'], limit: 50, join: true } as const;

describe('search: a page of entries with what they are joined with', () => {
  it('looks up each key once', async () => {
    const asked: string[] = [];
    const keys = Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? 'one' : 'another'));
    const search = searchOf(keys, ({ conditions }) => {
      asked.push(conditions.map(({ value }) => value).join());
      return Promise.resolve({ entries: [entryOf(7, 'one'), entryOf(3, 'one')], before: undefined });
    });
    const { entries, next, cost } = await search.page(QUERY);
    // Fifty certificates, and for each of two keys a lookup and two entries.
    expect(cost).to.equal(50 + 2 * 3);
    expect(next).to.equal(undefined);
    expect(entries.map(({ uses }) => uses)).to.deep.equal(keys.map(() => 2));
    expect(asked).to.deep.equal(['another', 'one']);
  });

  it('says where a redacted entry may be a use that is not counted', async () => {
    const logged = (time: number): { readonly time: number } => ({ time });
    const untimed = (redactedAt?: number): { readonly time: undefined; readonly redactedAt?: number } => ({
      time: undefined,
      ...(redactedAt === undefined ? {} : { redactedAt }),
    });
    const cases = [
      [[], true],
      // Logged before or after the time of the certificate, and at both of its ends.
      [[logged(9_000), logged(21_000)], true],
      [[logged(10_000)], false],
      [[logged(21_000), logged(20_000), logged(9_000)], false],
      // Nothing says when it was logged: redacted before there was the certificate, or later, or nobody knows when.
      [[untimed(9_999)], true],
      [[untimed(9_999), untimed(1_000_000)], false],
      [[untimed()], false],
    ] as const;
    for (const [withheld, areAll] of cases) {
      const search = searchOf(['one'], () => Promise.resolve({ entries: [], before: undefined }), {
        withheld,
      });
      const { entries } = await search.page(QUERY);
      expect(entries[0], JSON.stringify(withheld)).to.include({ uses: 0, usesAreAll: areAll });
      const { searched } = await search.page({ ...QUERY, logs: ['v1'] });
      expect(searched[0]).to.include({ log: 'v1', redacted: withheld.length });
    }
  });

  it('calls no certificate unused where redacted entries cannot be read, and reads them once', async () => {
    let reads = 0;
    const name = { name: 'v1', origin: 'v1', logId: new Uint8Array(32), kind: 'artifacts' } as const;
    const none = { entries: [], before: undefined };
    const log = searchableLog(
      name,
      {
        size: () => 1,
        entriesFrom: () => Promise.resolve([]),
        entryAt: () => Promise.resolve(undefined),
      },
      { ready: () => Promise.resolve(), search: () => Promise.resolve(none) },
      () => entryOf(0, 'one'),
      {
        indexes: new Map([[0, undefined]]),
        read: () => {
          reads++;
          return Promise.reject(new LogError('LOG_CORRUPT', 'redacted.json has another hash for entry 0'));
        },
      },
    );
    const entries = ['one', 'other'].map((key, index) => entryOf(index, key, VALID));
    const certificates = logOf({ name: 'certificates', kind: 'certificates', entries, search: log.search });
    const page = await new LogSearch([certificates, log]).page({ ...QUERY, logs: ['certificates'] });
    expect(page.entries.map(({ uses, usesAreAll }) => [uses, usesAreAll])).to.deep.equal([
      [0, false],
      [0, false],
    ]);
    expect(reads).to.equal(1);
  });

  it('takes redacted entries for those of any certificate only until they can be read again', async () => {
    let isAway = true;
    const name = { name: 'v1', origin: 'v1', logId: new Uint8Array(32), kind: 'artifacts' } as const;
    const log = searchableLog(
      name,
      {
        size: () => 1,
        entriesFrom: () => Promise.resolve([]),
        entryAt: () => Promise.resolve(undefined),
      },
      { ready: () => Promise.resolve(), search: () => Promise.resolve({ entries: [], before: undefined }) },
      () => ({ ...entryOf(0, 'one'), time: 1, redactedAt: 2 }),
      {
        indexes: new Map([[0, undefined]]),
        read: () =>
          isAway
            ? Promise.reject(new LogError('LOG_UNAVAILABLE', 'the database is away'))
            : Promise.resolve([]),
      },
    );
    const [owner] = entryOf(0, 'one', VALID).owners();
    const isAnybodys = async (): Promise<boolean> =>
      owner !== undefined && (await log.withheld()).mayBeOf(owner);
    expect(await isAnybodys()).to.equal(true);
    isAway = false;
    while (await isAnybodys()) await setTimeout(20);
  });

  it('ends by its time with what it has, and loses nothing', async () => {
    const keys = Array.from({ length: 5 }, (_, i) => `key ${i}`);
    const search = searchOf(
      keys,
      async () => {
        await setTimeout(20);
        return { entries: [], before: undefined };
      },
      { pageMs: 1 },
    );
    const seen: unknown[] = [];
    let pages = 0;
    let cursor: { readonly log: string; readonly before: number } | undefined;
    do {
      const { entries, next } = await search.page({ ...QUERY, cursor });
      seen.push(...entries.map(({ index }) => index));
      cursor = next;
      pages++;
      expect(entries).to.have.length(1);
    } while (cursor !== undefined && pages < 10);
    expect(seen).to.deep.equal([4, 3, 2, 1, 0]);
  });
});
