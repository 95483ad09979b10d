/**
 * Issuers on hosts of a made-up Internet, as many as anybody asks for: one real HTTP server on loopback answers for all
 * of them, and a fetcher leads their names there. Which addresses may be asked is for other tests; here it is written
 * down what was demanded for each document.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { createDocumentFetcher } from '../../oidc/keys/fetch-document.ts';
import type { DocumentFetcher } from '../../oidc/keys/fetch-document.ts';
import { makeIssuerKey } from './oidc-issuer.ts';
import type { IssuerKey } from './oidc-issuer.ts';

/** One document that was asked for. */
export interface AskedDocument {
  readonly url: string;
  readonly publicOnly: boolean | undefined;
  readonly size: number;
}

const DISCOVERY = '/.well-known/openid-configuration';

/** One server for the documents of all of them. */
export class TenantIssuers {
  readonly asked: AskedDocument[] = [];
  /** Connections that the server has seen. */
  connections = 0;
  /** Issuers that answer 404. */
  isAbsent: (issuer: string) => boolean = () => false;
  /** Discovery documents wait for this. */
  until: Promise<unknown> | undefined;
  /** Where an issuer says that its keys are. */
  jwksUri: (issuer: string) => string = (issuer) => `${issuer}/jwks`;
  readonly #key: IssuerKey;
  readonly #server: Server;

  private constructor(key: IssuerKey) {
    this.#key = key;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on('connection', () => this.connections++);
  }

  /** Starts the server. */
  static async start(): Promise<TenantIssuers> {
    const made = new TenantIssuers(await makeIssuerKey());
    await new Promise<void>((resolve) => made.#server.listen(0, '127.0.0.1', resolve));
    return made;
  }

  /** For `createAuthenticator`. */
  readonly createFetcher = (): DocumentFetcher => {
    const real = createDocumentFetcher();
    const { port } = this.#server.address() as AddressInfo;
    return {
      fetch: (url, { publicOnly, ...limits }) => {
        this.asked.push({ url: url.href, publicOnly, size: limits.size });
        return real.fetch(new URL(`http://127.0.0.1:${port}/?${encodeURIComponent(url.href)}`), limits);
      },
      close: () => real.close(),
    };
  };

  /** A token of that issuer; all of them have one key. */
  async sign(
    issuer: string,
    claims: Readonly<Record<string, unknown>> = {},
    key = this.#key,
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const person = { sub: 'sue', email: 'sue@example.com', email_verified: true };
    return new SignJWT({ iss: issuer, aud: 'sigstore', exp: now + 3600, ...person, ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid })
      .sign(key.privateKey);
  }

  /** Stops answering. */
  async close(): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = decodeURIComponent(request.url?.slice(2) ?? '');
    if (!url.endsWith(DISCOVERY)) {
      response.end(JSON.stringify({ keys: [this.#key.publicJwk] }));
      return;
    }
    await this.until;
    const issuer = url.slice(0, -DISCOVERY.length);
    const document = {
      issuer,
      jwks_uri: this.jwksUri(issuer),
      id_token_signing_alg_values_supported: ['ES256'],
    };
    response.writeHead(this.isAbsent(issuer) ? 404 : 200).end(JSON.stringify(document));
  }
}
