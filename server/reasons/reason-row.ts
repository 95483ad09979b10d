/** HTTP status of each code of gRPC that Fulcio's gateway uses. */
export const HTTP_STATUS = {
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  12: 501,
  13: 500,
  14: 503,
} as const;

/** How a reason looks on the wire. */
export interface Wire {
  readonly grpc: keyof typeof HTTP_STATUS;
  /** The code over gRPC itself, where Fulcio's gateway has another one. */
  readonly overGrpc?: number | undefined;
  /** Of HTTP, where it is not the one of the code. */
  readonly status?: number | undefined;
  /** Whether a caller makes it come about at will although its status is one of faults of the server: the service log has a warning then, and no error. */
  readonly isChosenByCaller?: boolean | undefined;
  /** Fulcio's message; undefined where the sentence of the error itself is sent. */
  readonly fulcioMessage?: string | undefined;
  /** Seconds after which trying again may help; the error's own metadata `retryAfter` counts more. */
  readonly retryAfter?: number | undefined;
  /** What a caller reads instead of a sentence and hint that speak of files, disks and servers. */
  readonly instead?: { readonly sentence: string; readonly hint: string } | undefined;
}

/** A reason: how it looks on the wire, and what `docs/errors.md` says of it. */
export interface ReasonRow extends Wire {
  /** What was found, a sentence. */
  readonly meaning: string;
  /** How that usually comes about. */
  readonly cause: string;
  /** What to do, and who. */
  readonly remedy: string;
  /** Why no signing request is ever answered with this reason; undefined when some are. */
  readonly neverAnswered?: string | undefined;
}

/** One row for each code of a domain of errors. */
export type ReasonRows<Code extends string> = Readonly<Record<Code, ReasonRow>>;
