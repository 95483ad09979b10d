/** What an error carries besides its sentence. */
export interface ErrorDetails {
  /** What the person who sees the error can do about it: one sentence, no secret in it. */
  readonly hint?: string | undefined;
  /** Facts for machines. Never a token, a proof, a key or a passphrase. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** The fault underneath, for the operator's log only. */
  readonly cause?: unknown;
}

/**
 * The root of every error that Mayfly raises on purpose. `code` is stable and belongs to a closed union of its
 * domain; `message` is a sentence that may be shown to the client that caused it. Each domain has one nominal subclass, so
 * that `instanceof` says where a fault comes from and a `Record<Code, …>` table must cover every code.
 */
export abstract class MayflyError<Code extends string = string> extends Error {
  /** Stable, UPPER_SNAKE_CASE. */
  readonly code: Code;
  /** What the person who sees the error can do about it. */
  readonly hint: string | undefined;
  /** Facts for machines. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = details.hint;
    this.metadata = details.metadata ?? {};
  }
}

/** Codes of {@link FormatError}. */
type FormatCode = 'MALFORMED' | 'TRUNCATED' | 'TRAILING_BYTES' | 'TOO_LARGE' | 'UNSUPPORTED';

/** Bytes or text from outside that do not follow their format. Every parser of `core` and `ct-log/format` throws
 * this and nothing else. */
export class FormatError extends MayflyError<FormatCode> {}

/** The message of whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The `code` of a system error such as `ENOENT`, else undefined. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const OPEN_FILES = 'Nothing is wrong with the file. Raise the limit of open files';
/** What the machine lacks, whatever it was needed for. */
const LACKS: ReadonlyMap<string, string> = new Map([
  ['EMFILE', `${OPEN_FILES}: \`ulimit -n\`, or LimitNOFILE= of a systemd unit.`],
  ['ENFILE', `${OPEN_FILES} of the machine, fs.file-max, or end what holds so many.`],
]);
/** The same, where nothing is known that would help better. */
const FULL: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'The disk is full: make room, and try again.'],
  ['EDQUOT', "The user's quota of the disk is used up: make room, and try again."],
]);

/** Causes that are looked at: an error may be its own. */
const MOST_CAUSES = 8;

/** What the person who sees a failure can do about it. Where the process or the machine has too many open files, that is to be changed, whatever the error's
 * own hint says: it takes the file for lost. Undefined where nothing is known. */
export function hintOf(error: unknown): string | undefined {
  const codes: string[] = [];
  for (let at = error; at instanceof Error && codes.length < MOST_CAUSES; at = at.cause)
    codes.push(systemCode(at) ?? '');
  const of = (table: ReadonlyMap<string, string>): string | undefined =>
    codes.map((code) => table.get(code)).find((hint) => hint !== undefined);
  return of(LACKS) ?? (error instanceof MayflyError ? error.hint : undefined) ?? of(FULL);
}
