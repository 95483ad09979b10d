/** The operator's listener: Prometheus text on every path, as Fulcio's, and the detail of readiness on `/readyz`. It
 * belongs on an address that only the operator reaches. */
import type { RequestListener } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { workUntilEnded } from '../http/connection-account.ts';
import type { AcceptHost } from '../http/http-listener.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

/** What the handler needs. */
interface MetricsHandlerOptions {
  readonly metrics: Metrics;
  readonly readiness: () => Promise<Readiness>;
  /** By default every name is accepted. */
  readonly acceptHost?: AcceptHost | undefined;
}

/** The handler of the metrics listener. */
export function createMetricsHandler({
  metrics,
  readiness,
  acceptHost = () => true,
}: MetricsHandlerOptions): RequestListener {
  const metricsText = coalesce(() => metrics.text());
  const answer = async (
    path: string,
  ): Promise<readonly [status: number, contentType: string, body: string]> => {
    if (path !== '/readyz') return [200, metrics.contentType, await metricsText()];
    const state = await readiness();
    return [state.ready ? 200 : 503, 'application/json', `${JSON.stringify(state, null, 2)}\n`];
  };
  return ({ headers, socket, url = '/' }, response) => {
    if (socket.destroyed) return;
    workUntilEnded(response);
    if (!acceptHost(headers.host)) {
      response.writeHead(403, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.end('this listener does not answer to that host name\n');
      return;
    }
    const [path = '/'] = url.split('?', 1);
    answer(path).then(
      ([status, contentType, body]) => {
        response.writeHead(status, {
          'Content-Type': contentType,
          'Content-Length': Buffer.byteLength(body),
          'Cache-Control': 'no-store',
        });
        response.end(body);
      },
      () => {
        response.writeHead(500).end();
      },
    );
  };
}

/** How long after one rendering the next may begin, as a multiple of the time that it took. */
const PAUSE = 4;

/** Coalesces calls: those that come before a rendering begins share its text. Renderings run one at a time and take at most
 * a fifth of the time. Rendering the metrics takes milliseconds, and a client that scrapes without end must not take them
 * from signing. */
export function coalesce(make: () => Promise<string>): () => Promise<string> {
  let next: Promise<string> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let pauseEnds = 0;
  const begin = async (): Promise<string> => {
    await last;
    const pause = pauseEnds - performance.now();
    if (pause > 0) await sleep(pause);
    // Later calls need a new rendering: this one does not include what happens from here on.
    next = undefined;
    const began = performance.now();
    const text = make();
    last = text.then(
      () => undefined,
      () => undefined,
    );
    await last;
    const ended = performance.now();
    pauseEnds = ended + PAUSE * (ended - began);
    return text;
  };
  return () => (next ??= begin());
}
