import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { LogReader } from '../../../ct-log/reader.ts';

/** The static files of a log over HTTP, and nothing else; `url` is the log's own, `/log/2026` at `base`. */
export async function serveReader(
  reader: LogReader,
  change: (path: string, bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes,
): Promise<{ base: string; url: string; close(): Promise<void> }> {
  const prefix = '/log/2026/';
  const read = async (path: string): Promise<Uint8Array> => {
    if (path === 'checkpoint') return reader.checkpoint();
    if (path === 'log.v3.json') {
      const about = { url, intendedUse: 'test', software: { name: 'test', version: '0' } } as const;
      return Buffer.from(JSON.stringify(reader.logV3Json(about)));
    }
    if (path.startsWith('issuer/')) return reader.chainCertificate(path.slice('issuer/'.length));
    return reader.tile(path);
  };
  const server = createServer((request, response) => {
    const path = request.url?.startsWith(prefix) === true ? request.url.slice(prefix.length) : 'nowhere';
    read(path).then(
      (bytes) => response.end(change(path, bytes)),
      () => response.writeHead(404).end(),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const url = `${base}/log/2026`;
  return {
    base,
    url,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
