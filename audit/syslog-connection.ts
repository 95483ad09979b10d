/** Syslog over TCP or TLS: messages with their length before them (RFC 6587 §3.4.1, RFC 5425). */
import { readFile } from 'node:fs/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SyslogDefinition } from './audit-definition.ts';
import { AuditSinkError } from './audit-error.ts';
import type { Destination } from './destination.ts';
import { octetCounted } from './syslog-message.ts';

/** Milliseconds for a connection to be made, and for the server to take what is sent. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Milliseconds between probes of an idle connection, so that a server that is gone is found out. */
const KEEP_ALIVE = 30_000;

/**
 * Keeps one connection and makes another when it is needed. A line counts as taken when the system took it for
 * sending: syslog has no receipts, so what was on its way when a connection broke is lost unnoticed.
 */
export class SyslogConnection implements Destination {
  readonly name = 'syslog';
  readonly #definition: SyslogDefinition;
  readonly #format: (line: string) => string;
  readonly #ca: string | undefined;
  #socket: Socket | undefined;

  /** `ca` in PEM: see {@link readCa}. */
  constructor(definition: SyslogDefinition, format: (line: string) => string, ca: string | undefined) {
    this.#definition = definition;
    this.#format = format;
    this.#ca = ca;
  }

  async deliver(lines: readonly string[]): Promise<void> {
    const socket = (this.#socket ??= await this.#connect());
    const text = lines.map((line) => octetCounted(this.#format(line))).join('');
    await settled((resolve, reject) => {
      // What breaks the connection fails the write, too.
      socket.write(text, 'latin1', (error) => {
        if (error === undefined || error === null) resolve();
        else reject(error);
      });
    }, this.#where()).catch((error: unknown) => {
      socket.destroy();
      throw error;
    });
  }

  close(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
      });
      socket.destroySoon();
    });
  }

  async #connect(): Promise<Socket> {
    const { transport, host, port } = this.#definition;
    const isTls = transport === 'tls';
    // A server that is named by its address has no name to ask for.
    const servername = isIP(host) === 0 ? host : '';
    const socket = isTls
      ? connectTls({ host, port, servername, ...(this.#ca === undefined ? {} : { ca: this.#ca }) })
      : connectTcp({ host, port });
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE);
    await settled((resolve, reject) => {
      socket.once(isTls ? 'secureConnect' : 'connect', resolve).once('error', reject);
    }, this.#where()).catch((error: unknown) => {
      socket.on('error', () => undefined).destroy();
      throw error;
    });
    this.#watch(socket);
    return socket;
  }

  /** A server says nothing; when it ends the connection, lines for it would go nowhere. */
  #watch(socket: Socket): void {
    socket.on('error', () => undefined).on('end', () => socket.destroy());
    socket.once('close', () => {
      if (this.#socket === socket) this.#socket = undefined;
    });
    socket.resume();
  }

  #where(): string {
    const { transport, host, port } = this.#definition;
    return `${transport}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  }
}

/** The certificates of a `ca-file`. Rejects with {@link AuditSinkError}. */
export async function readCa(path: string): Promise<string> {
  const text = await readFile(path, 'latin1').catch((error: unknown) => {
    throw new AuditSinkError('AUDIT_CA_UNUSABLE', `the certificates in ${path} cannot be read`, {
      cause: error,
    });
  });
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw new AuditSinkError('AUDIT_CA_UNUSABLE', `there is no certificate in ${path}`, {
    hint: 'mayfly.audit.syslog.ca-file wants PEM certificates.',
  });
}

/** As a promise, but in time. */
async function settled(
  start: (resolve: () => void, reject: (error: Error) => void) => void,
  where: string,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(new AuditSinkError('AUDIT_SERVER_UNREACHABLE', `${where} does not answer`));
      }, CONNECT_TIMEOUT_MS);
      start(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
  }
}
