/**
 * PKCS#11 URIs (RFC 7512), read strictly: what a reader does not know would be a key other than the one that was meant, so it is
 * refused. A PIN in a URI is refused, too: lists of processes, logs and shell histories show URIs.
 */
import { isUtf8 } from 'node:buffer';
import { printable } from '../core/printable.ts';

/** What a token has to be like. Texts are compared without the blanks that tokens fill them up with. */
export interface TokenSelector {
  readonly token?: string;
  readonly manufacturer?: string;
  readonly serial?: string;
  readonly model?: string;
  readonly slotId?: number;
  readonly slotDescription?: string;
  readonly slotManufacturer?: string;
  readonly libraryManufacturer?: string;
  readonly libraryDescription?: string;
  /** `MAJOR` or `MAJOR.MINOR`, as two numbers. */
  readonly libraryVersion?: readonly [major: number, minor: number];
}

/** What a private key has to be like: CKA_LABEL and CKA_ID. */
export interface KeySelector {
  readonly object?: string;
  readonly id?: Uint8Array;
}

/** Where the PIN is. */
export type PinSource =
  | { readonly kind: 'file'; readonly path: string }
  /** A credential of systemd, by its name in `$CREDENTIALS_DIRECTORY`. */
  | { readonly kind: 'credential'; readonly name: string };

/** Where the library is: a file, a folder with a name in it, or a name in the folders of the system. */
export interface ModuleLocation {
  /** Absolute. */
  readonly path?: string;
  readonly name?: string;
}

/** A private key of a PKCS#11 token. What is not given matches everything. */
export interface Pkcs11Reference {
  readonly kind: 'pkcs11';
  readonly uri: string;
  readonly module: ModuleLocation;
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly pinSource?: PinSource;
}

/** Why a URI names no such key, and what to do. */
interface UriFault {
  readonly fault: string;
  readonly hint: string;
}

/** CKA_ID is short everywhere; RFC 7512 has no limit. */
const MAX_ID = 256;

