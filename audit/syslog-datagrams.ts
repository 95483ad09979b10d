/** Syslog over UDP (RFC 5426): one message in a datagram, without a receipt. */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { systemCode } from '../core/errors.ts';
import type { SyslogDefinition } from './audit-definition.ts';
import type { Destination, Note } from './destination.ts';

/** Sends each line as a datagram. A message too large for one is lost, which is noted. */
export class SyslogDatagrams implements Destination {
  readonly name = 'syslog';
  readonly #definition: SyslogDefinition;
  readonly #format: (line: string) => string;
  readonly #note: Note;
  #socket: Promise<Socket> | undefined;
  /** What the system said since the last send, such as that no server listens there. */
  #fault: Error | undefined;

  constructor(definition: SyslogDefinition, format: (line: string) => string, note: Note) {
    this.#definition = definition;
    this.#format = format;
    this.#note = note;
  }

  async deliver(lines: readonly string[]): Promise<void> {
    try {
      if (this.#fault !== undefined) throw this.#fault;
      const socket = await (this.#socket ??= this.#open());
      for (const line of lines) await this.#send(socket, this.#format(line));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const socket = await this.#socket?.catch(() => undefined);
    this.#socket = undefined;
    this.#fault = undefined;
    if (socket !== undefined) await new Promise<void>((resolve) => void socket.close(resolve));
  }

  /** Connected, so that the system reports when no server listens there. */
  async #open(): Promise<Socket> {
    const { host, port } = this.#definition;
    const { address, family } = await lookup(host);
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    socket.on('error', (error) => {
      this.#fault = error;
    });
    await new Promise<void>((resolve, reject) => {
      socket.connect(port, address, (error?: Error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
    return socket;
  }

  #send(socket: Socket, message: string): Promise<void> {
    return new Promise((resolve, reject) => {
      socket.send(message, (error) => {
        if (error === null) resolve();
        else if (systemCode(error) !== 'EMSGSIZE') reject(error);
        else {
          this.#note('error', 'audit line too long for a datagram', { characters: message.length });
          resolve();
        }
      });
    });
  }
}
