/** The two versions of Fulcio's signing call over HTTP: from the bytes of a request, and to the bytes of an answer. */
import type { Authority } from '../../ca/authority.ts';
import { certificatePem, certificatePemInJson } from '../../ca/pem-text.ts';
import type { SigningRequest } from '../../ca/signing-request.ts';
import type { Reply } from '../http/exchange.ts';
import { decodeSigningRequestV1, decodeSigningRequestV2 } from './signing-request-json.ts';

/** What differs between the versions. What is the same in every answer of a CA is prepared once. */
export interface SigningVersion {
  /** Where it is served. */
  readonly path: string;
  /** Reads the body and the header `Authorization`. Throws TransportError `BODY_MALFORMED`. */
  decode(body: Buffer, authorization: string | undefined): SigningRequest;
  /** The answer with a certificate, DER. */
  reply(certificate: Uint8Array): Reply;
}

/** v2 answers with 200 and JSON, every PEM without a newline at its end, the root included. It is written by hand around
 * the leaf, the only part that changes: base64 and the armour need no escapes but for the line breaks. */
export class SigningV2 implements SigningVersion {
  readonly path = '/api/v2/signingCert';
  readonly #head: string;
  readonly #tail: string;

  /** `hasSct`: whether certificates carry one. Without, Fulcio calls it detached, and there is none. */
  constructor({ chainJsonTail }: Authority, hasSct = true) {
    const kind = hasSct ? 'signedCertificateEmbeddedSct' : 'signedCertificateDetachedSct';
    this.#head = `{"${kind}":{"chain":{"certificates":["`;
    this.#tail = hasSct ? `"${chainJsonTail}]}}}` : `"${chainJsonTail}]},"signedCertificateTimestamp":""}}`;
  }

  decode(body: Buffer, authorization: string | undefined): SigningRequest {
    return decodeSigningRequestV2(body, authorization);
  }

  reply(certificate: Uint8Array): Reply {
    const body = this.#head + certificatePemInJson(certificate) + this.#tail;
    return { status: 200, contentType: 'application/json', body };
  }
}

/** v1 answers with 201 and the PEM blocks with one newline between and none at the end. */
export class SigningV1 implements SigningVersion {
  readonly path = '/api/v1/signingCert';
  readonly #tail: string;

  constructor({ chainPem }: Authority) {
    this.#tail = `\n${chainPem}`;
  }

  decode(body: Buffer, authorization: string | undefined): SigningRequest {
    return decodeSigningRequestV1(body, authorization);
  }

  reply(certificate: Uint8Array): Reply {
    const body = certificatePem(certificate) + this.#tail;
    return { status: 201, contentType: 'application/pem-certificate-chain', body };
  }
}
