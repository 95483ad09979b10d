import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/** A syslog server over TCP or TLS that reads frames with octet counts. */
export class SyslogServer {
  readonly messages: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server;
  #waiting: (() => void)[] = [];

  constructor(tls?: { readonly key: string; readonly cert: string }) {
    const take = (socket: Socket): void => {
      this.#take(socket);
    };
    this.#server = tls === undefined ? createServer(take) : createTlsServer(tls, take);
    this.#server.on('tlsClientError', () => undefined);
  }

  async listen(port = 0): Promise<number> {
    await once(this.#server.listen(port, '127.0.0.1'), 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when so many messages are there. */
  async until(count: number): Promise<void> {
    while (this.messages.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Ends all connections and listens no more. */
  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #take(socket: Socket): void {
    this.sockets.add(socket);
    let text = '';
    socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (;;) {
        const frame = /^([1-9]\d*) /.exec(text);
        if (frame === null) return;
        const [{ length }, size] = [frame[0], Number(frame[1])];
        if (text.length < length + size) return;
        this.messages.push(text.slice(length, length + size));
        text = text.slice(length + size);
        for (const wake of this.#waiting.splice(0)) wake();
      }
    });
  }
}
