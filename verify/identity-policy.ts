import { VerifyError } from './verify-error.ts';

/** A demand on one text. */
export interface TextPolicy {
  /** What is demanded, in words. */
  readonly description: string;
  accepts(text: string): boolean;
}

/** Whom a certificate must be for, and who must have vouched for that. */
export interface IdentityPolicy {
  readonly identity: TextPolicy;
  readonly issuer: TextPolicy;
}

/** Exactly this text, byte for byte. */
export const exactly = (wanted: string): TextPolicy => ({
  description: `"${wanted}"`,
  accepts: (text) => text === wanted,
});

/** Any text. */
export const anything: TextPolicy = { description: 'anything', accepts: () => true };

/** A text that the regular expression covers from its first to its last character. The expression is the verifier's
 * own, never a stranger's. Throws {@link VerifyError} `BAD_POLICY` when it is none. */
export function matching(source: string): TextPolicy {
  const pattern = anchored(source);
  return { description: `one that ${source} matches as a whole`, accepts: (text) => pattern.test(text) };
}

function anchored(source: string): RegExp {
  try {
    // By itself first: "a)|(b" is no expression, but would become one, without its anchors, between the brackets.
    new RegExp(source, 'u');
    return new RegExp(`^(?:${source})$`, 'u');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new VerifyError('BAD_POLICY', `the regular expression cannot be read: ${why}`, {
      hint: 'Write it as JavaScript does, and escape only what has a meaning, e.g. "\\." for a dot.',
    });
  }
}
