/** The service's API as a client uses it. Nothing of an answer is believed before it has the right shape. */
import { MayflyError } from '../../core/errors.ts';
import { shortWords } from './service-words.ts';
import { CommandError } from '../program/command.ts';
import { exchange, requireSafeTransport, type HttpAnswer, type HttpRequest } from './http.ts';
import { printable } from '../../core/printable.ts';
import { RETRY_LIMITS, retryDelay, retrying } from '../../core/retry.ts';

const SERVICE = 'the service';
/** Milliseconds for one answer. */
const RESPONSE_TIMEOUT_MS = 30_000;

/** The service said no. `code` is the reason that it gave, in its own words (`TOKEN_EXPIRED`, …), or
 * `SERVICE_REFUSED`; metadata: `retryAfter` in whole seconds, where it says when to try again, and `unavailable`, the
 * status, where the fault is not the caller's. */
export class ServiceRefusal extends MayflyError {}

/** One issuer whose tokens the service takes. */
export interface OfferedIssuer {
  readonly url: string;
  readonly audience: string;
  readonly type: string;
  readonly challengeClaim: string;
  readonly skipsEmailVerification: boolean;
}

/** What is asked for. */
interface CertificateRequest {
  readonly token: string;
  /** PEM SubjectPublicKeyInfo. */
  readonly publicKey: string;
  readonly proof: Uint8Array;
}

/** A client of the service at a base URL. */
export class ServiceClient {
  readonly #base: URL;
  /** Milliseconds that may still be waited for answers, all together. */
  #waitingMs = 120_000;
  readonly #logToken: string | undefined;

  /** `base` may have a path prefix; `logToken` is shown to the log, where reading it needs one. Throws
   * {@link CommandError} when no token may be sent there. */
  constructor(base: URL, logToken?: string) {
    requireSafeTransport(base, SERVICE);
    this.#logToken = logToken;
    this.#base = new URL(base.href.endsWith('/') ? base.href : `${base.href}/`);
  }

  /** Where the service is, without a slash at the end. */
  get url(): string {
    return this.#base.href.replace(/\/$/, '');
  }

