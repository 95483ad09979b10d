/**
 * Issuers that answer whatever they like: a bare TCP server, each of whose paths is an issuer with a mind of its own. It
 * counts what it was asked, what it could send, and the connections that are open.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { makeIssuerKey, type IssuerKey } from '../../support/oidc-issuer.ts';

/** One request that is to be answered. */
export interface Asked {
  readonly socket: Socket;
  /** The URL of the issuer that is asked. */
  readonly issuer: string;
  /** The document as an honest issuer has it. */
  readonly truth: Readonly<Record<string, unknown>>;
}

/** Answers. */
export type Answer = (asked: Asked) => void;

/** A head and a body. */
export function respond(
  socket: Socket,
  status: string,
  headers: readonly string[],
  body: string | Buffer = '',
): void {
  const length = `content-length: ${Buffer.byteLength(body)}`;
  socket.write(`HTTP/1.1 ${status}\r\n${[...headers, length].join('\r\n')}\r\n\r\n`);
  socket.write(body);
}

/** JSON, or text or bytes that stand for it, with these headers; a function is asked for it. */
export const json =
  (value: unknown, ...headers: string[]): Answer =>
  (asked) => {
    const made: unknown = typeof value === 'function' ? (value as (asked: Asked) => unknown)(asked) : value;
    const body = typeof made === 'string' || made instanceof Buffer ? made : JSON.stringify(made);
    respond(asked.socket, '200 OK', ['content-type: application/json', ...headers], body);
  };

/** The truth with some members replaced. */
export const patched = (change: (asked: Asked) => Readonly<Record<string, unknown>>): Answer =>
  json((asked: Asked) => ({ ...asked.truth, ...change(asked) }));

/** These bytes as they are, then `chunk` for as long as anybody listens; every so many milliseconds, or at full speed. */
export const streamed =
  (start: string, chunk: string | Buffer, every?: number): Answer =>
  ({ socket }) => {
    socket.write(start);
    const more = (): void => {
      if (socket.destroyed) return;
      if (every !== undefined) {
        socket.write(chunk);
        setTimeout(more, every);
      } else if (socket.write(chunk)) setImmediate(more);
      else socket.once('drain', more);
    };
    more();
  };

/** A server whose issuers answer as a test chooses. */
export class EvilIssuers {
  /** Paths that were asked. */
  readonly asked: string[] = [];
  /** Bytes that were taken off our hands. */
  sent = 0;
  open = 0;
  mostOpen = 0;
  readonly key: IssuerKey;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answers = new Map<string, Answer>();

  private constructor(key: IssuerKey) {
    this.key = key;
    this.#server = createServer((socket) => {
      this.#accept(socket);
    });
  }

  /** Starts the server. */
  static async start(): Promise<EvilIssuers> {
    const made = new EvilIssuers(await makeIssuerKey());
    await new Promise<void>((resolve) => made.#server.listen(0, '127.0.0.1', resolve));
    return made;
  }

  /** The URL of the issuer of that name. */
  url(name: string): string {
    return `${this.origin}/${name}`;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on the issuer of that name answers so; else it answers honestly. */
  set(
    name: string,
    answers: { readonly discovery?: Answer | undefined; readonly jwks?: Answer | undefined },
  ): void {
    if (answers.discovery !== undefined)
      this.#answers.set(`/${name}/.well-known/openid-configuration`, answers.discovery);
    if (answers.jwks !== undefined) this.#answers.set(`/${name}/jwks`, answers.jwks);
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    let head = '';
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.open--;
      this.sent += socket.bytesWritten;
      this.#sockets.delete(socket);
    });
    socket.on('data', (data: Buffer) => {
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const path = head.split(' ', 2)[1] ?? '';
      head = '';
      this.#answer(socket, path);
    });
  }

  #answer(socket: Socket, path: string): void {
    this.asked.push(path);
    const [, name = '', document = ''] = /^\/([^/]*)\/(.*)$/.exec(path) ?? [];
    const issuer = this.url(name);
    const truth: Record<string, unknown> =
      document === 'jwks'
        ? { keys: [this.key.publicJwk] }
        : { issuer, jwks_uri: `${issuer}/jwks`, id_token_signing_alg_values_supported: ['ES256', 'RS256'] };
    const answer = this.#answers.get(path) ?? json(truth);
    answer({ socket, issuer, truth });
  }
}
