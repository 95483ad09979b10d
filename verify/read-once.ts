/** What is read of certificates and of bytes in them, once for each: those of a trust are looked at for every bundle that is verified under it. */
import { toHex } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { describeName } from '../core/distinguished-name.ts';
import { keyWeakness } from '../core/key-weakness.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { describeWindow } from '../trust/format/trusted-root.ts';

/** The same function, which reads an object once and answers from memory as long as that object is there. What it throws is thrown each time. Bytes must not be changed once they
 * were read. */
export function once<K extends object, V>(read: (of: K) => V): (of: K) => V {
  const known = new WeakMap<K, { readonly value: V }>();
  return (of) => {
    const found = known.get(of);
    if (found !== undefined) return found.value;
    const value = read(of);
    known.set(of, { value });
    return value;
  };
}

/** {@link parseCertificate}. */
export const certificateOf = once(parseCertificate);

/** {@link describeName}. */
export const nameText = once(describeName);

/** {@link describeWindow}. */
export const windowText = once(describeWindow);

/** {@link parsePublicKey}. */
export const publicKeyOf = once(parsePublicKey);

/** {@link keyWeakness}. */
export const weaknessOf = once(keyWeakness);

/** The key of a certificate, as a key of maps. */
export const keyName = once(({ spki }: Pick<Certificate, 'spki'>) => toHex(spki));
