/** The loopback port to which the issuer sends the browser back (RFC 8252 §7.3). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CommandError } from '../program/command.ts';

/** Waits for one answer of an issuer. */
interface LoginCallback {
  /** Where the issuer sends the browser: `http://localhost:PORT/auth/callback`. */
  readonly redirectUri: string;
  /** The URL that the browser came back with: the first one whose `state` is `state`. Rejects with
   * {@link CommandError} after `timeoutMs`. */
  wait(state: string, timeoutMs: number): Promise<URL>;
  close(): Promise<void>;
}

const PATH = '/auth/callback';

/** Opens the port. `localhost`, not the address: that is what issuers have on their lists for signing clients. */
export async function openLoginCallback(): Promise<LoginCallback> {
  const server = createServer({ requestTimeout: 10_000 });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, 'localhost', resolve);
  });
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  return {
    redirectUri: origin + PATH,
    wait: (state, timeoutMs) => firstAnswer(server, origin, state, timeoutMs),
    close: () => closed(server),
  };
}

function firstAnswer(server: Server, origin: string, state: string, timeoutMs: number): Promise<URL> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new CommandError('FAILED', 'nobody logged in in time', { hint: 'Run the command again.' }));
    }, timeoutMs);
    server.on('request', (req: IncomingMessage, res: ServerResponse) => {
      const url = URL.parse(req.url ?? '', origin);
      const isOurs = url?.pathname === PATH && url.searchParams.get('state') === state;
      if (!isOurs) {
        page(res, 404, 'This is not the login that the program waits for.');
        return;
      }
      clearTimeout(timer);
      const failed = url.searchParams.has('error');
      page(
        res,
        200,
        failed
          ? 'The login did not work; the program says why.'
          : 'You are logged in. You can close this page.',
      );
      resolve(url);
    });
  });
}

function page(res: ServerResponse, status: number, text: string): void {
  const body =
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>mayfly</title></head>' +
    `<body><main><p>${text}</p></main></body></html>\n`;
  res.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    connection: 'close',
  });
  res.end(body);
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeIdleConnections();
  });
}
