import { MayflyError, type ErrorDetails } from '../../core/errors.ts';

/** Why a request makes no entry of an artifact log. */
export type EntryReason =
  /** It is not the JSON of a request, or a part of it is missing or not of its form. */
  | 'ENTRY_MALFORMED'
  /** Its kind, version, hash or form is none that is logged here. */
  | 'ENTRY_UNSUPPORTED'
  /** A key or certificate in it is none, or is of a kind that is not logged here. */
  | 'ENTRY_KEY_REFUSED'
  /** A signature is not one by its key over what the request names. */
  | 'ENTRY_SIGNATURE_INVALID'
  /** It, or the entry that it would make, is too large. */
  | 'ENTRY_TOO_LARGE'
  /** The log takes no entry by that key or certificate. */
  | 'ENTRY_NOT_ADMITTED'
  /** A certificate has an SCT of a log that does not hold it. */
  | 'ENTRY_CERTIFICATE_UNLOGGED'
  /** Verifiers trust the log no longer, and would refuse the entry. */
  | 'ENTRY_LOG_UNTRUSTED'
  /** The client logs more than one may. */
  | 'ENTRY_RATE_LIMITED'
  /** The log has that entry, and is set to refuse it. */
  | 'ENTRY_DUPLICATE'
  /** The log has that entry, and its body is withheld. */
  | 'ENTRY_REDACTED';

/** How a server of Rekor itself refuses the same request. */
export interface StockRefusal {
  /** Of HTTP. */
  readonly status: number;
  /** In the body: of HTTP or of its framework in the first API, of gRPC in the second. */
  readonly code: number;
  readonly message: string;
  /** Whose answer it is in the first API: the body of a handler's ends with a line feed. */
  readonly by: 'handler' | 'framework';
}

/** Why a request makes no entry. The sentence repeats nothing of the request but names of its members. */
export class EntryError extends MayflyError<EntryReason> {
  /** What clients of the API know; undefined where Rekor has no such refusal. */
  readonly stock: StockRefusal | undefined;

  constructor(
    code: EntryReason,
    message: string,
    { stock, ...details }: ErrorDetails & { readonly stock?: StockRefusal | undefined } = {},
  ) {
    super(code, message, details);
    this.stock = stock;
  }
}
