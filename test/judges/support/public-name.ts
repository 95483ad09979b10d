/** A name of a service on port 80, which only clients behind a proxy reach: for clients that take the whole URL for the name of a log, and of which none may have a port in it then. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The proxy for it. */
export interface PublicName {
  /** The variables that send a client through it. */
  readonly env: Readonly<Record<string, string>>;
  /** From now on, answers of paths that begin so have a bit turned over, in the middle or in the last byte. */
  spoil(path: string, at: 'middle' | 'end'): void;
  stop(): Promise<void>;
}

/** Has the service at that URL answer for every name. */
export async function startPublicName(service: string): Promise<PublicName> {
  let spoilt: { readonly path: string; readonly at: 'middle' | 'end' } | undefined;
  const server = createServer((request, response) => {
    // Whole, as clients write it for a proxy.
    const { pathname, search } = new URL(request.url ?? '', 'http://name');
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      void (async () => {
        const { method = 'GET' } = request;
        const body = parts.length === 0 ? {} : { body: Buffer.concat(parts) };
        const type = request.headers['content-type'];
        const headers = type === undefined ? {} : { 'content-type': type };
        const answer = await fetch(`${service}${pathname}${search}`, { method, headers, ...body });
        const bytes = Buffer.from(await answer.arrayBuffer());
        if (spoilt !== undefined && pathname.startsWith(spoilt.path)) {
          const at = spoilt.at === 'end' ? bytes.length - 1 : bytes.length >> 1;
          bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
        }
        const kind = answer.headers.get('content-type');
        response.writeHead(answer.status, kind === null ? {} : { 'content-type': kind }).end(bytes);
      })();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    env: { HTTP_PROXY: `http://127.0.0.1:${port}` },
    spoil: (path, at) => {
      spoilt = { path, at };
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
