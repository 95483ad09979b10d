/** Clients of a deployment: they ask for certificates and log artifacts, and everything that they are answered goes into the ledger. */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import { statSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestIssuer } from '../test/support/oidc-issuer.ts';
import type { LogName } from './answers.ts';
import type { LedgerClient } from './ledger-client.ts';

/** Where clients reach a replica. */
export interface ServiceAddress {
  readonly url: string;
  /** Of the certificate log, without a slash at the end. */
  readonly logUrl: string;
}

/** How the requests of a burst ended. */
export interface Tally {
  readonly granted: number;
  readonly refused: number;
  readonly silent: number;
}

/** Milliseconds until a client gives up. */
const TIMEOUT = 8_000;
/** Requests of a burst that are under way at the same time. */
const WIDTH = 24;

/** Requests to one look at the signed heads. */
const HEAD_EVERY = 25;

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** All clients of one deployment. */
export class Clients {
  readonly #issuer: TestIssuer;
  readonly #ledger: LedgerClient;
  readonly #record: string | undefined;
  readonly #pool = new Agent({ keepAlive: true });
  readonly #key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #artifactKey: KeyObject;
  /** DER in base64. */
  readonly #artifactSpki: string;
  /** Artifacts whose fate is unknown: they are logged again, and must not be there twice. */
  readonly #unknown: string[] = [];

  /** `artifactKey`: private key that signs what is logged. `record`: file of the record of changes, whose length is noted beside each answer. */
  constructor(issuer: TestIssuer, ledger: LedgerClient, artifactKey: KeyObject, record?: string) {
    this.#issuer = issuer;
    this.#ledger = ledger;
    this.#artifactKey = artifactKey;
    this.#artifactSpki = createPublicKey(artifactKey)
      .export({ type: 'spki', format: 'der' })
      .toString('base64');
    this.#record = record;
  }

  /** Sends so many requests until all are answered; half of them for certificates. Each of the clients stays with a replica until that refuses
   * it or is silent, and goes on with the next one then. `wrongBy`: milliseconds by which the clock of the service, and of its issuer, is wrong. */
  burst(replicas: readonly ServiceAddress[], count: number, wrongBy = 0): Promise<Tally> {
    return this.#work(replicas, (sent) => sent < count, wrongBy);
  }

  /** The same until `end`. */
  until(replicas: readonly ServiceAddress[], end: AbortSignal, wrongBy = 0): Promise<Tally> {
    return this.#work(replicas, () => !end.aborted, wrongBy);
  }

  async #work(
    replicas: readonly ServiceAddress[],
    goesOn: (sent: number) => boolean,
    wrongBy: number,
  ): Promise<Tally> {
    const seen = { granted: 0, refused: 0, silent: 0 };
    let sent = 0;
    const work = async (first: number): Promise<void> => {
      for (let choice = first; goesOn(sent);) {
        const i = sent++;
        const replica = replicas[choice % replicas.length];
        if (replica === undefined) return;
        const outcome = await (i % 2 === 0 ? this.#certificate(replica, wrongBy) : this.#artifact(replica));
        seen[outcome]++;
        // What is refused at once would be asked for without end.
        if (outcome !== 'granted') await sleep(20);
        if (i % HEAD_EVERY === 0) await this.heads(replica);
        if (outcome !== 'granted') choice++;
      }
    };
    await Promise.all(Array.from({ length: WIDTH }, (_, first) => work(first)));
    return seen;
  }

  /** Notes the newest signed head of both logs, and returns what it is of. */
  async heads(replica: ServiceAddress): Promise<string> {
    const seen: string[] = [];
    for (const [log, url] of Object.entries(headUrls(replica)) as [LogName, string][]) {
      const answer = await this.#send(url, undefined);
      if (answer?.status !== 200) continue;
      await this.#ledger.note({ kind: 'head', log, checkpoint: answer.body, at: this.#position() });
      seen.push(answer.body.split('\n\n', 1)[0] ?? '');
    }
    return seen.join('\n');
  }

  close(): void {
    this.#pool.destroy();
  }

  async #certificate({ url }: ServiceAddress, wrongBy: number): Promise<keyof Tally> {
    // Each from another one: nobody's rate limit is tried here.
    const email = `${crypto.randomUUID()}@example.com`;
    const claims = { email, email_verified: true, jti: crypto.randomUUID() };
    const token = await this.#issuer.sign(claims, { now: Date.now() + wrongBy });
    const body = JSON.stringify({
      credentials: { oidcIdentityToken: token },
      publicKeyRequest: {
        publicKey: {
          algorithm: 'ECDSA',
          content: this.#key.publicKey.export({ type: 'spki', format: 'pem' }),
        },
        proofOfPossession: sign('sha256', Buffer.from(email), this.#key.privateKey).toString('base64'),
      },
    });
    return this.#ask('certificates', `${url}/api/v2/signingCert`, body);
  }

  async #artifact({ url }: ServiceAddress): Promise<keyof Tally> {
    const body = this.#unknown.shift() ?? this.#newArtifact();
    const outcome = await this.#ask('artifacts', `${url}/api/v2/log/entries`, body);
    if (outcome !== 'granted') this.#unknown.push(body);
    return outcome;
  }

  #newArtifact(): string {
    const data = randomBytes(32);
    return JSON.stringify({
      hashedRekordRequestV002: {
        digest: createHash('sha256').update(data).digest('base64'),
        signature: {
          content: sign('sha256', data, this.#artifactKey).toString('base64'),
          verifier: {
            publicKey: { rawBytes: this.#artifactSpki },
            keyDetails: 'PKIX_ECDSA_P256_SHA_256',
          },
        },
      },
    });
  }

  async #ask(log: LogName, url: string, body: string): Promise<keyof Tally> {
    const answer = await this.#send(url, body);
    if (answer === undefined) {
      await this.#ledger.note({ kind: 'silence', log });
      return 'silent';
    }
    await this.#ledger.note({ kind: 'answer', log, ...answer, at: this.#position() });
    return answer.status === 200 || answer.status === 201 ? 'granted' : 'refused';
  }

  #position(): number | undefined {
    return this.#record === undefined ? undefined : statSync(this.#record, { throwIfNoEntry: false })?.size;
  }

  /** Undefined where the connection was refused or broke off, or nothing came in time. */
  #send(url: string, body: string | undefined): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body ?? '') };
      const options = { agent: this.#pool, signal: AbortSignal.timeout(TIMEOUT) };
      const silent = (): void => {
        resolve(undefined);
      };
      httpRequest(
        url,
        { ...options, ...(body === undefined ? {} : { method: 'POST', headers }) },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => (text += part));
          response.on('error', silent).on('end', () => {
            const retryAfter = response.headers['retry-after'];
            resolve({ status: response.statusCode ?? 0, retryAfter, body: text });
          });
        },
      )
        .on('error', silent)
        .end(body);
    });
  }
}

/** Where each log is read over HTTP. */
export const logUrls = ({ url, logUrl }: ServiceAddress): Readonly<Record<LogName, string>> => ({
  certificates: logUrl,
  artifacts: `${url}/api/v2`,
});

const headUrls = (replica: ServiceAddress): Readonly<Record<LogName, string>> => {
  const { certificates, artifacts } = logUrls(replica);
  return { certificates: `${certificates}/checkpoint`, artifacts: `${artifacts}/checkpoint` };
};
