/** Keys that the operator hands over, for an issuer that cannot or must not be asked. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { Algorithm } from '../algorithms.ts';
import { claim } from '../claims.ts';
import type { Claims } from '../claims.ts';
import { DefinitionError } from '../definition-error.ts';
import type { StaticKeySet } from '../issuer-definition.ts';
import type { KeyProvider, KeySnapshot } from './issuer-keys.ts';
import { KeySet, MAX_KEYS } from './jwks.ts';
import { readVerificationKey } from './verification-key.ts';

/** Largest file that is read, in bytes. */
const MAX_FILE = 512 * 1024;

/** The same keys for ever; another configuration has others. Its algorithms are those of the keys. */
export class StaticKeys implements KeyProvider {
  readonly #snapshot: Promise<KeySnapshot>;

  constructor(snapshot: KeySnapshot) {
    this.#snapshot = Promise.resolve(snapshot);
  }

  current(): Promise<KeySnapshot> {
    return this.#snapshot;
  }

  newerThan(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}

/** The JWK Set (RFC 7517 §5) that an entry of `issuer` names, as JSON: a file is read now, at most {@link MAX_FILE} bytes
 * of it. Throws {@link DefinitionError}. */
export function readStaticKeySet(source: StaticKeySet, issuer: string): unknown {
  if (source.kind === 'inline') return source.jwks;
  const text = readText(source.path, issuer);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw fault(issuer, 'jwks-file', `${source.path} is not JSON`);
  }
}

/** The keys of a JWK Set that an operator wrote. Throws {@link DefinitionError}, for a private or symmetric key too. */
export function staticKeys(jwks: unknown, source: StaticKeySet, issuer: string): StaticKeys {
  const field = source.kind === 'inline' ? 'jwks' : 'jwks-file';
  const isObject = typeof jwks === 'object' && jwks !== null && !Array.isArray(jwks);
  const list = isObject ? claim(jwks as Claims, 'keys') : undefined;
  if (!Array.isArray(list))
    throw fault(issuer, field, `the keys of ${issuer} are not a JWK Set: no list "keys"`);
  if (list.length > MAX_KEYS)
    throw fault(issuer, field, `the key set of ${issuer} has more than ${MAX_KEYS} keys`);
  for (const [index, jwk] of list.entries()) refuseSecret(jwk, index, field, issuer);
  const keys = list.map(readVerificationKey).filter((key) => key !== undefined);
  if (keys.length === 0)
    throw fault(issuer, field, `the key set of ${issuer} has no key that can verify a token`);
  const algorithms = new Set<Algorithm>(keys.flatMap((key) => key.algorithms));
  return new StaticKeys({ algorithms, keys: new KeySet(keys) });
}

/** Members of a JWK that are secret (RFC 7518 §6). */
const SECRETS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

// An operator who hands over the issuer's private key by mistake must learn it: it has been copied to one place more.
function refuseSecret(jwk: unknown, index: number, field: string, issuer: string): void {
  if (typeof jwk !== 'object' || jwk === null) return;
  const members = jwk as Claims;
  if (claim(members, 'kty') !== 'oct' && SECRETS.every((name) => claim(members, name) === undefined)) return;
  const what = claim(members, 'kty') === 'oct' ? 'a symmetric key' : 'a private key';
  const sentence = `key ${index + 1} of the key set of ${issuer} is ${what}; only public keys belong here`;
  const hint =
    'Leave out its secret members, as the issuer does in its own JWKS. Whoever has the secret can make tokens: ' +
    'replace the key if this file was not meant to hold it.';
  throw fault(issuer, field, sentence, hint);
}

function readText(path: string, issuer: string): string {
  try {
    // Opening a pipe would wait for somebody to write into it.
    if (!statSync(path).isFile()) throw fault(issuer, 'jwks-file', `${path} is not a file`);
    return readAll(path, issuer);
  } catch (error) {
    if (error instanceof DefinitionError) throw error;
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    throw fault(
      issuer,
      'jwks-file',
      `cannot read ${path}: ${code}`,
      'It is named by jwks-file of the entry.',
    );
  }
}

function readAll(path: string, issuer: string): string {
  const file = openSync(path, 'r');
  try {
    if (fstatSync(file).size > MAX_FILE)
      throw fault(issuer, 'jwks-file', `${path} has more than ${MAX_FILE} bytes`);
    const bytes = Buffer.alloc(MAX_FILE);
    let length = 0;
    for (let read = -1; read !== 0 && length < MAX_FILE; length += read)
      read = readSync(file, bytes, length, MAX_FILE - length, null);
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}

const HINT =
  'It is an object with a list "keys" of public keys, as the issuer itself would publish it (RFC 7517).';

const fault = (issuer: string, field: string, sentence: string, hint = HINT): DefinitionError =>
  new DefinitionError('FIELD_INVALID', sentence, { hint, metadata: { issuer, field } });
