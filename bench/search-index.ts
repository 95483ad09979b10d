/**
 * `node bench/search-index.ts [ENTRIES] [SEARCHES]`: what a search of an artifact log costs. Entries about certificates, each of which has a name of its own, are indexed,
 * and then searched for; the log itself lies in memory, so that the figures are those of the index.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '../core/bytes.ts';
import type { SearchCondition, SearchedEntry } from '../search/search-keys.ts';
import { SearchIndex } from '../search/search-index.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { email, hashedrekord, namedCertificate, uri } from '../test/search/support/bodies.ts';

const [entries = 1_000_000, searches = 200] = process.argv.slice(2).map(Number);

/** Every tenth entry is by a person of a hundred, the others by jobs of 1,000 repositories, each with a name of its own. */
function entry(index: number): SearchedEntry {
  const name =
    index % 10 === 0
      ? email(`person-${(index / 10) % 100}@example.org`)
      : uri(`https://git.example.org/team/repo-${index % 1000}/ci.yml@refs/tags/v${index}`);
  const { body } = hashedrekord(namedCertificate([name]).pem);
  return { index, leafHash: sha256(utf8(`leaf ${index}`)), body, namedDigests: [`sha256:subject-${index}`] };
}

const directory = mkdtempSync(join(tmpdir(), 'mayfly-bench-search-'));
const path = join(directory, 'search.db');
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

async function measure(what: string, conditionOf: (i: number) => SearchCondition, limit = 20): Promise<void> {
  const times: number[] = [];
  let hits = 0;
  for (let i = 0; i < searches; i++) {
    const start = performance.now();
    const page = await index.search({ conditions: [conditionOf(i)], match: 'all', limit });
    times.push(performance.now() - start);
    hits += page.entries.length;
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(2);
  console.log(
    `${what.padEnd(34)} p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  hits ${(hits / searches).toFixed(1)}`,
  );
}

try {
  const start = performance.now();
  await measure('first', () => ({ by: 'digest', value: 'sha256:subject-1' }));
  const seconds = (performance.now() - start) / 1000;
  const megabytes = statSync(path).size / 2 ** 20;
  console.log(
    `indexed ${entries} entries in ${seconds.toFixed(0)} s, ${megabytes.toFixed(0)} MiB, resident ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`,
  );
  const random = (): number => Math.floor(Math.random() * entries);
  await measure('digest, one hit', () => ({ by: 'digest', value: `sha256:subject-${random()}` }));
  await measure('digest, no hit', () => ({ by: 'digest', value: `sha256:none-${random()}` }));
  await measure('name, one page of thousands', (i) => ({
    by: 'name',
    value: `person-${i % 100}@example.org`,
  }));
  await measure('name-prefix, some hundred hits', (i) => ({
    by: 'name-prefix',
    value: `https://git.example.org/team/repo-${100 + (i % 900)}/`,
  }));
  await measure('name-prefix, nearly every entry', () => ({ by: 'name-prefix', value: 'https://git' }));
  await measure('name-prefix, no hit', () => ({ by: 'name-prefix', value: 'https://nowhere' }));
  await measure('issuer, every entry', () => ({ by: 'issuer', value: 'https://issuer.example' }));
} finally {
  await index.close();
  rmSync(directory, { recursive: true });
}
