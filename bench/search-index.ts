/**
 * What a search of an artifact log costs. Entries about certificates, each of which has a name of its own, are indexed, and then searched for; the log itself lies in memory, so that
 * the figures are those of the index.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { utf8 } from '../core/bytes.ts';
import type { SearchCondition, SearchedEntry } from '../search/search-keys.ts';
import { SearchIndex } from '../search/search-index.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { email, hashedrekord, namedCertificate, uri } from '../test/search/support/bodies.ts';
import { workFolder } from './work-folder.ts';

/** Searches of one kind. Milliseconds. */
interface SearchRow {
  readonly search: string;
  readonly p50: number;
  readonly p99: number;
  /** On average. */
  readonly hits: number;
}

/** What was measured. */
export interface SearchResults {
  readonly entries: number;
  readonly secondsToIndex: number;
  readonly mebibytes: number;
  readonly rows: readonly SearchRow[];
}

/** Searches of each kind. */
const SEARCHES = 200;

/** Hits of one page. */
const PAGE = 20;

interface SearchPlan {
  readonly search: string;
  readonly conditionOf: (i: number, random: () => number) => SearchCondition;
}

const PLANS: readonly SearchPlan[] = [
  {
    search: 'digest, one hit',
    conditionOf: (_, random) => ({ by: 'digest', value: `sha256:subject-${random()}` }),
  },
  {
    search: 'digest, no hit',
    conditionOf: (_, random) => ({ by: 'digest', value: `sha256:none-${random()}` }),
  },
  {
    search: 'name, one page of thousands',
    conditionOf: (i) => ({ by: 'name', value: `person-${i % 100}@example.org` }),
  },
  {
    search: 'name-prefix, some hundred hits',
    conditionOf: (i) => ({
      by: 'name-prefix',
      value: `https://git.example.org/team/repo-${100 + (i % 900)}/`,
    }),
  },
  {
    search: 'name-prefix, nearly every entry',
    conditionOf: () => ({ by: 'name-prefix', value: 'https://git' }),
  },
  {
    search: 'name-prefix, no hit',
    conditionOf: () => ({ by: 'name-prefix', value: 'https://nowhere' }),
  },
  {
    search: 'issuer, every entry',
    conditionOf: () => ({ by: 'issuer', value: 'https://issuer.example' }),
  },
];

/** Every tenth entry is by a person of a hundred, the others by jobs of 1,000 repositories, each with a name of its own. */
function entry(index: number): SearchedEntry {
  const name =
    index % 10 === 0
      ? email(`person-${(index / 10) % 100}@example.org`)
      : uri(`https://git.example.org/team/repo-${index % 1000}/ci.yml@refs/tags/v${index}`);
  const { body } = hashedrekord(namedCertificate([name]).pem);
  return { index, leafHash: sha256(utf8(`leaf ${index}`)), body, namedDigests: [`sha256:subject-${index}`] };
}

/** Indexes so many entries and searches for them. */
export async function measureSearch(entries: number, log: (text: string) => void): Promise<SearchResults> {
  log(`indexing ${entries} entries of a log of artifacts …`);
  const path = join(workFolder('search'), 'search.db');
  const index = new SearchIndex<SearchedEntry>(
    { path, logId: new Uint8Array(32), kind: 'artifacts' },
    {
      size: () => entries,
      entriesFrom: (first) =>
        Promise.resolve(Array.from({ length: Math.min(256, entries - first) }, (_, i) => entry(first + i))),
      entryAt: (at) => Promise.resolve(entry(at)),
    },
    { waitMs: 3_600_000, searchMs: 2_000 },
  );
  try {
    const start = performance.now();
    await index.search({ conditions: [{ by: 'digest', value: 'none' }], match: 'all', limit: 1 });
    const secondsToIndex = Math.round((performance.now() - start) / 1000);
    const rows: SearchRow[] = [];
    for (const plan of PLANS) rows.push(await rowOf(index, plan, entries));
    return { entries, secondsToIndex, mebibytes: Math.round(statSync(path).size / 2 ** 20), rows };
  } finally {
    await index.close();
  }
}

async function rowOf(
  index: SearchIndex<SearchedEntry>,
  { search, conditionOf }: SearchPlan,
  entries: number,
): Promise<SearchRow> {
  const random = (): number => Math.floor(Math.random() * entries);
  const times: number[] = [];
  let hits = 0;
  for (let i = 0; i < SEARCHES; i++) {
    const conditions = [conditionOf(i, random)];
    const start = performance.now();
    const page = await index.search({ conditions, match: 'all', limit: PAGE });
    times.push(performance.now() - start);
    hits += page.entries.length;
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    Number((times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(2));
  return { search, p50: at(0.5), p99: at(0.99), hits: Number((hits / SEARCHES).toFixed(1)) };
}

/** Prints what was measured. */
export function printSearch({ entries, secondsToIndex, mebibytes, rows }: SearchResults): void {
  console.log(`${entries} entries of a log of artifacts indexed in ${secondsToIndex} s, ${mebibytes} MiB`);
  console.table(rows.map(({ search, p50, p99, hits }) => ({ search, 'p50 ms': p50, 'p99 ms': p99, hits })));
}
