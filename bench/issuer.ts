/** The benchmark's OpenID issuer: discovery and keys over loopback HTTP; tokens are made beforehand by `corpus.ts`. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { IssuerKey } from './corpus.ts';

/** A running issuer. */
export interface BenchIssuer {
  readonly url: string;
  close(): void;
}

/** Starts it on a free port. */
export async function startBenchIssuer(keys: readonly IssuerKey[]): Promise<BenchIssuer> {
  const server = createServer((request, response) => {
    const url = `http://${request.headers.host ?? ''}`;
    const body =
      request.url === '/jwks'
        ? { keys: keys.map((key) => key.jwk) }
        : {
            issuer: url,
            jwks_uri: `${url}/jwks`,
            authorization_endpoint: `${url}/authorize`,
            response_types_supported: ['id_token'],
            subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: keys.map((key) => key.algorithm),
          };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}`, close };
}
