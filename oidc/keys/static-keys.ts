/** Keys that the operator hands over, for an issuer that cannot or must not be asked. */
import { claim } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import { DefinitionError } from '../core/definition-error.ts';
import type { StaticKeySet } from '../core/issuer-definition.ts';
import type { KeyProvider, KeySnapshot } from './issuer-keys.ts';
import { algorithmsOf } from './accepted-algorithms.ts';
import { KeySet, MAX_KEYS } from './key-set.ts';
import { fileFault, readNamedFile } from './named-file.ts';

/** Largest file that is read, in bytes. */
const MAX_FILE = 512 * 1024;

/** Keys that never change. Their algorithms are all that are accepted. */
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

/** The JWK Set (RFC 7517 §5) that an issuer block of `issuer` names, as JSON: a file is read now, at most {@link MAX_FILE} bytes
 * of it. Throws {@link DefinitionError}. */
export function readStaticKeySet(source: StaticKeySet, issuer: string): unknown {
  if (source.kind === 'inline') return source.jwks;
  const { path } = source;
  const file = { path, field: 'jwks-file', issuer, size: MAX_FILE, hint: HINT };
  const text = readNamedFile(file);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw fileFault(file, `${path} is not JSON`);
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
  const keys = new KeySet(list);
  if (keys.keys.length > 0) return new StaticKeys({ algorithms: algorithmsOf(keys), keys });
  const [first] = keys.skipped;
  const why = first === undefined ? '' : ` (${first.name}: ${first.why})`;
  throw fault(issuer, field, `the key set of ${issuer} has no key that can verify a token${why}`);
}

/** Members of a JWK that are secret (RFC 7518 §6). */
const SECRETS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

// An operator who hands over the issuer's private key by mistake must learn of it: there is one more copy of it now.
function refuseSecret(jwk: unknown, index: number, field: string, issuer: string): void {
  if (typeof jwk !== 'object' || jwk === null) return;
  const members = jwk as Claims;
  if (claim(members, 'kty') !== 'oct' && SECRETS.every((name) => claim(members, name) === undefined)) return;
  const what = claim(members, 'kty') === 'oct' ? 'a symmetric key' : 'a private key';
  const sentence = `key ${index + 1} of the key set of ${issuer} is ${what}; only public keys belong here`;
  const hint =
    'Leave out its secret members, as the issuer does in its own JWKS. Anyone who has the secret can make tokens: ' +
    'replace the key if this file was not meant to hold it.';
  throw fault(issuer, field, sentence, hint);
}

const HINT =
  'It is an object with a list "keys" of public keys, as the issuer itself would publish it (RFC 7517).';

const fault = (issuer: string, field: string, sentence: string, hint = HINT): DefinitionError =>
  new DefinitionError('FIELD_INVALID', sentence, { hint, metadata: { issuer, field } });
