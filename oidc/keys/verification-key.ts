import { importJWK } from 'jose';
import type { CryptoKey, JWK } from 'jose';
import { fromBase64Url } from '../../core/bytes.ts';
import { printable } from '../../core/printable.ts';
import { rsaWeakness } from '../../core/rsa-weakness.ts';
import type { Algorithm } from '../core/algorithms.ts';
import { claim } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import { ModulusJudge } from './modulus-judge.ts';
import { flawOf } from './key-flaws.ts';
import type { KeyFlaw } from './key-flaws.ts';
import { kindOf } from './key-kinds.ts';
import { importedKey } from './signature-check.ts';
import type { ImportedKey } from './signature-check.ts';

/** A public key of an issuer. Imported once for each algorithm, when a token first needs it. */
export class VerificationKey {
  readonly keyId: string | undefined;
  /** With which it may verify; never none. */
  readonly algorithms: readonly Algorithm[];
  readonly #jwk: JWK;
  #isSound: boolean | Promise<boolean> | undefined;
  readonly #imported = new Map<Algorithm, Promise<ImportedKey | undefined>>();

  constructor(keyId: string | undefined, jwk: JWK, algorithms: readonly Algorithm[]) {
    this.keyId = keyId;
    this.#jwk = jwk;
    this.algorithms = algorithms;
  }

  /** Whether a token with this algorithm and key id may be verified with this key. A token without key id fits every
   * key of its algorithm. */
  fits(algorithm: Algorithm, keyId: string | undefined): boolean {
    return (keyId === undefined || keyId === this.keyId) && this.algorithms.includes(algorithm);
  }

  /** The key, ready for `algorithm`; undefined when its numbers make no key, or one that is known to be weak. */
  import(algorithm: Algorithm): Promise<ImportedKey | undefined> {
    let key = this.#imported.get(algorithm);
    if (key === undefined) {
      // The JWK has no secret and is no `oct` key, so that the importer never returns plain bytes.
      // Weakness is checked here, not for each key of a set, because the check takes 0.2 ms.
      key = isBroken(this.#jwk)
        ? Promise.resolve(undefined)
        : importJWK(this.#jwk, algorithm).then(
            (made) => importedKey(made as CryptoKey),
            () => undefined,
          );
      this.#imported.set(algorithm, key);
    }
    return key;
  }

  /** Whether a valid signature proves anything: not with an RSA modulus that anybody can factor. The first call takes
   * milliseconds, later ones nothing. */
  isSound(): boolean | Promise<boolean> {
    const { n } = this.#jwk;
    if (n === undefined) return true;
    this.#isSound ??= JUDGE.weaknessOf(fromBase64Url(n)).then(
      (weakness) => (this.#isSound = weakness === undefined),
      (error: unknown) => {
        this.#isSound = undefined;
        throw error;
      },
    );
    return this.#isSound;
  }
}

/** One for all issuers: they have few keys, and each is judged once. */
const JUDGE = new ModulusJudge();

const isBroken = ({ n }: JWK): boolean => n !== undefined && rsaWeakness(fromBase64Url(n)) !== undefined;

/** A member of a key set that verifies nothing here. */
export interface SkippedKey extends KeyFlaw {
  readonly keyId: string | undefined;
  /** `key "2026-11"`, or by its index where it has no id; may be shown to people. */
  readonly name: string;
}

/** The key that one member of a JWKS describes, or why it is none that may verify a token: another use, another kind, a
 * symmetric key, RSA that is too short, a spelling that is wrong. An issuer may publish such keys, so they are skipped, not
 * refused. `index` is its index in the set, from 0. */
export function readVerificationKey(jwk: unknown, index: number): VerificationKey | SkippedKey {
  const isObject = typeof jwk === 'object' && jwk !== null && !Array.isArray(jwk);
  const members = isObject ? (jwk as Claims) : {};
  const id = claim(members, 'kid');
  const keyId = typeof id === 'string' ? id : undefined;
  const kind = kindOf(members);
  const flaw = isObject ? flawOf(members, kind) : { why: 'it is not a JSON object', isFault: true };
  if (flaw !== undefined || kind === undefined)
    return { keyId, name: nameOf(keyId, index), why: 'it is of no known kind', isFault: true, ...flaw };
  const declared = claim(members, 'alg');
  const algorithms = kind.algorithms.filter((name) => declared === undefined || declared === name);
  const bare = Object.fromEntries(
    [...kind.texts, ...kind.numbers].map((name) => [name, claim(members, name)]),
  );
  return new VerificationKey(keyId, bare, algorithms);
}

const MAX_SHOWN = 100;

/** The name of a key in messages. */
function nameOf(keyId: string | undefined, index: number): string {
  if (keyId === undefined) return `key ${index + 1} of the set`;
  return `key ${printable(JSON.stringify(keyId.length > MAX_SHOWN ? `${keyId.slice(0, MAX_SHOWN)}…` : keyId))}`;
}
