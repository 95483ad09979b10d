/** What verifiers and signing clients are given, over HTTP: the files of `mayfly trust export`, and a list of them. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Reply } from '../http/exchange.ts';

/** Where the files are served; the list is at the path itself. */
export const TRUST_PATH = '/trust/';

/** The files of a moment, by name. The same map as before says that nothing has changed. */
export interface TrustFiles {
  current(): Promise<ReadonlyMap<string, Uint8Array>>;
}

/** Looks up whole names: what is asked for is never a path. */
export class TrustReplies {
  readonly #source: TrustFiles;
  #made: { readonly of: ReadonlyMap<string, Uint8Array>; readonly files: Served } | undefined;

  constructor(source: TrustFiles) {
    this.#source = source;
  }

  /** The answer for a path below {@link TRUST_PATH}; undefined where there is nothing. Rejects where the files cannot be read. */
  async replyTo(path: string, request: IncomingMessage): Promise<Reply | undefined> {
    const files = await this.#source.current();
    if (this.#made?.of !== files) this.#made = { of: files, files: withIndex(files) };
    const file = this.#made.files.get(path.slice(TRUST_PATH.length));
    if (file === undefined) return undefined;
    const { contentType, body, etag } = file;
    // The body of a 304 is not sent; its length is that of the answer that the client has.
    const status = request.headers['if-none-match'] === etag ? 304 : 200;
    return { status, contentType, body, headers: [...HEADERS, 'ETag', etag] };
  }
}

type Served = ReadonlyMap<
  string,
  { readonly contentType: string; readonly body: Uint8Array; readonly etag: string }
>;

/** Asked again each time, so that a successor is seen as soon as it is there, and files that belong together are of one moment. */
const HEADERS = ['Cache-Control', 'no-cache', 'X-Content-Type-Options', 'nosniff'];

function withIndex(files: ReadonlyMap<string, Uint8Array>): Served {
  const list = [...files].map(([name, body]) => ({ name, size: body.length, sha256: sha256(body) }));
  const all = new Map(files)
    .set(
      '',
      Buffer.from(`Whom to trust, and where to sign:\n\n${list.map(({ name }) => `  ${name}\n`).join('')}`),
    )
    .set('index.json', Buffer.from(`${JSON.stringify({ files: list }, undefined, 2)}\n`));
  return new Map(
    [...all].map(([name, body]) => [
      name,
      { body, contentType: contentTypeOf(name), etag: `"${sha256(body).slice(0, 32)}"` },
    ]),
  );
}

const sha256 = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex');

const TEXT = 'text/plain; charset=utf-8';
const CONTENT_TYPES: readonly (readonly [ending: string, contentType: string])[] = [
  ['.json', 'application/json'],
  ['.pub.pem', TEXT],
  ['.pem', 'application/pem-certificate-chain'],
  ['.p7b', 'application/x-pkcs7-certificates'],
  ['.p12', 'application/x-pkcs12'],
];

const contentTypeOf = (name: string): string =>
  CONTENT_TYPES.find(([ending]) => name.endsWith(ending))?.[1] ?? TEXT;
