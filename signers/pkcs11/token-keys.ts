/** The private keys in a token: which there are, what kind each is, and its public half. */
import { equalBytes } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { FormatError } from '../../core/errors.ts';
import type { Attribute, Cryptoki } from './cryptoki.ts';
import type { KeySelector } from '../pkcs11-uri.ts';
import { spkiOfAttributes } from './token-public-key.ts';

/** CK_ATTRIBUTE_TYPE. */
export const CKA = {
  class: 0x0n,
  token: 0x1n,
  private: 0x2n,
  label: 0x3n,
  value: 0x11n,
  keyType: 0x100n,
  id: 0x102n,
  sensitive: 0x103n,
  sign: 0x108n,
  verify: 0x10an,
  modulus: 0x120n,
  modulusBits: 0x121n,
  publicExponent: 0x122n,
  extractable: 0x162n,
  ecParams: 0x180n,
  ecPoint: 0x181n,
  alwaysAuthenticate: 0x202n,
} as const;

/** CK_OBJECT_CLASS. */
const CKO = { certificate: 0x1n, publicKey: 0x2n, privateKey: 0x3n } as const;

/** A private key. */
export interface FoundKey {
  readonly handle: bigint;
  readonly label: string;
  readonly id: Uint8Array;
  readonly keyType: bigint | undefined;
  /** CKA_SIGN; a key that does not say may. */
  readonly maySign: boolean;
  /** CKA_EXTRACTABLE: whether the token hands it out. */
  readonly isExtractable: boolean;
  /** CKA_ALWAYS_AUTHENTICATE: each signature wants a login of its own. */
  readonly isLoginEachTime: boolean;
  /** DER SubjectPublicKeyInfo; undefined where the token has no public half of it. */
  readonly spki: Uint8Array | undefined;
  /** Why there is no {@link spki}. */
  readonly fault: string | undefined;
}

/** The private keys that are as `selector` says. Throws CryptokiError. */
export function findKeys(
  cryptoki: Cryptoki,
  session: bigint,
  { object, id }: KeySelector,
): readonly FoundKey[] {
  const handles = cryptoki.find(session, [
    [CKA.class, CKO.privateKey],
    ...(object === undefined ? [] : [[CKA.label, Buffer.from(object)] as const]),
    ...(id === undefined ? [] : [[CKA.id, id] as const]),
  ]);
  return handles.map((handle) => describe(cryptoki, session, handle));
}

function describe(cryptoki: Cryptoki, session: bigint, handle: bigint): FoundKey {
  const attribute = (type: bigint): Uint8Array | undefined => cryptoki.attribute(session, handle, type);
  const isSet = (type: bigint): boolean | undefined => {
    const value = attribute(type);
    return value === undefined ? undefined : value[0] === 1;
  };
  const id = attribute(CKA.id) ?? new Uint8Array();
  const keyType = cryptoki.number(session, handle, CKA.keyType);
  return {
    handle,
    label: Buffer.from(attribute(CKA.label) ?? []).toString('utf8'),
    id,
    keyType,
    maySign: isSet(CKA.sign) ?? true,
    isExtractable: isSet(CKA.extractable) ?? false,
    isLoginEachTime: isSet(CKA.alwaysAuthenticate) ?? false,
    ...publicHalf(cryptoki, session, { handle, id, keyType }),
  };
}

interface PrivateKey {
  readonly handle: bigint;
  readonly id: Uint8Array;
  readonly keyType: bigint | undefined;
}

/** Of the public key or the certificate with the same id, or of the private key itself, where that says enough (RSA). */
function publicHalf(
  cryptoki: Cryptoki,
  session: bigint,
  { handle, id, keyType }: PrivateKey,
): { readonly spki: Uint8Array | undefined; readonly fault: string | undefined } {
  const withId = (objectClass: bigint): readonly bigint[] =>
    id.length === 0
      ? []
      : cryptoki.find(session, [
          [CKA.class, objectClass],
          [CKA.id, id],
        ] satisfies Attribute[]);
  const ofKey = (object: bigint): Uint8Array | undefined => spkiOfObject(cryptoki, session, object, keyType);
  try {
    const spkis = [
      ...withId(CKO.publicKey).map(ofKey),
      ...withId(CKO.certificate).map((object) =>
        spkiOfCertificate(cryptoki.attribute(session, object, CKA.value)),
      ),
    ].filter((spki) => spki !== undefined);
    const [spki = ofKey(handle)] = spkis;
    if (spki !== undefined && spkis.some((other) => !equalBytes(other, spki)))
      return { spki: undefined, fault: 'has several public halves in the token, of different keys' };
    return { spki, fault: undefined };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { spki: undefined, fault: `cannot be used: ${error.message}` };
  }
}

/** Undefined also for a public key of another kind: ids are not unique over kinds. */
function spkiOfObject(
  cryptoki: Cryptoki,
  session: bigint,
  object: bigint,
  keyType: bigint | undefined,
): Uint8Array | undefined {
  if (cryptoki.number(session, object, CKA.keyType) !== keyType) return undefined;
  const attribute = (type: bigint): Uint8Array | undefined => cryptoki.attribute(session, object, type);
  return spkiOfAttributes({
    keyType,
    modulus: attribute(CKA.modulus),
    publicExponent: attribute(CKA.publicExponent),
    ecParams: attribute(CKA.ecParams),
    ecPoint: attribute(CKA.ecPoint),
  });
}

function spkiOfCertificate(value: Uint8Array | undefined): Uint8Array | undefined {
  return value === undefined || value.length === 0 ? undefined : parseCertificate(value).spki;
}