/** RFC 7512 §2.3: what may stand as it is in a value of the path, and in one of the query. */
const PATH_VALUE = /^[\w\-.~:[\]@!$'()*+,=&%]*$/;
const QUERY_VALUE = /^[\w\-.~:[\]@!$'()*+,=/?|%]*$/;

const EXAMPLE =
  'Such as pkcs11:token=mayfly;object=ca?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/mayfly/pin';

/** In RFC 7512 an empty path, and an empty query, have no attribute; anything else between separators is one. */
function partsOf(uri: string): { readonly path: readonly string[]; readonly query: readonly string[] } {
  const rest = uri.slice('pkcs11:'.length);
  const at = rest.indexOf('?');
  const split = (part: string, separator: string): readonly string[] =>
    part === '' ? [] : part.split(separator);
  if (at < 0) return { path: split(rest, ';'), query: [] };
  return { path: split(rest.slice(0, at), ';'), query: split(rest.slice(at + 1), '&') };
}

/** The key that a URI names, or what is wrong with it. A fault holds no value of the URI: that may be a PIN. */
export function parsePkcs11Uri(uri: string): Pkcs11Reference | UriFault {
  try {
    const { path, query } = partsOf(uri);
    const fields = new Fields();
    for (const part of path) fields.add(part, PATH_ATTRIBUTES, PATH_VALUE, 'path');
    for (const part of query) fields.add(part, QUERY_ATTRIBUTES, QUERY_VALUE, 'query');
    return referenceOf(uri, fields);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { fault: error.message, hint: error.hint };
  }
}

/** What {@link parsePkcs11Uri} ends with. */
class Refusal extends Error {
  readonly hint: string;

  constructor(what: string, hint = EXAMPLE) {
    super(`the pkcs11: URI ${what}`);
    this.hint = hint;
  }
}

const PIN_HINT =
  'Write the PIN into a file of its own and name that: pin-source=/path/of/the/file. Then change the PIN, if this URI was used anywhere.';

const PATH_ATTRIBUTES: ReadonlySet<string> = new Set([
  ...['token', 'manufacturer', 'serial', 'model', 'slot-id', 'slot-description', 'slot-manufacturer'],
  ...['library-manufacturer', 'library-description', 'library-version', 'object', 'id', 'type'],
]);
const QUERY_ATTRIBUTES: ReadonlySet<string> = new Set(['module-path', 'module-name', 'pin-source']);

/** The attributes of one URI, decoded. */
class Fields {
  readonly #values = new Map<string, Uint8Array>();

  add(part: string, known: ReadonlySet<string>, allowed: RegExp, where: 'path' | 'query'): void {
    const at = part.indexOf('=');
    const name = at < 0 ? part : part.slice(0, at);
    if (name === 'pin-value')
      throw new Refusal('has a PIN in it, which lists of processes, logs and histories show', PIN_HINT);
    if (at < 0 || name === '') throw new Refusal(`has something in its ${where} that is not NAME=VALUE`);
    if (!known.has(name)) throw this.#unknown(name, where);
    if (this.#values.has(name)) throw new Refusal(`has ${name} twice`);
    const value = part.slice(at + 1);
    if (!allowed.test(value)) throw this.#unfit(name, value, allowed);
    this.#values.set(name, this.#decoded(name, value));
  }

  /** The bytes of an attribute. */
  bytes(name: string): Uint8Array | undefined {
    return this.#values.get(name);
  }

  /** The text of an attribute. */
  string(name: string): string | undefined {
    const bytes = this.#values.get(name);
    if (bytes === undefined) return undefined;
    const text = Buffer.from(bytes);
    // A zero byte would end the string in C.
    if (!isUtf8(text) || text.includes(0)) throw new Refusal(`has a ${name} that is no text in UTF-8`);
    return text.toString('utf8');
  }

  #unknown(name: string, where: 'path' | 'query'): Refusal {
    if ((where === 'path' ? QUERY_ATTRIBUTES : PATH_ATTRIBUTES).has(name))
      return new Refusal(
        where === 'path'
          ? `has ${name} in its path: it stands behind the question mark`
          : `has ${name} behind the question mark: it stands before it, after a semicolon`,
      );
    const all = [...(where === 'path' ? PATH_ATTRIBUTES : QUERY_ATTRIBUTES)].join(', ');
    const shown = /^[a-z-]{1,32}$/i.test(name) ? ` "${name}"` : '';
    return new Refusal(
      `has an attribute${shown} in its ${where}, which is not known`,
      `Known there: ${all}.`,
    );
  }

  #unfit(name: string, value: string, allowed: RegExp): Refusal {
    const char = Array.from(value).find((one) => !allowed.test(one)) ?? '';
    const encoded = encodeURIComponent(char.isWellFormed() ? char : '\uFFFD');
    const code = encoded === char ? `%${(char.codePointAt(0) ?? 0).toString(16).toUpperCase()}` : encoded;
    return new Refusal(`has "${printable(char)}" in its ${name}`, `Write it as ${code}.`);
  }

  #decoded(name: string, value: string): Uint8Array {
    const out: number[] = [];
    for (let at = 0; at < value.length; at++) {
      if (value[at] !== '%') {
        out.push(value.charCodeAt(at));
        continue;
      }
      const digits = value.slice(at + 1, at + 3);
      if (!/^[\da-f]{2}$/i.test(digits))
        throw new Refusal(
          `has a "%" in its ${name} without two hexadecimal digits behind it`,
          'Write a percent sign itself as %25.',
        );
      out.push(parseInt(digits, 16));
      at += 2;
    }
    return Uint8Array.from(out);
  }
}

