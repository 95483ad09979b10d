import type { SubmissionReason } from '../../ct-log/submission/submission-error.ts';
import type { ReasonRow, ReasonRows, Wire } from './reason-row.ts';

const BAD: Wire = { grpc: 3 };

type Text = Pick<ReasonRow, 'meaning' | 'cause' | 'remedy'>;

/** No signing request gets one of these. */
const row = (wire: Wire, status: string, text: Text): ReasonRow => ({
  ...wire,
  ...text,
  neverAnswered: `It answers submissions of other CAs to the log: ${status}.`,
});

/** The log does not take what another CA hands in. */
export const SUBMISSION_REASONS: ReasonRows<SubmissionReason> = {
  SUBMISSION_MALFORMED: row(BAD, '400', {
    meaning:
      'The body is no `{"chain":[…]}` with certificates in DER, base64, or one of them cannot be read.',
    cause: 'PEM in the place of DER, or a certificate that RFC 5280 does not allow.',
    remedy: 'The sentence says what is wrong; RFC 6962 §4.1 has the form.',
  }),
  SUBMISSION_TOO_LARGE: row({ ...BAD, status: 413 }, '413', {
    meaning:
      'The chain has more certificates, or a certificate is larger or nested deeper, than the log takes; or the log holds as many chain certificates as it may.',
    cause: 'A CA that issues through ever new intermediates, or a request that is no chain of an honest CA.',
    remedy:
      'See bounds.md for the limits. The operator goes on with a new log, and accepts fewer roots there.',
  }),
  SUBMISSION_CHAIN: row(BAD, '400', {
    meaning:
      'The certificates are not in order, or one of them was not signed by the next one, or that one may not sign certificates.',
    cause: 'Certificates in another order, one that is missing, or a signature with SHA-1.',
    remedy: 'Send the certificate first, then its issuer, and so on; the root may be left out.',
  }),
  SUBMISSION_ROOT_UNKNOWN: row(BAD, '400', {
    meaning: 'The chain leads to a root that the log does not accept.',
    cause: 'A CA that the operator has not listed.',
    remedy:
      'The operator adds the root to the file of `mayfly.log.submission.roots` and starts the service again.',
  }),
  SUBMISSION_TYPE: row(BAD, '400', {
    meaning:
      'A precertificate was sent to `add-chain`, a certificate to `add-pre-chain`, or the poison extension is not that of RFC 6962.',
    cause: 'A client with a fault.',
    remedy: 'Use the other call.',
  }),
  SUBMISSION_USAGE: row(BAD, '400', {
    meaning: 'The certificate, or a CA above it, lacks the extended key usages that the log takes.',
    cause: 'A certificate for TLS or e-mail, where the log takes those for code signing.',
    remedy: 'The operator sets `mayfly.log.submission.extended-key-usages`.',
  }),
  SUBMISSION_OWN: row(BAD, '400', {
    meaning:
      'The certificate names the CA of this service as its issuer. That logs what it issues itself, and nobody else hands it in.',
    cause: 'A certificate of this CA was taken from the log or from a bundle and handed in.',
    remedy: 'Nothing: it is in the log already.',
  }),
  SUBMISSION_RATE_LIMITED: row({ grpc: 8, retryAfter: 1 }, '429, with `Retry-After`', {
    meaning: 'The client’s address hands in more than one may.',
    cause: 'A CA that issues more than the limit, or many behind one address.',
    remedy:
      'Try again after `Retry-After` seconds; the operator raises `mayfly.log.submission.rate-limit`, or names a proxy in `trusted-proxies`.',
  }),
  SUBMISSION_BUSY: row({ grpc: 14, retryAfter: 1 }, '503, with `Retry-After`', {
    meaning:
      'As many submissions are under way as the log takes at once, or it is not known yet whether it has this one already.',
    cause:
      'A burst; or the index of what was handed in is being made, after submission was switched on or `identities.db` was deleted.',
    remedy: 'Try again after `Retry-After` seconds.',
  }),
};
