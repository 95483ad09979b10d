/** `pkcs11:` URIs (RFC 7512) that name one private key of a token. */

import { isUtf8 } from 'node:buffer';

/** A private key of a PKCS#11 token. What is not given matches everything. */
export interface Pkcs11Reference {
  readonly kind: 'pkcs11';
  readonly uri: string;
  /** Label of the token. */
  readonly token: string | undefined;
  readonly manufacturer: string | undefined;
  readonly model: string | undefined;
  readonly serial: string | undefined;
  readonly slotId: number | undefined;
  /** CKA_LABEL of the key. */
  readonly object: string | undefined;
  /** CKA_ID of the key. At least one of the two is given. */
  readonly id: Uint8Array | undefined;
  /** Path of the PKCS#11 library. */
  readonly modulePath: string | undefined;
  /** Name of the library without directory, `lib` and ending. */
  readonly moduleName: string | undefined;
  /** Path of the file whose first line is the PIN. */
  readonly pinSource: string | undefined;
}

/** Why a URI names no such key, and what to do. */
interface UriFault {
  readonly fault: string;
  readonly hint: string;
}

const PATH = ['token', 'manufacturer', 'model', 'serial', 'slot-id', 'object', 'id', 'type'] as const;
const QUERY = ['module-path', 'module-name', 'pin-source', 'pin-value'] as const;

type PathName = (typeof PATH)[number];
type QueryName = (typeof QUERY)[number];

/** The key that a URI names, or what is wrong with it. A fault holds no value of the URI: that may be a PIN. */
export function parsePkcs11Uri(uri: string): Pkcs11Reference | UriFault {
  const [path = '', query, ...rest] = uri.slice('pkcs11:'.length).split('?');
  if (rest.length > 0) return fault('has more than one "?"', 'Write a "?" inside a value as %3F.');
  const attributes = readAttributes<PathName>(path, ';', PATH);
  if ('fault' in attributes) return attributes;
  const parameters = readAttributes<QueryName>(query ?? '', '&', QUERY);
  if ('fault' in parameters) return parameters;
  return referenceOf(uri, attributes, parameters);
}

function referenceOf(
  uri: string,
  path: ReadonlyMap<PathName, Buffer>,
  query: ReadonlyMap<QueryName, Buffer>,
): Pkcs11Reference | UriFault {
  if (query.has('pin-value'))
    return fault('holds a PIN, which everybody who sees the URI would know', PIN_IN_FILE);
  const text = (value: Buffer | undefined): string | undefined => value?.toString('utf8');
  const [slot, type, pinSource] = [
    text(path.get('slot-id')),
    text(path.get('type')),
    text(query.get('pin-source')),
  ];
  if (slot !== undefined && !/^\d{1,10}$/.test(slot)) return fault('has a slot-id that is no number', SYNTAX);
  if (type !== undefined && type !== 'private')
    return fault('names no private key', 'Leave type out, or write type=private.');
  if (!path.has('object') && !path.has('id'))
    return fault('names no key', 'Add object=LABEL or id=%XX… of the key.');
  if (pinSource?.startsWith('|') === true) return fault('has a program as its pin-source', PIN_IN_FILE);
  return {
    kind: 'pkcs11',
    uri,
    token: text(path.get('token')),
    manufacturer: text(path.get('manufacturer')),
    model: text(path.get('model')),
    serial: text(path.get('serial')),
    slotId: slot === undefined ? undefined : Number(slot),
    object: text(path.get('object')),
    id: path.get('id'),
    modulePath: text(query.get('module-path')),
    moduleName: text(query.get('module-name')),
    pinSource: pinSource?.replace(/^file:(?:\/\/(?=\/))?/, ''),
  };
}

const PIN_IN_FILE =
  'Put the PIN into a file that only the service may read, and name that: pin-source=/path/of/the/file.';
const SYNTAX =
  'Write pkcs11:token=LABEL;object=LABEL?module-path=/path/of/library.so&pin-source=/path/of/pin.';

const fault = (what: string, hint: string): UriFault => ({ fault: `the pkcs11: URI ${what}`, hint });

/** `name=value` pairs, each at most once, with percent-encoding undone. */
function readAttributes<Name extends string>(
  text: string,
  separator: string,
  known: readonly Name[],
): ReadonlyMap<Name, Buffer> | UriFault {
  const found = new Map<Name, Buffer>();
  for (const pair of text === '' ? [] : text.split(separator)) {
    const equals = pair.indexOf('=');
    const name = known.find((one) => one === pair.slice(0, equals));
    if (name === undefined) {
      const written = /^[a-z0-9-]{1,32}(?==)/.exec(pair)?.[0];
      const which = written === undefined ? 'that is none' : `that is not understood: ${written}`;
      return fault(
        `has an attribute ${which}`,
        `Known are ${known.filter((one) => one !== 'pin-value').join(', ')}.`,
      );
    }
    if (found.has(name)) return fault(`has ${name} twice`, SYNTAX);
    const value = decoded(pair.slice(equals + 1));
    if (value === undefined || value.length === 0 || (name !== 'id' && !isText(value)))
      return fault(
        `has a ${name} that is empty or wrongly encoded`,
        'Write bytes beside letters, digits and -._~ as %XX.',
      );
    found.set(name, value);
  }
  return found;
}

/** What RFC 7512 lets stand as it is, of `pk11-path-res-avail` and `pk11-query-res-avail`. */
const PLAIN = /^[A-Za-z0-9\-._~:[\]@!$'()*+,=&/?|]$/;

/** UTF-8 without a zero byte, which would end the string in C. */
const isText = (value: Buffer): boolean => isUtf8(value) && !value.includes(0);

/** Undefined for what is not encoded as the RFC says. */
function decoded(value: string): Buffer | undefined {
  const bytes: number[] = [];
  for (const [part] of value.matchAll(/%[0-9A-Fa-f]{2}|[\s\S]/g)) {
    if (part.length === 3) bytes.push(parseInt(part.slice(1), 16));
    else if (PLAIN.test(part)) bytes.push(part.charCodeAt(0));
    else return undefined;
  }
  return Buffer.from(bytes);
}
