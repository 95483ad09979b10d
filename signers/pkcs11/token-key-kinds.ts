/** Keys that are made in a token: `mayfly keys generate`. */
import type { Attribute, Cryptoki } from './cryptoki.ts';
import { CKA } from './token-keys.ts';

/** The mechanism that makes a kind of key, and what its public half is made by. */
const KINDS = {
  p256: [0x1040n, [CKA.ecParams, Buffer.from('06082a8648ce3d030107', 'hex')]],
  p384: [0x1040n, [CKA.ecParams, Buffer.from('06052b81040022', 'hex')]],
  p521: [0x1040n, [CKA.ecParams, Buffer.from('06052b81040023', 'hex')]],
  // PKCS#11 3.0 allows the object identifier, too; this name is what tokens know.
  ed25519: [0x1055n, [CKA.ecParams, Buffer.from('130c656477617264733235353139', 'hex')]],
  rsa2048: [0x0n, [CKA.modulusBits, 2048n]],
  rsa3072: [0x0n, [CKA.modulusBits, 3072n]],
  rsa4096: [0x0n, [CKA.modulusBits, 4096n]],
} as const satisfies Record<string, readonly [bigint, Attribute]>;

/** A kind of key that a token can be asked to make. */
export type TokenKeyKind = keyof typeof KINDS;

/** All of them. */
export const TOKEN_KEY_KINDS = Object.keys(KINDS) as readonly TokenKeyKind[];

/** Makes a key pair that stays in the token: it signs, and is not handed out. Throws CryptokiError. */
export function makeKeyPair(
  cryptoki: Cryptoki,
  session: bigint,
  { kind, label, id }: { readonly kind: TokenKeyKind; readonly label: string; readonly id: Uint8Array },
): void {
  const [mechanism, ofKind] = KINDS[kind];
  const both: readonly Attribute[] = [
    [CKA.token, true],
    [CKA.label, Buffer.from(label)],
    [CKA.id, id],
  ];
  const exponent: readonly Attribute[] =
    mechanism === 0x0n ? [[CKA.publicExponent, Uint8Array.of(1, 0, 1)]] : [];
  cryptoki.generateKeyPair(
    session,
    mechanism,
    [...both, [CKA.private, false], [CKA.verify, true], ofKind, ...exponent],
    [...both, [CKA.private, true], [CKA.sensitive, true], [CKA.extractable, false], [CKA.sign, true]],
  );
}
