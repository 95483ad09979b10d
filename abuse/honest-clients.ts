/**
 * Clients that must not notice an attack: one signs at a gentle rate, every second time over a new connection, some read
 * the logs, and one logs signatures. Requests start by the clock, whether earlier ones were answered or not, so that a service that stalls does not
 * get fewer of them.
 */
import { generateKeyPairSync, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { Agent, request as httpRequest, type RequestOptions } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownEntry } from './artifact-requests.ts';
import { messageOf, systemCode } from '../core/errors.ts';
import type { TestIssuer } from '../test/support/oidc-issuer.ts';
import type { ProxiedSigners } from './proxied-signers.ts';
import type { TargetAddress } from './target.ts';

/** What one kind of honest client saw in a period. */
export interface ServedClients {
  readonly served: number;
  /** Statuses other than 200, broken connections and timeouts. */
  readonly refused: number;
  /** Latency of served requests, in milliseconds. */
  readonly p99: number;
  /** The first refusal, for people. */
  readonly firstRefusal?: string | undefined;
}

/** A period, for all kinds. */
export interface Phase {
  readonly signing: ServedClients;
  readonly reading: ServedClients;
  /** Entries of the log of artifacts. */
  readonly logging: ServedClients;
}

/** The signing client's name. */
const PRINCIPAL = 'honest@example.com';

/** Concurrent requests while the log is grown. */
const GROW_CONCURRENCY = 16;

/** Timeout of an honest request, in milliseconds. */
const TIMEOUT = 10_000;

/** Requests a second of each kind but logging. */
export const RATE = 40;

/** Of which so many come to one entry that is logged. */
const PER_ENTRY = 4;

/** Addresses that the logs are read from. Of one client 16 reads may wait, less than come in half a second: a service that
 * stalls for that long, as on a slow machine, would refuse reads before the limit of their latency says anything. Of Linux'
 * loopback network every address can be used. */
const MONITORS = process.platform === 'linux' ? ['127.0.0.4', '127.0.0.5', '127.0.0.6', '127.0.0.7'] : [];

/** What is read of the log of artifacts, now and then. */
const ENTRY_READS = ['?logIndex=7', '?logIndex=259'].map((query) => `/api/v1/log/entries${query}`);

/** The paths that the monitor reads in turn, under the log's URL. */
const READS = [
  '/checkpoint',
  '/tile/0/000',
  '/ct/v1/get-sth',
  '/tile/data/001',
  '/ct/v1/get-entries?start=7&end=9',
];

/** Where the service is. */
type Service = Pick<TargetAddress, 'url' | 'logUrl'>;

/** All of them. */
export class HonestClients {
  /** Serial numbers of the certificates that they got, in capital hexadecimal digits. */
  readonly acknowledged = new Set<string>();
  readonly #issuer: TestIssuer;
  readonly #pool = new Agent({ keepAlive: true });
  readonly #publicKey: string;
  readonly #privateKey: KeyObject;
  readonly #entryKey: KeyObject;

  /** `entryKey`: private key of what is logged. */
  constructor(issuer: TestIssuer, entryKey: KeyObject) {
    this.#issuer = issuer;
    this.#entryKey = entryKey;
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#publicKey = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    this.#privateKey = privateKey;
  }

  /** Adds `count` certificates for other names to the log, so that it has tiles to read. Rejects when one is refused. */
  async growLog({ url }: Service, count: number): Promise<void> {
    await grow(count, async (i, tally) => {
      const name = `other-${i}@example.com`;
      await this.#sign(url, await this.#token(name), name, true, tally);
    });
  }

