/** The listener of a witness (c2sp.org/tlog-witness): `POST /add-checkpoint`, and the newest checkpoint that it cosigned of each log. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FormatError, messageOf } from '../core/errors.ts';
import { encodeVkey } from '../tlog/format/vkey.ts';
import type { OpenedWitness } from './witness-directory.ts';
import { parseRequest, type WitnessAnswer, type WitnessedLog } from './witnessed-log.ts';

/** Most bytes of a request: a checkpoint with a hundred signatures and a proof. */
const MOST_BYTES = 64 * 1024;
/** Milliseconds for a request to come, and connections at once. */
const REQUEST_MS = 10_000;
const CONNECTIONS = 256;

/** Where to listen. */
interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A witness that answers. */
export interface RunningWitness {
  /** Without a slash at the end. */
  readonly url: string;
  /** Ends it when what is under way is answered. */
  close(): Promise<void>;
}

/** Called with each decision: what it is about, and how it was answered. */
type OnAnswer = (event: {
  readonly origin: string | undefined;
  readonly status: number;
  readonly fault?: string;
}) => void;

/** Serves the witness. Rejects with the system's error where the address cannot be had. */
export async function serveWitness(
  witness: OpenedWitness,
  { host, port }: ListenAddress,
  onAnswer: OnAnswer,
): Promise<RunningWitness> {
  const byFile = new Map([...witness.logs.values()].map((log) => [log.file, log]));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '' } = request;
    if (url === '/add-checkpoint') {
      if (method === 'POST') await addCheckpoint(witness, request, response, onAnswer);
      else send(response, 405, 'this is for POST\n', { allow: 'POST' });
      return;
    }
    if (method !== 'GET' && method !== 'HEAD') {
      send(response, 405, 'this is for GET\n', { allow: 'GET, HEAD' });
      return;
    }
    if (url === '/') {
      send(response, 200, `${encodeVkey(witness.vkey)}\n`);
      return;
    }
    const [, file] = /^\/([0-9a-f]{64})\/checkpoint$/.exec(url) ?? [];
    const bytes = file === undefined ? undefined : await byFile.get(`${file}.checkpoint`)?.newest();
    if (bytes === undefined) send(response, 404, 'there is nothing here\n');
    else send(response, 200, bytes, { 'cache-control': 'no-store' });
  };
  const server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      answer(request, response).catch((error: unknown) => {
        onAnswer({ origin: undefined, status: 500, fault: messageOf(error) });
        if (response.headersSent) response.destroy();
        else send(response, 500, 'the witness cannot read or write what it remembers\n');
      });
    },
  );
  server.maxConnections = CONNECTIONS;
  server.listen(port, host);
  await once(server, 'listening');
  const bound = server.address() as AddressInfo;
  const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return { url: `http://${shown}:${bound.port}`, close: () => closed(server) };
}

async function closed(server: Server): Promise<void> {
  const end = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  await end;
}

async function addCheckpoint(
  { logs }: OpenedWitness,
  request: IncomingMessage,
  response: ServerResponse,
  onAnswer: OnAnswer,
): Promise<void> {
  const body = await bodyOf(request);
  if (body === undefined) {
    send(response, 413, 'the request is too large\n', { connection: 'close' });
    return;
  }
  const asked = requestIn(body, logs);
  if (typeof asked === 'string') {
    onAnswer({ origin: undefined, status: 400 });
    send(response, 400, `${asked}\n`);
    return;
  }
  const { log, request: addition, checkpoint } = asked;
  const decided: WitnessAnswer =
    log === undefined
      ? { status: 404, body: 'this witness does not know the log\n' }
      : await log.add(addition, checkpoint);
  // The name of a log that is not known is the caller's.
  onAnswer({ origin: log?.origin, status: decided.status });
  const type = decided.isSize === true ? { 'content-type': 'text/x.tlog.size' } : {};
  const later = decided.status === 503 ? { 'retry-after': '1' } : {};
  send(response, decided.status, decided.body, { ...type, ...later });
}

/** A sentence for what is no request. */
function requestIn(
  body: Uint8Array,
  logs: ReadonlyMap<string, WitnessedLog>,
): ReturnType<typeof parseRequest> | string {
  try {
    return parseRequest(body, logs);
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

/** Undefined for one that is too large, of which no more is read then. Rejects where the caller goes away. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MOST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(
  response: ServerResponse,
  status: number,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
