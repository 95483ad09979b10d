/** A server in front of a service, which passes on what is asked, and answers otherwise where a test says so. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An answer. */
export interface FrontAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** It is to be closed. */
export interface FrontServer {
  readonly url: string;
  close(): void;
}

/** Starts one before the service at `target`, which may change meanwhile. Every answer is the one that `change` makes of the service's own. */
export async function startFront(
  target: () => string,
  change: (path: string, own: FrontAnswer) => FrontAnswer,
): Promise<FrontServer> {
  const server = createServer((request, response) => {
    const { method = 'GET', url: path = '/', headers } = request;
    void (async () => {
      const body = Buffer.concat(await request.toArray());
      const type = headers['content-type'];
      const answer = await fetch(target() + path, {
        method,
        ...(type === undefined ? {} : { headers: { 'content-type': type } }),
        ...(method === 'POST' ? { body } : {}),
      });
      const own = { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
      const { status, headers: sent = {}, body: bytes } = change(path, own);
      response.writeHead(status, sent).end(bytes);
    })().catch(() => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
