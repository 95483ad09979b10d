import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { toHex, utf8 } from '../../core/bytes.ts';
import type { SearchCondition, SearchedEntry } from '../../search/search-keys.ts';
import { MAX_WAITERS, SearchIndex, type SearchQuery, type SearchTimes } from '../../search/search-index.ts';
import { MAX_CERTIFICATE_NAMES } from '../../core/certificate-names.ts';
import { GROUP } from '../../search/search-tables.ts';
import { LogReadError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { failureAs } from '../support/failure.ts';
import { email, hashedrekord, namedCertificate, uri } from './support/bodies.ts';

const LOG_ID = new Uint8Array(32).fill(1);

/** Milliseconds for which this thread stands still. */
const pause = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

describe('search/search-index', function () {
  this.timeout(60_000);
  let root: string;
  let entries: SearchedEntry[];
  const open: SearchIndex<SearchedEntry>[] = [];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-search-'));
    entries = [];
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((index) => index.close()));
    rmSync(root, { recursive: true });
  });

  const path = (): string => join(root, 'search.db');
  const log = (body: Uint8Array, namedDigests: readonly string[] = []): number =>
    entries.push({ index: entries.length, leafHash: sha256(body), body, namedDigests }) - 1;
  /** Bodies that cost nothing to read: the index finds them by their named digests alone. */
  const fill = (count: number): void => {
    for (let i = 0; i < count; i++)
      log(utf8(String(entries.length)), ['sha256:every', `sha256:${entries.length}`]);
  };
  const setDigests = (at: number, namedDigests: readonly string[] = []): void => {
    const entry = entries[at];
    if (entry !== undefined) entries[at] = { ...entry, namedDigests };
  };
  const index = (logId = LOG_ID, times?: SearchTimes): SearchIndex<SearchedEntry> => {
    const made = new SearchIndex<SearchedEntry>(
      { path: path(), logId, kind: 'artifacts' },
      {
        size: () => entries.length,
        entriesFrom: (first) => Promise.resolve(entries.slice(first, (Math.floor(first / 256) + 1) * 256)),
        entryAt: (at) => Promise.resolve(entries[at]),
      },
      times,
    );
    open.push(made);
    return made;
  };
  const query = (conditions: readonly SearchCondition[], more: Partial<SearchQuery> = {}): SearchQuery => ({
    conditions,
    match: 'all',
    limit: 1000,
    ...more,
  });
  const found = async (
    searched: SearchIndex<SearchedEntry>,
    conditions: readonly SearchCondition[],
    more: Partial<SearchQuery> = {},
  ): Promise<number[]> => (await searched.search(query(conditions, more))).entries.map(({ index: at }) => at);
  const digest = (value: string): SearchCondition => ({ by: 'digest', value });

  it('finds an entry as soon as it is in the log, and the newest first', async () => {
    const searched = index();
    expect(await found(searched, [digest('sha256:every')])).to.deep.equal([]);
    fill(3);
    expect(await found(searched, [digest('sha256:every')])).to.deep.equal([2, 1, 0]);
    fill(1);
    expect(await found(searched, [digest('SHA256:3')])).to.deep.equal([3]);
    expect(await found(searched, [digest('sha256:4')])).to.deep.equal([]);
    expect(await found(searched, [])).to.deep.equal([]);
  });

  it('joins conditions with "all" and with "any"', async () => {
    fill(4);
    const searched = index();
    const both = [digest('sha256:every'), digest('sha256:2')];
    expect(await found(searched, both)).to.deep.equal([2]);
    expect(await found(searched, [digest('sha256:1'), digest('sha256:2')])).to.deep.equal([]);
    expect(await found(searched, [digest('sha256:1'), digest('sha256:2')], { match: 'any' })).to.deep.equal([
      2, 1,
    ]);
  });

  it('goes through a log of several groups in pages, of which none is lost or twice', async () => {
    fill(GROUP + 700);
    const searched = index();
    const seen: number[] = [];
    let before: number | undefined;
    do {
      const page = await searched.search(query([digest('sha256:every')], { limit: 450, before }));
      seen.push(...page.entries.map(({ index: at }) => at));
      before = page.before;
    } while (before !== undefined);
    expect(seen).to.deep.equal(entries.map(({ index: at }) => at).reverse());
    expect(await found(searched, [digest('sha256:5'), digest('sha256:every')])).to.deep.equal([5]);
  });

  it('finds names of every kind, whole and by their beginnings, issuers, keys and numbers', async () => {
    const { der, pem, spki, serial } = namedCertificate();
    const { body, digest: artifact } = hashedrekord(pem);
    fill(1);
    log(body);
    const searched = index();
    const hex = (bytes: Uint8Array): string => toHex(sha256(bytes));
    const hits: SearchCondition[] = [
      { by: 'digest', value: artifact },
      { by: 'digest', value: `sha256:${hex(utf8(pem))}` },
      { by: 'pem', value: hex(utf8(pem)) },
      { by: 'certificate', value: hex(der) },
      { by: 'key', value: hex(spki) },
      { by: 'serial', value: `00:${serial}` },
      { by: 'issuer', value: 'https://issuer.example' },
      { by: 'name', value: 'Alice@Example.org' },
      { by: 'name', value: 'spiffe://example.org/ns/ci' },
      { by: 'name', value: 'build.example.org' },
      { by: 'name', value: '192.0.2.7' },
      { by: 'name', value: '2001:db8::1' },
      { by: 'name', value: 'carol!example.org' },
      { by: 'name-prefix', value: 'alice@' },
      { by: 'name-prefix', value: 'spiffe://example.org/' },
      { by: 'name-prefix', value: 'spiffe://example.org/ns/ci' },
    ];
    for (const condition of hits)
      expect(await found(searched, [condition]), condition.value).to.deep.equal([1]);
    const misses: SearchCondition[] = [
      { by: 'name', value: 'alice@example' },
      { by: 'name-prefix', value: 'bob' },
      { by: 'issuer', value: 'https://issuer' },
      { by: 'pem', value: artifact },
      { by: 'digest', value: 'alice@example.org' },
    ];
    for (const condition of misses)
      expect(await found(searched, [condition]), condition.value).to.deep.equal([]);
  });

  it('finds names that hold a zero byte, or are longer than what is kept of them', async () => {
    const long = `${'x'.repeat(511)}ü`;
    for (const name of [
      `https://a.example/${long}1`,
      `https://a.example/${long}2`,
      'https://b.example/\0zero',
    ])
      log(hashedrekord(namedCertificate([uri(name)]).pem).body);
    await found(index(), [digest('sha256:1')]);
    await open.splice(0)[0]?.close();
    const searched = index();
    expect(await found(searched, [{ by: 'name-prefix', value: `https://a.example/${long}` }])).to.deep.equal([
      1, 0,
    ]);
    expect(await found(searched, [{ by: 'name', value: `https://a.example/${long}2` }])).to.deep.equal([1]);
    expect(await found(searched, [{ by: 'name-prefix', value: 'https://b.example/\0' }])).to.deep.equal([2]);
    expect(searched.failure).to.equal(undefined);
  });

  it('reads of a certificate with very many names the first ones, in the log and in the index', async () => {
    const names = Array.from({ length: 1000 }, (_, i) => email(`${i}@example.org`));
    log(hashedrekord(namedCertificate(names).pem).body);
    const searched = index();
    const last = MAX_CERTIFICATE_NAMES - 1;
    expect(await found(searched, [{ by: 'name', value: `${last}@example.org` }])).to.deep.equal([0]);
    expect(await found(searched, [{ by: 'name', value: `${last + 1}@example.org` }])).to.deep.equal([]);
    expect(await found(searched, [{ by: 'issuer', value: 'https://issuer.example' }])).to.deep.equal([0]);
  });

  it('lets a bounded number of searches wait for it', async () => {
    fill(1);
    const made = new SearchIndex<SearchedEntry>(
      { path: path(), logId: LOG_ID, kind: 'artifacts' },
      {
        size: () => 1,
        entriesFrom: () => new Promise(() => undefined),
        entryAt: () => Promise.resolve(undefined),
      },
    );
    const waiting = Array.from({ length: MAX_WAITERS }, () => failureAs(LogReadError, made.ready()));
    const refused = await failureAs(LogReadError, made.ready());
    expect([refused.code, refused.message]).to.deep.equal([
      'NOT_READY',
      'the search index is being made: too many searches wait for it already',
    ]);
    // What it asked the log for never comes: so its end is not waited for.
    void made.close();
    for (const { message } of await Promise.all(waiting)) expect(message).to.include('the log is closed');
  });

  it('keeps what it has over a restart, and goes on from there', async () => {
    fill(600);
    await found(index(), [digest('sha256:1')]);
    await open.splice(0)[0]?.close();
    // What the log says of entries that are indexed is not asked for again.
    for (let at = 0; at < 599; at++) setDigests(at);
    fill(1);
    const searched = index();
    expect(await found(searched, [digest('sha256:600')])).to.deep.equal([600]);
    expect(searched.covered).to.equal(601);
    expect(await found(searched, [digest('sha256:7')])).to.deep.equal([]);
  });

  it('is whole after it was stopped in the middle of a batch, again and again', async () => {
    fill(2_000);
    for (const least of [1, 500, 1_000]) {
      const stopped = index();
      while (stopped.covered < least)
        await new Promise<void>((resolve) => {
          setImmediate(resolve);
        });
      await open.splice(0)[0]?.close();
    }
    const all = await found(index(), [digest('sha256:every')], { limit: 5_000 });
    expect(all).to.deep.equal(entries.map(({ index: at }) => at).reverse());
  });

  it('trusts no hit that the log does not confirm', async () => {
    fill(2);
    const searched = index();
    expect(await found(searched, [digest('sha256:1')])).to.deep.equal([1]);
    setDigests(1, ['sha256:other']);
    expect(await found(searched, [digest('sha256:1')])).to.deep.equal([]);
  });

  const rebuilt: readonly (readonly [string, () => void])[] = [
    [
      'is missing',
      () => {
        rmSync(path());
      },
    ],
    [
      'is no database',
      () => {
        writeFileSync(path(), 'no database at all, whatever its name may say');
      },
    ],
    [
      'is cut off',
      () => {
        writeFileSync(path(), readFileSync(path()).subarray(0, 8192));
      },
    ],
    [
      'lacks a row',
      () => {
        change('DELETE FROM term WHERE place = 2');
      },
    ],
    [
      'has a row with another place',
      () => {
        change('UPDATE term SET place = 77 WHERE place = 2');
      },
    ],
    [
      'has a name with another letter',
      () => {
        change("UPDATE name SET text = x'61' WHERE text = CAST('alice@example.org' AS BLOB)");
      },
    ],
    [
      'is ahead of the log',
      () => {
        change('UPDATE mark SET covered = 500');
      },
    ],
    [
      'says of its last entry what the log does not',
      () => {
        change("UPDATE mark SET last_leaf = x'00'");
      },
    ],
    [
      'runs a statement of somebody else where a row is written',
      () => {
        change(
          'CREATE TRIGGER more AFTER INSERT ON term BEGIN DELETE FROM term WHERE place < NEW.place; END',
        );
        change('UPDATE mark SET covered = 0; DELETE FROM term; DELETE FROM name; DELETE FROM part');
      },
    ],
    [
      'has a view in the place of a table',
      () => {
        change('ALTER TABLE term RENAME TO old; CREATE VIEW term AS SELECT * FROM old WHERE place <> 2');
      },
    ],
    [
      'says that a group has more rows than there is room for',
      () => {
        change('UPDATE part SET terms = 900000000000');
      },
    ],
    [
      'has pages that lead to each other without end',
      () => {
        spreadTerms();
      },
    ],
    [
      'is of another version',
      () => {
        change('PRAGMA user_version = 99');
      },
    ],
  ];
  const change = (sql: string): void => {
    const db = new DatabaseSync(path());
    db.exec(sql);
    db.close();
  };
  /** Puts eight pages between the root of the terms and its rows: each leads to the next one as often as there is room, with a row between. */
  const spreadTerms = (): void => {
    const db = new DatabaseSync(path());
    const root = Number(
      db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'term'").get()?.['rootpage'],
    );
    db.close();
    const [file, size, depth] = [readFileSync(path()), 4096, 8];
    const [start, count] = [(root - 1) * size, file.length / size];
    const leaf = Buffer.from(file.subarray(start, start + size));
    // https://www.sqlite.org/fileformat2.html, 1.6: of a row its length, which is short, and what it holds.
    const at = leaf.readUInt16BE(8);
    const row = leaf.subarray(at, at + 1 + (leaf[at] ?? 0));
    const pages = Array.from({ length: depth }, (_, i) => leading(count + i + 1, row, size));
    leading(count + depth, row, size).copy(file, start);
    // Each leads to the one before it, and the first one to the rows.
    pages.unshift(leaf);
    file.writeUInt32BE(count + pages.length, 28);
    writeFileSync(path(), Buffer.concat([file, ...pages]));
  };
  const leading = (child: number, row: Buffer, size: number): Buffer => {
    const page = Buffer.alloc(size);
    const count = Math.floor((size - 100) / (row.length + 6));
    const start = size - count * (row.length + 4);
    page[0] = 2;
    page.writeUInt16BE(count, 3);
    page.writeUInt16BE(start, 5);
    page.writeUInt32BE(child, 8);
    for (let i = 0; i < count; i++) {
      const cell = start + i * (row.length + 4);
      page.writeUInt16BE(cell, 12 + 2 * i);
      page.writeUInt32BE(child, cell);
      row.copy(page, cell + 4);
    }
    return page;
  };
  for (const [what, damage] of rebuilt)
    it(`is made anew when the file ${what}`, async () => {
      fill(3);
      log(hashedrekord(namedCertificate().pem).body);
      await found(index(), [digest('sha256:1')]);
      await open.splice(0)[0]?.close();
      damage();
      const searched = index();
      expect(await found(searched, [digest('sha256:2')])).to.deep.equal([2]);
      expect(await found(searched, [{ by: 'name-prefix', value: 'alice' }])).to.deep.equal([3]);
    });

  it('looks at a group when it is used, so that a start and a page of the newest do not read the whole file', async () => {
    fill(2 * GROUP + 10);
    await found(index(), [digest('sha256:1')]);
    await open.splice(0)[0]?.close();
    change('DELETE FROM term WHERE grp = 0 AND place = 2');
    const searched = index();
    expect(await found(searched, [digest('sha256:every')], { limit: 10 })).to.have.lengthOf(10);
    const asIs = new DatabaseSync(path(), { readOnly: true });
    // The file would be another one by now, and have that row.
    expect(asIs.prepare('SELECT 1 FROM term WHERE grp = 0 AND place = 2').all()).to.deep.equal([]);
    asIs.close();
    expect(await found(searched, [digest('sha256:2')])).to.deep.equal([2]);
  });

  it('is not written through a link, and follows no journal of somebody else', async () => {
    fill(3);
    const other = join(root, 'other.db');
    const theirs = new DatabaseSync(other);
    theirs.exec('CREATE TABLE precious (a)');
    theirs.close();
    const before = readFileSync(other);
    symlinkSync(other, path());
    writeFileSync(`${path()}-journal`, Buffer.alloc(600, 1));
    expect(await found(index(), [digest('sha256:2')])).to.deep.equal([2]);
    expect(readFileSync(other).equals(before)).to.equal(true);
    expect(lstatSync(path()).isFile()).to.equal(true);
    expect(existsSync(`${path()}-journal`)).to.equal(false);
  });

  it('is made anew for another log in the same place', async () => {
    fill(3);
    await found(index(), [digest('sha256:1')]);
    await open.splice(0)[0]?.close();
    entries = [];
    fill(4);
    setDigests(1, ['sha256:theirs']);
    expect(await found(index(new Uint8Array(32).fill(2)), [digest('sha256:theirs')])).to.deep.equal([1]);
  });

  it('refuses a search that would have to wait too long, and says how far it is', async () => {
    fill(3);
    const searched = new SearchIndex<SearchedEntry>(
      { path: path(), logId: LOG_ID, kind: 'artifacts' },
      {
        size: () => 3,
        entriesFrom: () => new Promise(() => undefined),
        entryAt: (at) => Promise.resolve(entries[at]),
      },
      { waitMs: 20, searchMs: 20 },
    );
    open.push(searched);
    const error = await failureAs(LogReadError, searched.search(query([digest('sha256:1')])));
    expect(error.code).to.equal('NOT_READY');
    expect(error.message).to.match(/0 of 3 entries/);
  });

  it('goes on by itself after the log could not be read', async () => {
    fill(3);
    let isBroken = true;
    const searched = new SearchIndex<SearchedEntry>(
      { path: path(), logId: LOG_ID, kind: 'artifacts' },
      {
        size: () => entries.length,
        entriesFrom: (first) =>
          isBroken ? Promise.reject(new Error('the disk is gone')) : Promise.resolve(entries.slice(first)),
        entryAt: (at) => Promise.resolve(entries[at]),
      },
    );
    open.push(searched);
    const error = await failureAs(LogReadError, searched.search(query([digest('sha256:1')])));
    // What is wrong may name files: the client is not shown it.
    expect(error.message).to.equal('the search index cannot be made at the moment');
    expect(error.cause).to.have.property('message', 'the disk is gone');
    expect(searched.failure).to.equal('the disk is gone');
    isBroken = false;
    expect(await found(searched, [digest('sha256:1')])).to.deep.equal([1]);
    expect(searched.failure).to.equal(undefined);
  });

  it('waits for nothing once it is closed, also where its thread answered just before', async () => {
    fill(2 * 256);
    const added: number[] = [];
    const made = new SearchIndex<SearchedEntry>(
      { path: path(), logId: LOG_ID, kind: 'artifacts' },
      {
        size: () => entries.length,
        entriesFrom: (first) => {
          added.push(first);
          return Promise.resolve(entries.slice(first, first + 256));
        },
        entryAt: (at) => Promise.resolve(entries[at]),
      },
    );
    open.push(made);
    while (added.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const db = new DatabaseSync(path(), { readOnly: true });
    const covered = db.prepare('SELECT covered FROM mark');
    // This thread hears nothing meanwhile.
    while (covered.get()?.['covered'] !== 256) pause(5);
    db.close();
    pause(50);
    const own = globalThis.setTimeout;
    const rests: unknown[] = [];
    globalThis.setTimeout = ((...words: Parameters<typeof setTimeout>) => {
      rests.push(words[1]);
      return own(...words);
    }) as typeof setTimeout;
    try {
      await made.close();
    } finally {
      globalThis.setTimeout = own;
    }
    expect(rests).to.deep.equal([]);
  });

  it('leaves nothing running when it is closed in the middle', async () => {
    fill(5_000);
    const searched = index();
    const search = failureAs(LogReadError, searched.search(query([digest('sha256:1')])));
    await searched.close();
    expect((await search).code).to.equal('NOT_READY');
    expect(existsSync(root)).to.equal(true);
  });
});
