/** The operator's listener: Prometheus text on every path, as Fulcio's, and the detail of readiness on `/readyz`. It
 * belongs on an address that only the operator reaches. */
import type { RequestListener } from 'node:http';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';
import type { AcceptHost } from './service-values.ts';

/** The handler of the metrics listener; with `acceptHost`, for those names only. */
export function createMetricsHandler(
  metrics: Metrics,
  readiness: () => Promise<Readiness>,
  acceptHost: AcceptHost = () => true,
): RequestListener {
  const answer = async (
    path: string,
  ): Promise<readonly [status: number, contentType: string, body: string]> => {
    if (path !== '/readyz') return [200, metrics.contentType, await metrics.text()];
    const state = await readiness();
    return [state.ready ? 200 : 503, 'application/json', `${JSON.stringify(state, null, 2)}\n`];
  };
  return (request, response) => {
    if (!acceptHost(request.headers.host)) {
      response.writeHead(403, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.end('this listener does not answer to that host name\n');
      return;
    }
    const [path = '/'] = (request.url ?? '/').split('?', 1);
    answer(path).then(
      ([status, contentType, body]) => {
        response.writeHead(status, {
          'Content-Type': contentType,
          'Content-Length': Buffer.byteLength(body),
        });
        response.end(body);
      },
      () => {
        response.writeHead(500).end();
      },
    );
  };
}
