import { refused } from './verify-error.ts';

/** A demand on one text. */
export interface TextPolicy {
  /** What is demanded, in words. */
  readonly description: string;
  /** Throws a refusal when it cannot be decided. */
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

/** A text that a regular expression covers from its first to its last character. `source` is the expression as it is
 * shown; `covers` decides, in time linear in the text, because the text is untrusted, and returns undefined when that
 * takes too much. */
export const matching = (source: string, covers: (text: string) => boolean | undefined): TextPolicy => ({
  description: `one that ${source} matches as a whole`,
  accepts(text) {
    const covered = covers(text);
    if (covered === undefined)
      throw refused(`it takes too much work to match a name with ${source}`, 'policy');
    return covered;
  },
});
