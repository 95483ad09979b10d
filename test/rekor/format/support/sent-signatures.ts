/** The signatures that recorded requests are about. */
import { createHash, X509Certificate } from 'node:crypto';
import { fromBase64, fromHex } from '../../../../core/bytes.ts';
import { decodePem } from '../../../../core/pem.ts';
import { preAuthenticationEncoding } from '../../../../bundle/format/envelope.ts';
import type { EntryHash } from '../../../../rekor/format/entry-digest.ts';
import type { LoggedSignature } from '../../../../rekor/format/logged-signature.ts';
import type { RekorVector } from './rekor-vectors.ts';

/** By Node's OpenSSL. */
export const digestOf = (hash: EntryHash, data: Uint8Array): Uint8Array =>
  createHash(hash).update(data).digest();

function verifierOfPem(base64: string): LoggedSignature['verifier'] {
  const [block] = decodePem(Buffer.from(base64, 'base64').toString());
  if (block === undefined) throw new Error('no PEM');
  return verifierOf(block.bytes, block.label === 'CERTIFICATE');
}

/** Of a certificate or a key, DER. */
export const verifierOf = (der: Uint8Array, isCertificate: boolean): LoggedSignature['verifier'] =>
  isCertificate
    ? {
        certificate: der,
        spki: new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' }),
      }
    : { spki: der };

/** What the signature of an envelope is over. */
export const sentEnvelope = (
  payloadType: string,
  payload: Uint8Array,
  keyId = '',
): LoggedSignature['signed'] => ({
  type: 'envelope',
  payloadType,
  payload,
  keyId,
  preAuthenticationEncoding: preAuthenticationEncoding({ payloadType, payload }),
});

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call --
   recorded requests of several shapes */

/** What a client sent to a log of the first API. */
export function sent1({ request }: RekorVector): LoggedSignature {
  const { kind, spec } = JSON.parse(request) as { kind: string; spec: any };
  if (kind === 'hashedrekord') {
    const { algorithm, value } = spec.data.hash;
    return {
      verifier: verifierOfPem(spec.signature.publicKey.content),
      signature: Buffer.from(spec.signature.content, 'base64'),
      signed: { type: 'message', hash: algorithm, digest: fromHex(value) },
    };
  }
  if (kind === 'dsse') {
    const { payload, payloadType, signatures } = JSON.parse(spec.proposedContent.envelope);
    return {
      verifier: verifierOfPem(spec.proposedContent.verifiers[0]),
      signature: Buffer.from(signatures[0].sig, 'base64'),
      signed: sentEnvelope(payloadType, Buffer.from(payload, 'base64')),
    };
  }
  const { payload, payloadType, signatures } = spec.content.envelope;
  const twice = (text: string): Buffer =>
    Buffer.from(Buffer.from(text, 'base64').toString('latin1'), 'base64');
  return {
    verifier: verifierOfPem(signatures[0].publicKey),
    signature: twice(signatures[0].sig),
    signed: sentEnvelope(payloadType, twice(payload), signatures[0].keyid),
  };
}

/** What a client sent to a log of the second API. */
export function sent2({ canonicalizedBody, payloadType, payload }: RekorVector): LoggedSignature {
  const { data, signature } = JSON.parse(canonicalizedBody).spec.hashedRekordV002;
  const { x509Certificate, publicKey } = signature.verifier;
  return {
    verifier: verifierOf(
      Buffer.from((x509Certificate ?? publicKey).rawBytes, 'base64'),
      x509Certificate !== undefined,
    ),
    signature: Buffer.from(signature.content, 'base64'),
    signed:
      payloadType === undefined || payload === undefined
        ? {
            type: 'message',
            hash: data.algorithm.replace('SHA2_', 'sha') as EntryHash,
            digest: fromBase64(data.digest),
          }
        : sentEnvelope(payloadType, fromBase64(payload)),
  };
}
/* eslint-enable */
