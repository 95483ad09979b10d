/** Requests to the server of transit keys: over connections that are kept, and bounded. */
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type AgentOptions } from 'node:https';
import { getCACertificates } from 'node:tls';
import { systemCode } from '../../core/errors.ts';
import { USER_AGENT } from '../../core/version.ts';
import { SignerError } from '../signer-error.ts';
import type { TransitSettings } from './transit-settings.ts';

/** What is asked. */
export interface TransitRequest {
  readonly method: 'GET' | 'POST';
  /** Below `/v1/`. */
  readonly path: string;
  /** Undefined for a login. */
  readonly token: string | undefined;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** What is answered, whatever it says. */
export interface TransitAnswer {
  readonly status: number;
  readonly text: string;
  /** Milliseconds, where it says after how long to come back. */
  readonly retryAfterMs: number | undefined;
}

/** A batch of a hundred signatures of RSA-4096 has 80 KiB. */
const MAX_BODY = 1 << 20;

/** Longest wait that is believed. */
const MAX_RETRY_AFTER_S = 3_600;

/** Connections to one server. */
export class TransitConnections {
  readonly #settings: TransitSettings;
  readonly #agent: HttpAgent;

  private constructor(settings: TransitSettings, agent: HttpAgent) {
    this.#settings = settings;
    this.#agent = agent;
  }

  /** Reads the files that it needs; connects to nothing yet. Rejects with {@link SignerError} `SIGNER_REFUSED`. */
  static async open(settings: TransitSettings): Promise<TransitConnections> {
    const { address, proxies, serverName, caFile, certificateFile, keyFile } = settings;
    // As many connections as calls under way, which max-in-flight bounds: one that waited here would lose its time.
    const shared: AgentOptions = {
      keepAlive: true,
      scheduling: 'lifo',
      ...(proxies === undefined ? {} : { proxyEnv: proxies }),
    };
    if (!address.startsWith('https:')) return new TransitConnections(settings, new HttpAgent(shared));
    const read = (path: string | undefined, name: string): Promise<string | undefined> =>
      pemIn(path, `${settings.prefix}_${name}`);
    const agent = new HttpsAgent({
      ...shared,
      minVersion: 'TLSv1.2',
      ca: (await read(caFile, 'CACERT')) ?? usualAuthorities(),
      cert: await read(certificateFile, 'CLIENT_CERT'),
      key: await read(keyFile, 'CLIENT_KEY'),
      ...(serverName === undefined ? {} : { servername: serverName }),
    });
    return new TransitConnections(settings, agent);
  }

  /** One request, tried once. A redirection is an answer like others. Rejects with {@link SignerError} `SIGNER_UNAVAILABLE` where none comes, and `SIGNER_TIMEOUT` at its signal. */
  ask({ method, path, token, body, signal }: TransitRequest): Promise<TransitAnswer> {
    const { address, namespace } = this.#settings;
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const send = address.startsWith('https:') ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(`${address}/v1/${path}`, {
        method,
        agent: this.#agent,
        headers: {
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': USER_AGENT,
          // Without it an agent on the way refuses, so that no page of a browser can ask it.
          'x-vault-request': 'true',
          ...(token === undefined ? {} : { 'x-vault-token': token }),
          ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
          ...(bytes && { 'content-type': 'application/json', 'content-length': bytes.length }),
        },
      });
      const stop = (): void => {
        reject(new SignerError('SIGNER_TIMEOUT', `${this.#name} does not answer in time`));
        request.destroy();
      };
      const fail = (error: unknown): void => {
        reject(this.#unreachable(error));
        request.destroy();
      };
      signal.addEventListener('abort', stop, { once: true });
      request.on('close', () => {
        signal.removeEventListener('abort', stop);
      });
      request.on('error', fail);
      request.on('response', (response) => {
        this.#read(response).then(resolve, fail);
      });
      if (signal.aborted) stop();
      else request.end(bytes);
    });
  }

  /** Drops the connections; what is under way fails. */
  close(): void {
    this.#agent.destroy();
  }

  get #name(): string {
    return `${this.#settings.product} at ${this.#settings.address}`;
  }

  async #read(response: IncomingMessage): Promise<TransitAnswer> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_BODY)
        throw new SignerError('SIGNER_UNAVAILABLE', `${this.#name} answers with more than ${MAX_BODY} bytes`);
      chunks.push(chunk);
    }
    const { statusCode: status = 0, headers } = response;
    const seconds = /^\d{1,9}$/.test(headers['retry-after'] ?? '')
      ? Number(headers['retry-after'])
      : undefined;
    const retryAfterMs = seconds === undefined ? undefined : Math.min(seconds, MAX_RETRY_AFTER_S) * 1_000;
    return { status, text: Buffer.concat(chunks).toString('utf8'), retryAfterMs };
  }

  /** The system's code alone: the text of an error may repeat what was sent. */
  #unreachable(error: unknown): SignerError {
    if (error instanceof SignerError) return error;
    const code = systemCode(error) ?? 'the connection ended';
    return new SignerError('SIGNER_UNAVAILABLE', `${this.#name} does not answer: ${code}`, {
      hint: this.#hintFor(code),
    });
  }

  #hintFor(code: string): string {
    const { prefix } = this.#settings;
    if (/^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/.test(code))
      return "Renew the server's certificate. If it is valid, compare the clocks of the two machines.";
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
      return `Its certificate is for another name: correct ${prefix}_ADDR, or name that one in ${prefix}_TLS_SERVER_NAME.`;
    if (/CERT|SIGNATURE|ISSUER/.test(code))
      return `Its certificate is not trusted: name the file of its CA in ${prefix}_CACERT.`;
    if (/^(?:EPROTO|ERR_SSL)|^HPE_/.test(code))
      return `It does not speak what ${prefix}_ADDR says: compare https:// and http://, and the port.`;
    if (/^(?:ENOTFOUND|EAI_)/.test(code))
      return `The host of ${prefix}_ADDR is not found: check the name, and the DNS of this machine.`;
    return `Check that the server runs and that this machine reaches the host and port of ${prefix}_ADDR.`;
  }
}

/** Those that Node brings, those of the system, and NODE_EXTRA_CA_CERTS. */
const usualAuthorities = (): string[] => [
  ...new Set([...getCACertificates('default'), ...getCACertificates('system')]),
];

async function pemIn(path: string | undefined, name: string): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new SignerError(
      'SIGNER_REFUSED',
      `${name}: ${path} cannot be read (${systemCode(error) ?? 'unknown'})`,
      {
        hint: 'Check the path and that this user may read it.',
      },
    );
  });
  if (text.includes('-----BEGIN ')) return text;
  throw new SignerError('SIGNER_REFUSED', `${name}: ${path} is no PEM file`, {
    hint: 'Name a file of PEM blocks.',
  });
}
