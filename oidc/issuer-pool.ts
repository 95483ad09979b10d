import { X509Certificate } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { decodePem } from '../core/pem.ts';
import { DefinitionError } from './definition-error.ts';
import { createDocumentFetcher } from './fetch-document.ts';
import type { DocumentFetcher } from './fetch-document.ts';
import type { IssuerDefinition } from './issuer-definition.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { compileIssuer } from './issuer-types.ts';
import type { PrincipalReader } from './issuer-types.ts';
import type { TokenPolicy } from './verify-token.ts';
import { WaitingRoom } from './waiting-room.ts';

/** An issuer with all that its tokens need, prepared once. */
export interface Issuer {
  readonly definition: IssuerDefinition;
  readonly policy: TokenPolicy;
  readonly principalOf: PrincipalReader;
}

/** What an {@link IssuerPool} needs beside the definitions. */
export interface IssuerPoolOptions {
  readonly clock: Clock;
  /** Makes the fetcher for issuers with these extra certificates (PEM); default over the network. */
  readonly createFetcher?: ((caCert: string | undefined) => DocumentFetcher) | undefined;
  /** For each document of an issuer, in milliseconds; default 10 s. */
  readonly timeout?: number | undefined;
}

/** The issuers by their URL. Finding one costs the same however many there are. */
export class IssuerPool {
  readonly #issuers = new Map<string, Issuer>();
  /** One for each set of extra certificates: issuers that share it share connections. */
  readonly #fetchers = new Map<string | undefined, DocumentFetcher>();
  readonly #room = new WaitingRoom();
  readonly #options: IssuerPoolOptions;

  /** Throws {@link DefinitionError}. */
  constructor(definitions: readonly IssuerDefinition[], options: IssuerPoolOptions) {
    this.#options = options;
    for (const definition of definitions) this.#add(definition);
  }

  /** The issuer of that very URL. An issuer that is described by a pattern would be found here, after the exact ones. */
  find(url: string): Issuer | undefined {
    return this.#issuers.get(url);
  }

  /** All of them, in the order of their definitions. */
  all(): Issuer[] {
    return [...this.#issuers.values()];
  }

  /** Closes the connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#fetchers.values()].map((fetcher) => fetcher.close()));
  }

  #add(definition: IssuerDefinition): void {
    const { url, audience } = definition;
    checkUrl(url);
    if (this.#issuers.has(url)) {
      throw definitionError('ISSUER_DUPLICATE', url, 'url', `the issuer ${url} is defined twice`);
    }
    if (audience === '')
      throw definitionError('FIELD_MISSING', url, 'client-id', `the issuer ${url} has no client-id`);
    const principalOf = compileIssuer(definition);
    const { clock, timeout } = this.#options;
    const { fetch } = this.#fetcherFor(definition);
    const policy = {
      issuer: url,
      audience,
      clock,
      keys: new IssuerKeys({ issuer: url, fetch, clock, timeout, room: this.#room }),
    };
    this.#issuers.set(url, { definition, policy, principalOf });
  }

  #fetcherFor({ caCert, url }: IssuerDefinition): DocumentFetcher {
    const trust = caCert === '' ? undefined : caCert;
    let fetcher = this.#fetchers.get(trust);
    if (fetcher === undefined) {
      if (trust !== undefined) checkCertificates(trust, url);
      fetcher = (this.#options.createFetcher ?? createDocumentFetcher)(trust);
      this.#fetchers.set(trust, fetcher);
    }
    return fetcher;
  }
}

function definitionError(
  code: 'ISSUER_DUPLICATE' | 'FIELD_MISSING' | 'FIELD_INVALID',
  issuer: string,
  field: string,
  sentence: string,
): DefinitionError {
  return new DefinitionError(code, sentence, { metadata: { issuer, field } });
}

function checkUrl(text: string): void {
  const url = URL.parse(text);
  const usable = url !== null && ['https:', 'http:'].includes(url.protocol);
  if (usable && url.username === '' && url.password === '' && !/[?#\s]/.test(text)) return;
  throw new DefinitionError('FIELD_INVALID', `"${text}" is not the URL of an issuer`, {
    hint: 'It is the "iss" of the tokens: https://host/path without user, query and fragment.',
    metadata: { issuer: text, field: 'issuer-url' },
  });
}

function checkCertificates(pem: string, issuer: string): void {
  try {
    const blocks = decodePem(pem).filter(({ label }) => label === 'CERTIFICATE');
    for (const { bytes } of blocks) new X509Certificate(bytes);
    if (blocks.length > 0) return;
  } catch {
    // Said below, in the words that Fulcio's users know.
  }
  throw definitionError(
    'FIELD_INVALID',
    issuer,
    'ca-cert',
    `failed to parse CA certificate for issuer ${issuer}`,
  );
}
