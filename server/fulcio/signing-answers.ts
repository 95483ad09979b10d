import type { Authority } from '../../ca/authority.ts';
import type { Issued } from '../../ca/issuance.ts';
import { certificatePem, certificatePemInJson } from '../../ca/pem-text.ts';
import type { Reply } from '../http/exchange.ts';

/** Makes the answer of v2: 200 and JSON, every PEM without a newline at its end, the root included. Written by hand
 * around the leaf, the only part that changes: base64 and the armour need no escapes but for the line breaks. */
export function createAnswerV2(authority: Authority): (issued: Issued) => Reply {
  const head = '{"signedCertificateEmbeddedSct":{"chain":{"certificates":["';
  const tail = `"${authority.chainJsonTail}]}}}`;
  return ({ certificate }) => ({
    status: 200,
    contentType: 'application/json',
    body: head + certificatePemInJson(certificate) + tail,
  });
}

/** Makes the answer of v1: 201 and the PEM blocks with one newline between and none at the end. */
export function createAnswerV1(authority: Authority): (issued: Issued) => Reply {
  const tail = `\n${authority.chainPem}`;
  return ({ certificate }) => ({
    status: 201,
    contentType: 'application/pem-certificate-chain',
    body: certificatePem(certificate) + tail,
  });
}
