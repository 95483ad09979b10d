/**
 * The process of a proxy that the service trusts: it puts the calls of all its clients on one connection of HTTP/2, and says whose each is. Reads the address of the service as a
 * JSON line on stdin, writes its own as another, and goes on until stdin ends.
 */
import { connect, constants, createServer } from 'node:http2';
import type {
  ClientHttp2Session,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import { connect as connectSocket, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { PROXY_ADDRESS } from './target.ts';

/** What the proxy is to be in front of. */
export interface ProxyOrder {
  readonly grpcUrl: string;
}

/** Where the proxy listens. */
export interface ProxyReady {
  readonly proxyUrl: string;
}

let upstream: ClientHttp2Session | undefined;

/** The one connection; another one only when it is gone, as proxies do. */
function connection(url: string): ClientHttp2Session {
  if (upstream !== undefined && !upstream.closed && !upstream.destroyed) return upstream;
  const { hostname: host, port } = new URL(url);
  upstream = connect(url, {
    createConnection: () => connectSocket({ host, port: Number(port), localAddress: PROXY_ADDRESS }),
  });
  upstream.on('error', () => undefined);
  return upstream;
}

function forward(url: string, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const client = stream.session?.socket.remoteAddress ?? '';
  const call = connection(url).request({ ...headers, 'x-forwarded-for': client });
  let trailers: OutgoingHttpHeaders = {};
  call.on('response', (answer, flags) => {
    if (stream.destroyed) return;
    const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond(answer, isWhole ? { endStream: true } : { waitForTrailers: true });
    if (!isWhole) call.pipe(stream);
  });
  call.on('trailers', (last) => (trailers = last as OutgoingHttpHeaders));
  stream.on('wantTrailers', () => {
    stream.sendTrailers(trailers);
  });
  stream.pipe(call);
  stream
    .on('error', () => undefined)
    .once('close', () => {
      if (!call.closed) call.close(stream.rstCode || constants.NGHTTP2_CANCEL);
    });
  call
    .on('error', () => undefined)
    .once('close', () => {
      if (!stream.closed && call.rstCode !== constants.NGHTTP2_NO_ERROR) stream.close(call.rstCode);
    });
}

const lines = createInterface({ input: process.stdin });
lines.once('line', (line) => {
  const { grpcUrl } = JSON.parse(line) as ProxyOrder;
  const server = createServer();
  server.on('stream', (stream, headers) => {
    forward(grpcUrl, stream, headers);
  });
  server.on('sessionError', () => undefined);
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    const ready: ProxyReady = { proxyUrl: `http://127.0.0.1:${port}` };
    console.log(JSON.stringify(ready));
  });
});
lines.once('close', () => {
  process.exit();
});