  /** The chain for this token and key: PEM certificates, leaf first. Throws {@link ServiceRefusal}. */
  async requestCertificate(request: CertificateRequest): Promise<readonly string[]> {
    const body = {
      publicKeyRequest: {
        publicKey: { content: request.publicKey },
        proofOfPossession: Buffer.from(request.proof).toString('base64'),
      },
    };
    const answer = await this.#exchange(
      'api/v2/signingCert',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${request.token}` },
        body: JSON.stringify(body),
      },
      delayOfUnread,
    );
    const embedded = field(parsed(answer), 'signedCertificateEmbeddedSct');
    if (embedded === undefined) {
      throw new CommandError('FAILED', 'the certificate came without an embedded proof of logging (SCT)', {
        hint: 'Nothing was written. The service does not log what it issues, or it is not Mayfly.',
      });
    }
    return strings(field(field(embedded, 'chain'), 'certificates'), 'the certificate chain');
  }

  /** The CA chain that the service publishes for itself: PEM, issuing CA first. Only its own word. */
  async trustBundle(): Promise<readonly string[]> {
    const chains = field(parsed(await this.#get('api/v2/trustBundle')), 'chains');
    const first: unknown = Array.isArray(chains) ? chains[0] : undefined;
    return strings(field(first, 'certificates'), 'the trust bundle');
  }

  /** The issuers with an exact URL that the service offers. */
  async issuers(): Promise<readonly OfferedIssuer[]> {
    const issuers = field(parsed(await this.#get('api/v2/configuration')), 'issuers');
    if (!Array.isArray(issuers)) throw strange('the list of issuers');
    return issuers.flatMap((entry) => {
      const url = text(entry, 'issuerUrl');
      if (url === '') return [];
      const offered = { url, audience: text(entry, 'audience'), type: text(entry, 'issuerType') };
      const skips = field(entry, 'skipEmailVerification') === true;
      return [{ ...offered, challengeClaim: text(entry, 'challengeClaim'), skipsEmailVerification: skips }];
    });
  }

  /** What lies under the service's `log/`, e.g. `2026/log.v3.json`, or the list of its logs for the empty path;
   * undefined when there is nothing. */
  async log(path: string): Promise<string | undefined> {
    const answer = await this.#get(`log/${path}`, this.#logToken);
    if (answer.status === 404) return undefined;
    if (answer.status === 401 || answer.status === 403) throw logClosed();
    if (answer.status !== 200) throw refusal(answer);
    return answer.text;
  }

  /** A file for verifiers and signing clients, by its name below `trust/`; undefined when the service has none. Only its own word. */
  async trustFile(name: string): Promise<string | undefined> {
    const answer = await this.#get(`trust/${name}`);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refusal(answer);
    return answer.text;
  }

  async #get(path: string, token?: string): Promise<HttpAnswer> {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return await this.#exchange(path, { headers }, delayOfBusy);
  }

  /** However many files the service leads to, a run ends: what one answer takes, tries again included, the next ones have
   * less. */
  async #exchange(
    path: string,
    request: HttpRequest,
    delayOf: (answer: HttpAnswer) => number | undefined,
  ): Promise<HttpAnswer> {
    const start = performance.now();
    const left = (): number => Math.max(1, Math.ceil(this.#waitingMs - (performance.now() - start)));
    const send = (): Promise<HttpAnswer> =>
      exchange(new URL(path, this.#base), SERVICE, {
        ...request,
        timeoutMs: Math.min(RESPONSE_TIMEOUT_MS, left()),
      });
    const seconds = Math.min(RETRY_LIMITS.seconds, left() / 1000);
    try {
      return await retrying(send, delayOf, { ...RETRY_LIMITS, seconds });
    } finally {
      this.#waitingMs -= performance.now() - start;
    }
  }
}

const delayOfBusy = ({ status, retryAfter }: HttpAnswer): number | undefined =>
  retryDelay(status, retryAfter);

/** Of refusals of a signing request, only the one from before anybody looked at the token: any other may have used the
 * token up, or stands until its sender does something else. */
function delayOfUnread(answer: HttpAnswer): number | undefined {
  const delay = retryDelay(answer.status, answer.retryAfter);
  return delay !== undefined && refusal(answer).code === 'TOO_BUSY' ? delay : undefined;
}

const logClosed = (): CommandError =>
  new CommandError('FAILED', 'the log of the service may not be read by everybody', {
    hint: 'Name a trust directory with --trust DIR, or the access token of the log with --access-token-file FILE.',
  });

/** The JSON of a 2xx answer; throws {@link ServiceRefusal} for every other, and {@link CommandError} for a 404 that no
 * Fulcio wrote. */
function parsed(answer: HttpAnswer): unknown {
  if (answer.status < 200 || answer.status > 299) throw refusal(answer);
  try {
    return JSON.parse(answer.text) as unknown;
  } catch {
    throw strange('an answer');
  }
}

function refusal({ status, text: body, retryAfter }: HttpAnswer): ServiceRefusal | CommandError {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    answer = undefined;
  }
  if (status === 404 && typeof field(answer, 'code') !== 'number') return noService();
  const details = field(answer, 'details');
  const info = (Array.isArray(details) ? details : []).find((one) => text(one, 'reason') !== '') as unknown;
  const metadata = field(info, 'metadata');
  const reason = text(info, 'reason');
  const said = text(answer, 'message') || `status ${status}`;
  const because = text(metadata, 'sentence');
  const requestId = text(metadata, 'requestId') || text(metadata, 'request_id');
  const advice = [text(metadata, 'hint'), requestId === '' ? '' : `(request ${requestId})`]
    .filter(Boolean)
    .join(' ');
  return new ServiceRefusal(
    /^[A-Z][A-Z0-9_]{0,63}$/.test(reason) ? reason : 'SERVICE_REFUSED',
    ['the service says no', shown(said), ...(saysAlready(said, because) ? [] : [shown(because)])].join(': '),
    {
      hint: advice === '' ? undefined : shown(advice),
      metadata: {
        ...(retryAfter === undefined ? {} : { retryAfter: String(retryAfter) }),
        ...(status === 429 || status >= 500 ? { unavailable: String(status) } : {}),
      },
    },
  );
}

/** Whether the message ends with the sentence: that of Mayfly does, that of an older one and of Fulcio does not. */
const saysAlready = (message: string, sentence: string): boolean =>
  printable(message).endsWith(printable(sentence));

/** A service's own words, short and harmless on a terminal. */
const shown = (words: string): string => shortWords(words, 500);

const noService = (): CommandError =>
  new CommandError('FAILED', 'something answers there, but it is no Mayfly or Fulcio (status 404)', {
    hint: 'Check --url: it is the address of the service itself, with the path prefix if it has one.',
  });

const strange = (what: string): CommandError =>
  new CommandError('FAILED', `${what} of the service cannot be understood`, {
    hint: 'Nothing was written. Is --url the address of a Mayfly or Fulcio?',
  });

/** A member of what may be an object. */
function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function text(value: unknown, name: string): string {
  const found = field(value, name);
  return typeof found === 'string' ? found : '';
}

const MAX_CHAIN = 10;

function strings(value: unknown, what: string): readonly string[] {
  const good = Array.isArray(value) && value.length > 0 && value.length <= MAX_CHAIN;
  if (!good || !value.every((one) => typeof one === 'string')) throw strange(what);
  return value;
}