  /** Adds `count` entries to the log of artifacts. Rejects when one is refused. */
  async growEntries({ url }: Service, count: number): Promise<void> {
    await grow(count, (_, tally) => this.#log(url, tally));
  }

  /** Signs once and resolves to the used token. */
  async useToken({ url }: Service): Promise<string> {
    const token = await this.#token(PRINCIPAL);
    await this.#sign(url, token, PRINCIPAL, true, new Tally());
    return token;
  }

  /** Runs both clients for so many seconds; with `proxied`, those sign in the place of the one that signs over HTTP. */
  async work({ url, logUrl }: Service, seconds: number, proxied?: ProxiedSigners): Promise<Phase> {
    const count = Math.max(1, Math.round(seconds * RATE));
    // Made before the clock runs: signing a token takes time of this process.
    const tokens = await Promise.all(Array.from({ length: count }, () => this.#token(PRINCIPAL)));
    const [signing, reading, logging] = [new Tally(), new Tally(), new Tally()];
    const started = performance.now();
    const requests: Promise<void>[] = [];
    for (const [i, token] of tokens.entries()) {
      await sleep(Math.max(0, started + (i * 1000) / RATE - performance.now()));
      const signed =
        proxied === undefined
          ? this.#sign(url, token, PRINCIPAL, i % 2 === 0, signing)
          : this.#signBehind(proxied, i, token, signing);
      const isEntry = i % PER_ENTRY === 0;
      requests.push(signed, this.#read({ url, logUrl }, i, reading));
      if (isEntry) requests.push(this.#log(url, logging));
    }
    await Promise.all(requests);
    return { signing: signing.sum(), reading: reading.sum(), logging: logging.sum() };
  }

  close(): void {
    this.#pool.destroy();
  }

  #token(email: string): Promise<string> {
    return this.#issuer.sign({ email, email_verified: true, jti: crypto.randomUUID() });
  }

  async #sign(url: string, token: string, name: string, keepAlive: boolean, tally: Tally): Promise<void> {
    const body = JSON.stringify({
      credentials: { oidcIdentityToken: token },
      publicKeyRequest: {
        publicKey: { algorithm: 'ECDSA', content: this.#publicKey },
        proofOfPossession: sign('sha256', Buffer.from(name), this.#privateKey).toString('base64'),
      },
    });
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const options = { method: 'POST', headers };
    const answer = await tally.time(this.#send(`${url}/api/v2/signingCert`, options, keepAlive, body));
    if (answer !== undefined) this.acknowledged.add(serialOf(answer));
  }

  async #signBehind(proxied: ProxiedSigners, turn: number, token: string, tally: Tally): Promise<void> {
    const proof = sign('sha256', Buffer.from(PRINCIPAL), this.#privateKey).toString('base64');
    const leaf = await tally.time(proxied.sign(turn, token, { pem: this.#publicKey, proof }));
    if (leaf !== undefined) this.acknowledged.add(new X509Certificate(leaf).serialNumber);
  }

  async #read({ url, logUrl }: Service, turn: number, tally: Tally): Promise<void> {
    const places = [
      ...READS.map((path) => `${logUrl}${path}`),
      ...ENTRY_READS.map((path) => `${url}${path}`),
    ];
    const place = places[turn % places.length] ?? '';
    // From each address, every place.
    const localAddress = MONITORS[Math.floor(turn / places.length) % MONITORS.length];
    const options = { method: 'GET', ...(localAddress !== undefined && { localAddress }) };
    await tally.time(this.#send(place, options, turn % 2 === 0, ''));
  }

  async #log(url: string, tally: Tally): Promise<void> {
    const body = ownEntry(this.#entryKey, crypto.randomUUID());
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    await tally.time(this.#send(`${url}/api/v1/log/entries`, { method: 'POST', headers }, true, body));
  }

  /** Sends once more when a pooled connection turned out to be closed, as HTTP clients do. */
  async #send(url: string, options: RequestOptions, keepAlive: boolean, body: string): Promise<Buffer> {
    const attempt = () => this.#sendOnce(url, options, keepAlive, body);
    return attempt().catch((error: unknown) =>
      error instanceof StaleConnection ? attempt() : Promise.reject(error as Error),
    );
  }

  /** The body of a 200 or 201; rejects with anything else. */
  #sendOnce(url: string, options: RequestOptions, keepAlive: boolean, body: string): Promise<Buffer> {
    const signal = AbortSignal.timeout(TIMEOUT);
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        url,
        { ...options, signal, agent: keepAlive ? this.#pool : false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks);
            if (response.statusCode === 200 || response.statusCode === 201) resolve(text);
            else reject(new Error(`${response.statusCode ?? 0} ${text.toString('latin1', 0, 300)}`));
          });
        },
      );
      const failed = (error: Error): void => {
        const isStale = request.reusedSocket && systemCode(error) === 'ECONNRESET';
        reject(isStale ? new StaleConnection() : error);
      };
      request.on('error', failed).end(body);
    });
  }
}

class StaleConnection extends Error {}

/** Does something so many times, several at once. Rejects when it is refused once. */
async function grow(count: number, add: (i: number, tally: Tally) => Promise<void>): Promise<void> {
  const tally = new Tally();
  const some = async (first: number): Promise<void> => {
    for (let i = first; i < count; i += GROW_CONCURRENCY) await add(i, tally);
  };
  await Promise.all(Array.from({ length: GROW_CONCURRENCY }, (_, first) => some(first)));
  const { firstRefusal } = tally.sum();
  if (firstRefusal !== undefined) throw new Error(`a log cannot be grown: ${firstRefusal}`);
}

function serialOf(answer: Buffer): string {
  const {
    signedCertificateEmbeddedSct: {
      chain: {
        certificates: [leaf = ''],
      },
    },
  } = JSON.parse(answer.toString()) as {
    signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
  };
  return new X509Certificate(leaf).serialNumber;
}

class Tally {
  readonly #latencies: number[] = [];
  #refused = 0;
  #firstRefusal: string | undefined;

  /** The answer, timed; undefined, counted as refused, when there is none. */
  async time<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
    const began = performance.now();
    try {
      const body = await answer;
      this.#latencies.push(performance.now() - began);
      return body;
    } catch (error) {
      this.#refused++;
      this.#firstRefusal ??= messageOf(error);
      return undefined;
    }
  }

  sum(): ServedClients {
    const sorted = this.#latencies.sort((a, b) => a - b);
    const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.POSITIVE_INFINITY;
    return { served: sorted.length, refused: this.#refused, p99, firstRefusal: this.#firstRefusal };
  }
}