function referenceOf(uri: string, fields: Fields): Pkcs11Reference {
  const type = fields.string('type');
  if (type !== undefined && type !== 'private')
    throw new Refusal('names no private key', 'Leave type out, or write type=private.');
  const pinSource = pinSourceOf(fields);
  return {
    kind: 'pkcs11',
    uri,
    module: moduleOf(fields),
    token: tokenOf(fields),
    key: keyOf(fields),
    ...(pinSource !== undefined && { pinSource }),
  };
}

function moduleOf(fields: Fields): ModuleLocation {
  const path = fields.string('module-path');
  const name = fields.string('module-name');
  if (path === undefined && name === undefined)
    throw new Refusal('names no module', `Add the path of the token's library. ${EXAMPLE}`);
  // RFC 7512 §2.4 and §5: a relative path would find another library in another directory.
  if (path !== undefined && !path.startsWith('/'))
    throw new Refusal('has a module-path that is not absolute');
  if (name !== undefined && !/^[\w.+-]+$/.test(name))
    throw new Refusal(
      'has a module-name that is a path',
      'The name is the library\'s without "lib" and ".so": softhsm2. Name a path by module-path.',
    );
  return { ...(path !== undefined && { path }), ...(name !== undefined && { name }) };
}

/** Attribute → member, for texts. */
const TOKEN_TEXTS = [
  ['token', 'token'],
  ['manufacturer', 'manufacturer'],
  ['serial', 'serial'],
  ['model', 'model'],
  ['slot-description', 'slotDescription'],
  ['slot-manufacturer', 'slotManufacturer'],
  ['library-manufacturer', 'libraryManufacturer'],
  ['library-description', 'libraryDescription'],
] as const;

function tokenOf(fields: Fields): TokenSelector {
  const texts = TOKEN_TEXTS.flatMap(([attribute, member]) => {
    const value = fields.string(attribute);
    return value === undefined ? [] : [[member, value] as const];
  });
  const slotId = fields.string('slot-id');
  if (slotId !== undefined && !/^\d{1,15}$/.test(slotId))
    throw new Refusal('has a slot-id that is no decimal number');
  const version = fields.string('library-version');
  const [, major, minor = '0'] = /^(\d{1,3})(?:\.(\d{1,3}))?$/.exec(version ?? '') ?? [];
  if (version !== undefined && major === undefined)
    throw new Refusal('has a library-version that is not MAJOR.MINOR');
  return {
    ...Object.fromEntries(texts),
    ...(slotId !== undefined && { slotId: Number(slotId) }),
    ...(major !== undefined && { libraryVersion: [Number(major), Number(minor)] as const }),
  };
}

function keyOf(fields: Fields): KeySelector {
  const object = fields.string('object');
  const id = fields.bytes('id');
  if (id !== undefined && (id.length === 0 || id.length > MAX_ID))
    throw new Refusal(`has an id that is not 1 to ${MAX_ID} bytes long`);
  return { ...(object !== undefined && { object }), ...(id !== undefined && { id }) };
}

const SOURCES =
  'A file: pin-source=/etc/mayfly/pin or pin-source=file:/etc/mayfly/pin. A credential of systemd: pin-source=credential:pin for LoadCredential=pin:…. Without pin-source, a command asks on the terminal.';

function pinSourceOf(fields: Fields): PinSource | undefined {
  const source = fields.string('pin-source');
  if (source === undefined) return undefined;
  if (source.startsWith('|'))
    throw new Refusal('would have a program run for its PIN, which is not done', SOURCES);
  const [, name] = /^credential:([\w.@+-]{1,255})$/.exec(source) ?? [];
  if (name !== undefined && name !== '.' && name !== '..') return { kind: 'credential', name };
  // RFC 8089: `file:/path`, `file:///path` and `file://localhost/path` are the same.
  const [, ofUri] = /^file:(?:\/\/(?:localhost)?)?(\/[^/].*)$/i.exec(source) ?? [];
  const path = ofUri ?? (source.startsWith('/') ? source : undefined);
  if (path === undefined)
    throw new Refusal('has a pin-source that is neither an absolute path nor a credential', SOURCES);
  return { kind: 'file', path };
}
