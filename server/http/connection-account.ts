/**
 * What a connection asked for and what it holds in memory. The limits on connections and on memory, and the end of a
 * listener, all use this one account.
 *
 * A request is in one of three stages. It is `receiving` until it is complete, `making` while the service works for it, and
 * `sending` from when its answer is made until the client has taken it. The runtime keeps the request, its head included,
 * and the answer in memory to the end of the last stage, which is up to the client.
 */
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';

/** Requests of one connection whose responses are not sent as a whole. */
export const MAX_UNANSWERED = 8;

/** Bytes that requests and small answers may hold, of all connections of a server. Large answers are limited where they
 * are sent. */
export const MAX_HELD = 32 * 1024 * 1024;

/** Bytes that the runtime needs for a request and its response beside their content. */
const OBJECTS = 4096;

/** Bytes that the runtime needs for a name or a value of a header beside its text: the string, and its places in lists and objects. Over
 * HTTP/2 a header can be one byte on the wire, so that this is nearly all that it costs. */
const TEXT_OBJECTS = 80;

/** Where a request is: being received, being worked on by the service, or its answer being sent. */
type Stage = 'receiving' | 'making' | 'sending';

/** The account of one connection. */
export class ConnectionAccount {
  readonly socket: Socket;
  /** Requests in each stage. */
  readonly requests: Record<Stage, number> = { receiving: 0, making: 0, sending: 0 };
  /** A certificate was issued on the connection. */
  isProven = false;
  /** Bytes of requests and small answers. */
  bytes = 0;
  readonly #memory: HeldMemory;
  #onWork: (isWorking: boolean) => void = () => undefined;

  constructor(socket: Socket, memory: HeldMemory) {
    this.socket = socket;
    this.#memory = memory;
    socket.once('close', () => {
      memory.add(this, -this.bytes);
    });
  }

  /** Requests in any stage. */
  get unanswered(): number {
    const { receiving, making, sending } = this.requests;
    return receiving + making + sending;
  }

  /** Calls back when the service begins to work for the connection, and when it has made the last answer. */
  watch(onWork: (isWorking: boolean) => void): void {
    this.#onWork = onWork;
  }

  /** The client has read something: among those that hold memory, the connection is now the last to be closed. */
  noteRead(): void {
    this.#memory.moveToEnd(this);
  }

  /** Moves a request from one stage to another; undefined is before the first and behind the last. */
  move(from: Stage | undefined, to: Stage | undefined, bytes: number): void {
    const { requests } = this;
    const worked = requests.making > 0;
    if (from !== undefined) requests[from]--;
    if (to !== undefined) requests[to]++;
    if (!this.socket.destroyed) this.#memory.add(this, bytes);
    if (worked !== requests.making > 0) this.#onWork(!worked);
  }
}

/** One request in the account of its connection. Each stage is entered once; later calls do nothing. */
export class RequestAccount {
  readonly #account: ConnectionAccount;
  #stage: Stage | undefined = 'receiving';
  #bytes: number;

  /** Of a request whose head has so many bytes. */
  constructor(account: ConnectionAccount, headBytes: number) {
    this.#account = account;
    this.#bytes = headBytes + OBJECTS;
    account.move(undefined, 'receiving', this.#bytes);
  }

  /** The request is complete, and the service works for it. */
  complete(): void {
    if (this.#stage === 'receiving') this.#enter('making', 0);
  }

  /** The answer is made, and holds so many `bytes` that are counted nowhere else. */
  made(bytes: number): void {
    if (this.#stage === 'receiving' || this.#stage === 'making') this.#enter('sending', bytes);
  }

  /** The answer was sent. */
  close(): void {
    if (this.#stage === undefined) return;
    this.#enter(undefined, -this.#bytes);
    this.#account.noteRead();
  }

  #enter(stage: Stage | undefined, bytes: number): void {
    const before = this.#stage;
    this.#stage = stage;
    this.#bytes += bytes;
    this.#account.move(before, stage, bytes);
  }
}

/** Bytes that the head of a request holds: names and values, as they came. */
export function headBytes(rawHeaders: readonly string[]): number {
  let bytes = 0;
  for (const text of rawHeaders) bytes += text.length + TEXT_OBJECTS;
  return bytes;
}

/** A response that is in the account of its connection until it is sent. For the `ServerResponse` option of a server with
 * {@link openAccounts}. */
export class CountedResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  readonly requestAccount: RequestAccount | undefined;

  constructor(request: Request, options?: object) {
    // The runtime passes options on to the base class, which the type of its constructor does not mention.
    super(...([request, options] as unknown as [Request]));
    const account = accountOf(request.socket);
    if (account === undefined) return;
    const requestAccount = new RequestAccount(account, headBytes(request.rawHeaders));
    this.requestAccount = requestAccount;
    this.once('close', () => {
      requestAccount.close();
    });
    // If the parser could not be stopped, this still keeps responses from piling up.
    if (account.unanswered > MAX_UNANSWERED) request.socket.destroy();
  }
}

/** The account of the request of a response; undefined where its server keeps no accounts. */
export const requestAccountOf = (response: ServerResponse): RequestAccount | undefined =>
  (response as Partial<CountedResponse>).requestAccount;

/** Counts the service as working for the request of `response` from now on, until the answer is ended or its account notes
 * that it is made. Whether the client reads the answer does not matter: waiting for a reader is no work. */
export function workUntilEnded(response: ServerResponse): void {
  const account = requestAccountOf(response);
  account?.complete();
  const end = response.end.bind(response) as (...args: unknown[]) => ServerResponse;
  // Set on the response itself: Express replaces its prototype.
  response.end = ((...args: unknown[]) => {
    end(...args);
    const [body] = args;
    account?.made(typeof body === 'string' || body instanceof Uint8Array ? body.length : 0);
    return response;
  }) as typeof response.end;
}

/** Keeps an account of each connection of `server`; together they hold at most `maxHeld` bytes. */
export function openAccounts(server: Server, maxHeld = MAX_HELD): void {
  const memory = new HeldMemory(maxHeld);
  server.on('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
    accounts.set(socket, new ConnectionAccount(socket, memory));
  });
}

const accounts = new WeakMap<Socket, ConnectionAccount>();

/** The account of a connection, with TLS that of its encrypted socket; undefined where its server keeps none. */
export const accountOf = (socket: Socket): ConnectionAccount | undefined => accounts.get(socket);

/** The memory that requests and small answers hold. When it is full, connections are closed for which the service does not
 * work. The one whose client has read nothing for longest is the first. */
class HeldMemory {
  readonly #limit: number;
  readonly #holders = new Set<ConnectionAccount>();
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(account: ConnectionAccount, bytes: number): void {
    account.bytes += bytes;
    this.#total += bytes;
    if (account.bytes > 0) this.#holders.add(account);
    else this.#holders.delete(account);
    if (bytes > 0 && this.#total > this.#limit) this.#closeSome();
  }

  moveToEnd(account: ConnectionAccount): void {
    if (this.#holders.delete(account)) this.#holders.add(account);
  }

  #closeSome(): void {
    for (const account of this.#holders) {
      if (account.requests.making > 0) continue;
      account.socket.destroy();
      this.add(account, -account.bytes);
      if (this.#total <= this.#limit) return;
    }
  }
}
