/** What can be read of the log over HTTP, and how long it stays true: one row for each path. */
import type { Request } from 'express';
import type { LogReader } from '../../ct-log/reader.ts';
import { QueryParameters } from './query-parameters.ts';

/** Makes what `log.v3.json` says beyond the identity of the log. */
export type DescribeLog = () => Parameters<LogReader['logV3Json']>[0];

/** How long an answer stays true. */
export type Freshness = 'changing' | 'brief' | 'immutable';

/** What a read returns. */
export interface Answer {
  /** As text, as bytes, or as chunks of bytes that follow one another. */
  readonly body: string | Uint8Array | readonly Uint8Array[];
  readonly contentType: string;
  readonly freshness: Freshness;
}

/** Reads tiles of the log for one request. Rejects with `LogReadError` when it asks for what is not there. */
export type StoreRead = (reader: LogReader, request: Request) => Promise<Answer>;

/** Returns what lies in memory and is small. */
export type MemoryRead = (reader: LogReader, describe: DescribeLog) => Answer;

/** Content type of text. */
export const TEXT = 'text/plain; charset=utf-8';
const BINARY = 'application/octet-stream';

/** An answer in JSON. */
export const json = (value: unknown, freshness: Freshness): Answer => ({
  body: JSON.stringify(value),
  contentType: 'application/json',
  freshness,
});

/** Path → read of what is small and in memory. It costs no more than a refusal, and every follower of the log needs it,
 * so that these reads have no limit. The path also names the endpoint in the metrics. */
export const MEMORY_READS: Readonly<Record<string, MemoryRead>> = {
  '/checkpoint': (reader) => ({ body: reader.checkpoint(), contentType: TEXT, freshness: 'changing' }),
  '/witnessed-checkpoint': (reader) => ({
    body: reader.witnessedCheckpoint(),
    contentType: TEXT,
    freshness: 'changing',
  }),
  '/log.v3.json': (reader, describe) => json(reader.logV3Json(describe()), 'brief'),
  '/ct/v1/get-sth': (reader) => json(reader.getSth(), 'changing'),
  '/ct/v1/get-roots': (reader) => json(reader.getRoots(), 'brief'),
};

/** Path → read that may need tiles, and so counts for the limit of reads. */
export const STORE_READS: Readonly<Record<string, StoreRead>> = {
  '/tile/*path': async (reader, request) => ({
    body: await reader.tile(request.path.slice(1)),
    contentType: BINARY,
    freshness: 'immutable',
  }),
  '/issuer/:fingerprint': async (reader, request) => ({
    body: await reader.chainCertificate(request.path.slice('/issuer/'.length)),
    contentType: 'application/pkix-cert',
    freshness: 'immutable',
  }),
  '/ct/v1/get-sth-consistency': async (reader, request) => {
    const parameters = new QueryParameters(request.url);
    const [first, second] = [parameters.integer('first'), parameters.integer('second')];
    return json(await reader.getSthConsistency(first, second), 'immutable');
  },
  '/ct/v1/get-proof-by-hash': async (reader, request) => {
    const parameters = new QueryParameters(request.url);
    const [hash, size] = [parameters.hash('hash'), parameters.integer('tree_size')];
    return json(await reader.getProofByHash(hash, size), 'immutable');
  },
  '/ct/v1/get-entries': async (reader, request) => {
    const parameters = new QueryParameters(request.url);
    const [start, end] = [parameters.integer('start'), parameters.integer('end')];
    const { entries } = await reader.getEntries(start, end);
    // A short answer grows with the log; a complete one never changes.
    const freshness = entries.length === end - start + 1 ? 'immutable' : 'brief';
    return { body: await entriesJson(entries), contentType: 'application/json', freshness };
  },
  '/ct/v1/get-entry-and-proof': async (reader, request) => {
    const parameters = new QueryParameters(request.url);
    const [index, size] = [parameters.integer('leaf_index'), parameters.integer('tree_size')];
    return json(await reader.getEntryAndProof(index, size), 'immutable');
  },
};

/** Entries written as JSON in one turn of the event loop: a whole answer may be megabytes, and a signing request must not
 * wait for all of it. */
const ENTRIES_PER_TURN = 32;

/** `{"entries":[…]}` in chunks. */
async function entriesJson(entries: readonly unknown[]): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < entries.length; at += ENTRIES_PER_TURN) {
    const some = JSON.stringify(entries.slice(at, at + ENTRIES_PER_TURN)).slice(1, -1);
    chunks.push(Buffer.from(at === 0 ? `{"entries":[${some}` : `,${some}`));
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
  chunks.push(Buffer.from(chunks.length === 0 ? '{"entries":[]}' : ']}'));
  return chunks;
}

/** For people who open the log's URL: the paths below it, with their parameters. */
export const DIRECTORY: Answer = {
  body: [
    'A transparency log (c2sp.org/static-ct-api, RFC 6962). Below this path can be read:',
    '  checkpoint                                         the signed head of the tree',
    '  witnessed-checkpoint                               the newest one that a quorum of witnesses has cosigned',
    '  tile/<level>/<index>[.p/<width>]                   hashes; tile/data/<index>[.p/<width>] has the entries',
    '  issuer/<sha-256>                                   a CA certificate of the entries',
    '  log.v3.json                                        the log: keys, URLs',
    '  ct/v1/get-sth',
    '  ct/v1/get-sth-consistency?first=&second=',
    '  ct/v1/get-proof-by-hash?hash=&tree_size=',
    '  ct/v1/get-entries?start=&end=',
    '  ct/v1/get-entry-and-proof?leaf_index=&tree_size=',
    '  ct/v1/get-roots',
    '',
  ].join('\n'),
  contentType: TEXT,
  freshness: 'brief',
};
