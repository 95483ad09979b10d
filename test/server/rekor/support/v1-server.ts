/** Rekor's first API over a log of its own, which takes every entry. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ArtifactLog, LoggedEntry } from '../../../../rekor/artifact-log.ts';
import { readV1Request } from '../../../../rekor/entries/v1-request.ts';
import type { SearchIndex, SearchQuery } from '../../../../search/search-index.ts';
import { UnsentResponseLimit } from '../../../../server/http/unsent-response-limit.ts';
import { createAccessCheck, type LogAccessRule } from '../../../../server/log/log-access.ts';
import { ReadLimiter } from '../../../../server/log/read-limiter.ts';
import { ArtifactShards, type ArtifactShard } from '../../../../server/rekor/v1/artifact-shards.ts';
import {
  V1Endpoint,
  type V1Additions,
  type V1EndpointOptions,
} from '../../../../server/rekor/v1/v1-endpoint.ts';
import { V1Reads } from '../../../../server/rekor/v1/v1-reads.ts';
import { openArtifactSearch } from '../../../../service/open-searches.ts';
import { rekorLog, type RekorLog } from '../../../rekor/support/rekor-log.ts';

/** How a server is started. */
interface V1ServerOptions extends Partial<Pick<V1EndpointOptions, 'refusesDuplicates' | 'readLimit'>> {
  readonly add?: V1Additions['add'];
  /** A log that is there already. */
  readonly made?: RekorLog;
  readonly access?: LogAccessRule;
  /** What the search of the tree does otherwise. */
  readonly search?: Partial<ArtifactShard['search']>;
  /** Entries of a tree before this one, and how many its own has. */
  readonly earlier?: number;
}

/** A server, with the log that it serves. */
export interface V1Server {
  readonly url: string;
  readonly log: ArtifactLog;
  readonly made: RekorLog;
  readonly shards: ArtifactShards;
  /** Template, method and status of each answer. */
  readonly answers: readonly string[];
  readonly faults: readonly unknown[];
  /** Why requests were refused before they were read. */
  readonly refusals: readonly unknown[];
  stop(): Promise<void>;
}

async function shardOf(made: RekorLog): Promise<{ shard: ArtifactShard; index: SearchIndex<LoggedEntry> }> {
  const log = await made.open();
  const index = openArtifactSearch(log, made.directory);
  return { shard: { log, search: index }, index };
}

/** Starts one. */
export async function startV1Server(options: V1ServerOptions = {}): Promise<V1Server> {
  const { access = { kind: 'public' }, refusesDuplicates = false, earlier, add } = options;
  const before = earlier === undefined ? undefined : await rekorLog(1);
  const made = options.made ?? (await rekorLog(1, earlier));
  const active = await shardOf(made);
  const older = before && (await shardOf(before));
  const { index } = active;
  const search = {
    ready: () => index.ready(),
    search: (query: SearchQuery) => index.search(query),
    ...options.search,
  };
  const shards = new ArtifactShards({ ...active.shard, search }, older === undefined ? [] : [older.shard]);
  const { log } = active.shard;
  const answers: string[] = [];
  const faults: unknown[] = [];
  const refusals: unknown[] = [];
  const endpoint = new V1Endpoint({
    reads: new V1Reads(shards),
    additions: {
      add: add ?? (async (bytes) => ({ ...(await log.add(await readV1Request(bytes))), log })),
      refuse: (error) => refusals.push(error),
    },
    refusesDuplicates,
    accepted: () => 0,
    clientAddress: ({ socket }) => socket.remoteAddress ?? '',
    access: createAccessCheck(access, ({ socket }) => socket.remoteAddress ?? ''),
    limiter: new ReadLimiter({ concurrency: 4 }),
    readLimit: options.readLimit,
    unsent: new UnsentResponseLimit(),
    context: { answered: () => undefined, isClosing: () => false },
    onAnswer: (template, method, status) => answers.push(`${method} ${template} ${status}`),
    onFault: (_, error) => faults.push(error),
  });
  const server: Server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/\?.*/, '').replace(/^\/+/, '/');
    if (endpoint.isAt(path)) endpoint.answer(request, response, path);
    else response.writeHead(418).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    made,
    shards,
    answers,
    faults,
    refusals,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all([active.index.close(), older?.index.close()]);
      await Promise.all([made.remove(), before?.remove()]);
    },
  };
}
