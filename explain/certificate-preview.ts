import { newSerial } from '../ca/serial.ts';
import { prepareProfile } from '../ca/profile.ts';
import type { ProvenKey } from '../ca/possession.ts';
import type { Validity } from '../ca/validity.ts';
import { sequence } from '../core/der-writer.ts';
import { FULCIO_EXTENSIONS } from '../core/fulcio-extensions.ts';
import type { Principal } from '../oidc/principal.ts';
import type { CertificatePreview } from './explanation.ts';

/** What a certificate would say of `principal`. */
export const previewOf = (principal: Principal, validity: Validity): CertificatePreview => ({
  san: principal.san,
  extensions: FULCIO_EXTENSIONS.flatMap(({ number, name }) => {
    const value = principal.extensions.get(number) ?? '';
    return value === '' ? [] : [{ number, name, value }];
  }),
  ...validity,
});

// Names and keys of a CA take a few hundred bytes: the limits leave far more room.
const profile = prepareProfile({ name: sequence(), keyId: undefined, algorithm: sequence() });

/** Encodes what the certificate would hold and throws it away. Throws `RequestError` when that cannot be. */
export function requireEncodable(principal: Principal, key: ProvenKey, validity: Validity): void {
  profile({ key, principal, validity, serial: newSerial() });
}
