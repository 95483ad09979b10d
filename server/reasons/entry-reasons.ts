import type { EntryReason } from '../../rekor/entries/entry-error.ts';
import type { ReasonRow, ReasonRows, Wire } from './reason-row.ts';

const BAD: Wire = { grpc: 3 };

type Text = Pick<ReasonRow, 'meaning' | 'cause' | 'remedy'>;

/** No signing request gets one of these. */
const row = (wire: Wire, status: string, text: Text): ReasonRow => ({
  ...wire,
  ...text,
  neverAnswered: `It answers requests to log an entry: ${status}.`,
});

/** Nothing is logged. Where Rekor refuses the same request, the answer has its status, code and message; the row's are of what Rekor does not know. */
export const ENTRY_REASONS: ReasonRows<EntryReason> = {
  ENTRY_MALFORMED: row(BAD, '400, in the first API 422 and 500, too', {
    meaning:
      'The request is not the JSON of an entry, or a part of it is missing, not of its form, or there twice.',
    cause: 'A client for the other API, or one with a fault.',
    remedy: 'The message of the answer is the one of Rekor and says where; rekor.md shows a request.',
  }),
  ENTRY_UNSUPPORTED: row(BAD, '400', {
    meaning: 'The kind, version, hash or form of the entry is none that is logged here.',
    cause:
      'A client that logs packages or timestamps, an envelope with several signatures where there is to be one, or a hash that is not the one of the key.',
    remedy: 'Log hashedrekord, dsse or intoto; rekor.md has the list.',
  }),
  ENTRY_KEY_REFUSED: row(BAD, '400', {
    meaning:
      'The key or certificate is none, is of a kind that is not logged here, is weak, or is not of the kind that the request says.',
    cause:
      'PEM in place of DER or the other way round, a certificate chain in place of the certificate, or a key on another curve.',
    remedy: 'Send the certificate that signed, or a key of ECDSA P-256, P-384 or P-521, RSA or Ed25519.',
  }),
  ENTRY_SIGNATURE_INVALID: row(BAD, '400', {
    meaning: 'A signature is not one by its key over what the request names.',
    cause:
      'Another artifact, key or signature than was meant; a signature in another form than DER; a pure signature of an Ed25519 key where the log has the digest alone.',
    remedy: 'Verify the signature with the key before it is logged.',
  }),
  ENTRY_TOO_LARGE: row({ ...BAD, status: 413 }, '400 or 413, in the first API 500 for a whole request', {
    meaning: 'The request, or the entry that it would make, is too large, or has very many signatures.',
    cause: 'A file was sent in place of its digest, or a certificate of 48 KiB.',
    remedy: 'The limits are in bounds.md.',
  }),
  ENTRY_NOT_ADMITTED: row({ grpc: 7 }, '403', {
    meaning: 'The log takes no entry by that certificate or key.',
    cause:
      'The certificate is of another CA, has no SCT of this service’s log, or is not valid at this time; or the key is not among those of the operator.',
    remedy:
      'Sign with a certificate of this CA while it is valid; the operator lists keys in `mayfly.artifact-log.keys`, or admits everybody’s entries.',
  }),
  ENTRY_CERTIFICATE_UNLOGGED: row({ grpc: 7 }, '403', {
    meaning: 'The certificate is of this CA and has an SCT of its log, and the log does not hold it.',
    cause:
      'Somebody else has the keys of the CA and of its log, and issues certificates that nobody can find; or the log was put back to an earlier state.',
    remedy:
      'Treat it as an incident: the audit names the client, and incidents.md says what is next. No client can do anything about it.',
  }),
  ENTRY_LOG_UNTRUSTED: row({ grpc: 12 }, '501 in the first API, 405 in the second, as a log that has ended', {
    meaning: 'Verifiers trust the log no longer: they would refuse the entry.',
    cause: 'The operator ended the time of the log (`mayfly trust end`) while it was in use.',
    remedy: 'The operator puts another log in its place: `mayfly rekor rotate`.',
  }),
  ENTRY_RATE_LIMITED: row({ grpc: 8, retryAfter: 1 }, '429, with `Retry-After`', {
    meaning: 'The client’s address logs more entries than one may.',
    cause: 'A client that logs in a circle, or many behind one address.',
    remedy:
      'Try again after `Retry-After` seconds; the operator raises `artifact-log.rate-limit`, or names a proxy in `trusted-proxies`.',
  }),
  ENTRY_DUPLICATE: row({ grpc: 6 }, '409', {
    meaning: 'The log has that entry, and the operator wants such requests refused.',
    cause: 'The same signature was logged before, or a client tried again.',
    remedy: 'Take the entry that the answer names; or the operator sets `duplicates: return`.',
  }),
  ENTRY_REDACTED: row({ grpc: 5, status: 410 }, '410, to requests for it, too', {
    meaning: 'The log has that entry and withholds its body for good: the operator redacted it.',
    cause: 'A secret or personal data was logged, or the law asks for it.',
    remedy:
      'Who has the bundle still verifies with it. Nobody can log that entry again: sign anew, without what is not to be logged.',
  }),
};
