/** The kinds of keys with which issuers sign. */
import { ALGORITHMS } from '../core/algorithms.ts';
import type { Algorithm } from '../core/algorithms.ts';
import { claim } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';

/** One kind of key that a JWKS may hold. */
export interface KeyKind {
  /** Its name in messages. */
  readonly name: string;
  readonly algorithms: readonly Algorithm[];
  /** The members of the JWK that are numbers in base64url. */
  readonly numbers: readonly string[];
  /** Further members that the public key needs; nothing else is handed to the importer. */
  readonly texts: readonly string[];
}

const ec = (curve: string, algorithm: Algorithm): KeyKind => ({
  name: `EC ${curve}`,
  algorithms: [algorithm],
  numbers: ['x', 'y'],
  texts: ['kty', 'crv'],
});

const KINDS: readonly KeyKind[] = [
  {
    name: 'RSA',
    algorithms: ALGORITHMS.filter((name) => /^[RP]S/.test(name)),
    numbers: ['n', 'e'],
    texts: ['kty'],
  },
  ec('P-256', 'ES256'),
  ec('P-384', 'ES384'),
  ec('P-521', 'ES512'),
  { name: 'OKP Ed25519', algorithms: ['EdDSA'], numbers: ['x'], texts: ['kty', 'crv'] },
];

const BY_NAME: ReadonlyMap<string, KeyKind> = new Map(KINDS.map((kind) => [kind.name, kind]));

/** The kind of a JWK; undefined for one that signs nothing here. */
export function kindOf(members: Claims): KeyKind | undefined {
  const type = claim(members, 'kty');
  const curve = claim(members, 'crv');
  if (typeof type !== 'string') return undefined;
  return BY_NAME.get(type === 'RSA' || typeof curve !== 'string' ? type : `${type} ${curve}`);
}
