/**
 * Requests that came on a connection of another thread, as the main thread sees them: they meet the same handler as those of
 * its own connections would, with a request and a response of the runtime's classes, whose other end is in the other thread.
 */
import { IncomingMessage, ServerResponse, type RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { refuseBody } from '../../server/http/request-body.ts';
import { TransportError } from '../../server/http/transport-error.ts';
import type { AnswerPart, ForwardedRequest, MainReport } from './messages.ts';
import { SentErrors } from './sent-error.ts';
import { ownBytes } from './turn-channel.ts';

type Report = (message: MainReport) => void;

/** The status and the headers, flat, of an answer. */
interface Head {
  readonly status: number;
  readonly headers: readonly string[];
}

/** The client's end of a connection that another thread has. Nothing is read or written here: that is done by requests. */
class FarSocket extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly #onDestroy: () => void;

  constructor({ remoteAddress, remotePort }: ForwardedRequest, onDestroy: () => void) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.#onDestroy = onDestroy;
  }

  override _read(): void {
    // Bodies come with their requests.
  }

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#onDestroy();
    done(error);
  }

  destroySoon(): void {
    this.destroy();
  }
}

/** A response whose parts are sent by the other thread. */
interface FarResponse {
  readonly response: ServerResponse;
  /** Called as pieces are written, in their order. */
  readonly written: (() => void)[];
}

/** The requests of one thread. */
export class ForwardedRequests {
  readonly #handler: RequestListener;
  readonly #report: Report;
  readonly #errors = new SentErrors();
  readonly #connections = new Map<number, FarSocket>();
  readonly #responses = new Map<number, FarResponse>();

  constructor(handler: RequestListener, report: Report) {
    this.#handler = handler;
    this.#report = report;
  }

  /** Has a request answered. */
  open(forwarded: ForwardedRequest): void {
    const socket = this.#socketOf(forwarded);
    // Closed for others in this very moment.
    if (socket.destroyed) return;
    const request = new IncomingMessage(socket as unknown as Socket);
    const { method, url, headers, body, fault } = forwarded;
    Object.assign(request, { method, url, headers, httpVersion: '1.1', complete: true });
    Object.assign(request, { httpVersionMajor: 1, httpVersionMinor: 1 });
    if (fault !== undefined) {
      const error = this.#errors.received(fault);
      if (error instanceof TransportError) refuseBody(request, error);
    }
    if (body !== undefined && body.length > 0)
      request.push(Buffer.from(body.buffer, body.byteOffset, body.length));
    request.push(null);
    const response = new ServerResponse(request);
    const written: (() => void)[] = [];
    connect(response, forwarded.id, written, (part) => {
      if (part.type === 'last' && !part.isFollowed) this.#responses.delete(part.id);
      this.#report(part);
    });
    this.#responses.set(forwarded.id, { response, written });
    this.#handler(request, response);
  }

  /** The client takes the next piece. */
  written(id: number): void {
    this.#responses.get(id)?.written.shift()?.();
  }

  /** An answer was sent, or nobody is left to get it. */
  done(id: number, isSent: boolean): void {
    const far = this.#responses.get(id);
    if (far === undefined) return;
    this.#responses.delete(id);
    if (isSent) far.response.emit('finish');
    far.response.emit('close');
  }

  /** The client, or this side, closed a connection. */
  disconnected(connection: number): void {
    const socket = this.#connections.get(connection);
    this.#connections.delete(connection);
    socket?.destroy();
  }

  /** The thread ended, and with it its connections. */
  end(): void {
    for (const id of [...this.#responses.keys()]) this.done(id, false);
    for (const connection of [...this.#connections.keys()]) this.disconnected(connection);
  }

  #socketOf(forwarded: ForwardedRequest): FarSocket {
    const { connection } = forwarded;
    const known = this.#connections.get(connection);
    if (known !== undefined) return known;
    const socket = new FarSocket(forwarded, () => {
      if (this.#connections.has(connection)) this.#report({ type: 'disconnect', connection });
    });
    this.#connections.set(connection, socket);
    return socket;
  }
}

/** Sends what is done with `response` to the thread that has the connection. Set on the response itself: Express replaces its
 * prototype. The head goes out with what follows it. */
function connect(
  response: ServerResponse,
  id: number,
  written: (() => void)[],
  report: (part: AnswerPart) => void,
): void {
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
  let head: Head | undefined;
  let isHeadSent = false;
  const takeHead = (...args: unknown[]): void => {
    // With the checks of the runtime; what it makes of it is not used.
    writeHead(...args);
    head = { status: response.statusCode, headers: headersOf(response, args.at(-1)) };
  };
  const ensureHead = (): void => {
    if (head === undefined) takeHead(response.statusCode);
  };
  Object.assign(response, {
    writeHead: (...args: unknown[]) => {
      takeHead(...args);
      return response;
    },
    write: (bytes: Uint8Array | string, done?: () => void) => {
      ensureHead();
      if (head !== undefined && !isHeadSent) report({ type: 'head', id, ...head });
      isHeadSent = true;
      written.push(done ?? (() => undefined));
      report({ type: 'piece', id, bytes: typeof bytes === 'string' ? bytes : ownBytes(bytes) });
      return true;
    },
    end: (bytes?: Uint8Array | string, encoding?: BufferEncoding) => {
      ensureHead();
      const isFollowed = response.listenerCount('finish') > 0 || response.listenerCount('close') > 0;
      const first = isHeadSent ? undefined : head;
      report({ type: 'last', id, bytes: bytesOf(bytes, encoding), head: first, isFollowed });
      return response;
    },
  });
}

function bytesOf(bytes: Uint8Array | string | undefined, encoding: BufferEncoding | undefined) {
  if (bytes instanceof Uint8Array) return ownBytes(bytes);
  if (typeof bytes !== 'string') return undefined;
  // ASCII as latin1 is the same in UTF-8, as which the other side writes it.
  return encoding === undefined || encoding === 'utf8' || encoding === 'latin1'
    ? bytes
    : ownBytes(Buffer.from(bytes, encoding));
}

/** Flat: those that were set one by one, with which the runtime has put the others together, or those that were given with the status. */
function headersOf(response: ServerResponse, given: unknown): string[] {
  const set = response.getHeaderNames();
  if (set.length > 0) return set.flatMap((name) => flat(name, response.getHeader(name)));
  if (Array.isArray(given)) return given.map(String);
  return typeof given === 'object' && given !== null
    ? Object.entries(given).flatMap(([name, value]) => flat(name, value))
    : [];
}

const flat = (name: string, value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).flatMap((one) => [name, String(one)]);
