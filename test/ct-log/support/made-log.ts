/** A log of any size that is made in memory, for readers that are to be given what no log of ours would serve. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { concat, utf8 } from '../../../core/bytes.ts';
import { vector } from '../../../core/tls.ts';
import { logKeysAmong, type CtCheckpointKey } from '../../../ct-log/log-keys.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { checkpointText, encodeCheckpoint } from '../../../tlog/format/checkpoint.ts';
import { hashLeaf } from '../../../tlog/format/merkle.ts';
import { tilePath, tilesOf } from '../../../tlog/format/tile.ts';
import { makeVkey } from '../../../tlog/format/vkey.ts';
import { TreeEdge } from '../../../tlog/tree/tree-edge.ts';

/** A key pair of a log, and what checks with it. */
export interface MadeLogKey {
  readonly origin: string;
  readonly privateKey: KeyObject;
  readonly key: CtCheckpointKey;
}

/** A new Ed25519 key of the log of that origin. */
export function madeLogKey(origin = 'log.example.org'): MadeLogKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const [key] = logKeysAmong([makeVkey(sha256, origin, 'ed25519', raw)]);
  if (key === undefined) throw new TypeError('a key is missing');
  return { origin, privateKey, key };
}

/** The files of a log of tlog-tiles with `size` entries, by their paths: entry `i` is `text(i)`. */
export function madeLog(
  { origin, privateKey, key }: MadeLogKey,
  size: number,
  text: (i: number) => string = (i) => `entry ${i}`,
): Map<string, Uint8Array> {
  const edge = new TreeEdge('entries');
  for (let i = 0; i < size; i++) {
    const leaf = utf8(text(i));
    edge.append(hashLeaf(sha256, leaf), vector(2, leaf));
  }
  const files = new Map<string, Uint8Array>();
  for (const tile of tilesOf(size, 'entries')) {
    const { level, n, width } = tile;
    const bytes =
      typeof level === 'number' ? edge.hashes(level, n, width) : concat(edge.entries(n, width) ?? []);
    files.set(tilePath(tile), bytes ?? new Uint8Array());
  }
  const body = { origin, size, root: edge.root() };
  const signature = sign(null, utf8(checkpointText(body)), privateKey);
  return files.set('checkpoint', encodeCheckpoint(body, [{ name: key.name, keyId: key.keyId, signature }]));
}

/** A server whose answers can be changed while it runs. */
export interface LyingServer {
  readonly url: string;
  /** What is served, by path. */
  files: ReadonlyMap<string, Uint8Array>;
  /** Answers in the place of a file, where it is there. */
  answer: ((path: string) => RequestListener | undefined) | undefined;
  /** Paths that were asked for. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** Serves files at the root of a server of its own. */
export async function lyingServer(files: ReadonlyMap<string, Uint8Array>): Promise<LyingServer> {
  const asked: string[] = [];
  const http = createServer((request, response) => {
    const path = (request.url ?? '/').slice(1);
    asked.push(path);
    const other = server.answer?.(path);
    const bytes = server.files.get(path);
    if (other !== undefined) other(request, response);
    else if (bytes === undefined) response.writeHead(404).end();
    else response.end(bytes);
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server: LyingServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    files,
    answer: undefined,
    asked,
    async close() {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
  return server;
}
