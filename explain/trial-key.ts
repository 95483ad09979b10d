/** Keys that are made, proven and thrown away, so that checks of a real key can be tried without one. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { proveKey, type ProvenKey } from '../ca/possession.ts';
import type { KeyDemands } from '../ca/issuance-policy.ts';
import type { ClientKeyType } from '../ca/signing-algorithms.ts';
import { utf8 } from '../core/bytes.ts';
import type { Principal } from '../oidc/core/principal.ts';

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const rsa = (modulusLength: number) => (): Pair => generateKeyPairSync('rsa', { modulusLength });
const ec = (namedCurve: string) => (): Pair => generateKeyPairSync('ec', { namedCurve });

/** How a key of each type is made, and with which hash it proves itself. */
const TYPES: Readonly<Record<ClientKeyType, readonly [make: () => Pair, hash: string | null]>> = {
  'P-256': [ec('P-256'), 'sha256'],
  'P-384': [ec('P-384'), 'sha384'],
  'P-521': [ec('P-521'), 'sha512'],
  'RSA-2048': [rsa(2048), 'sha256'],
  'RSA-3072': [rsa(3072), 'sha256'],
  'RSA-4096': [rsa(4096), 'sha256'],
  Ed25519: [() => generateKeyPairSync('ed25519'), null],
};

/** The names of the types. */
export const KEY_TYPES = Object.keys(TYPES) as readonly ClientKeyType[];

/** Makes each key once, when it is asked for. */
export class TrialKeys {
  readonly #pairs = new Map<ClientKeyType, Pair>();

  /** A key that `principal` has proven. Throws `RequestError` for one that `demands` does not permit. */
  prove(type: ClientKeyType, principal: Principal, demands: KeyDemands): ProvenKey {
    const [make, hash] = TYPES[type];
    const pair = this.#pairs.get(type) ?? make();
    this.#pairs.set(type, pair);
    const content = pair.publicKey.export({ type: 'spki', format: 'der' });
    const proof = sign(hash, utf8(principal.challenge), pair.privateKey);
    return proveKey({ kind: 'publicKey', content, proof }, principal, demands);
  }
}
