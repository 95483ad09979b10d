/** What is known of a claim's values before a token is there: their kind, and the form of its texts. */
import { nearest } from '../../core/nearest.ts';

/** Kinds of JSON values, as messages call them with their article. */
export type ClaimKind = 'text' | 'a number' | 'a bool' | 'a list' | 'a map';

/** What the texts of a claim look like. */
export interface TextForm {
  /** Whether the claim can have this text. */
  readonly fits: (text: string) => boolean;
  /** Whether one of its texts can begin with this one. */
  readonly begins: (start: string) => boolean;
  /** A sentence on what it looks like. */
  readonly like: string;
  /** Its texts, where they can be listed. */
  readonly values?: readonly string[] | undefined;
  /** Whether the provider may have more of them one day. */
  readonly isOpen?: true | undefined;
}

/** The values of a claim; `form` counts for those that are texts. */
export interface ClaimShape {
  readonly kinds: readonly ClaimKind[];
  readonly form?: TextForm | undefined;
}

const kind = (...kinds: ClaimKind[]): ClaimShape => ({ kinds });

export const TEXT = kind('text');
export const NUMBER = kind('a number');
export const BOOL = kind('a bool');
export const LIST = kind('a list');
export const MAP = kind('a map');
export const TEXT_OR_NUMBER = kind('text', 'a number');
export const TEXT_OR_LIST = kind('text', 'a list');

const shaped = (form: TextForm): ClaimShape => ({ kinds: ['text'], form });

/** Texts that are one of these and no other. */
export const oneOf = (...values: string[]): ClaimShape =>
  shaped({
    fits: (text) => values.includes(text),
    begins: (start) => values.some((value) => value.startsWith(start)),
    like: values.length === 1 ? `It is ${values[0] ?? ''}.` : `It is ${listed(values)}.`,
    values,
  });

/** Texts that the provider's documentation lists, and may add to. */
export const knownAs = (...values: string[]): ClaimShape => {
  const { kinds, form } = oneOf(...values);
  return { kinds, form: form && { ...form, isOpen: true } };
};

const listed = (values: readonly string[]): string =>
  `${values.slice(0, -1).join(', ')} or ${values.at(-1) ?? ''}`;

/** Texts that an expression matches as a whole; `start` is what all of them begin with. */
export const like = (form: RegExp, example: string, start = ''): ClaimShape =>
  shaped({
    fits: (text) => form.test(text),
    begins: (text) => start.startsWith(text) || text.startsWith(start),
    like: `It is like "${example}".`,
  });

/** Numbers that are written as text. */
export const DIGITS = shaped({
  fits: (text) => /^\d+$/.test(text),
  begins: (start) => /^\d*$/.test(start),
  like: 'It is a number, written as text: "123456".',
});

const UUID_FORM = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const UUID = shaped({
  fits: (text) => UUID_FORM.test(text),
  begins: (start) => /^[0-9a-f-]*$/i.test(start),
  like: 'It is a UUID: "3aa4a235-b6e2-48d5-9195-7fcf05b459b0".',
});

/** As Bitbucket has them. */
export const BRACED_UUID = shaped({
  fits: (text) => /^\{.*\}$/.test(text) && UUID_FORM.test(text.slice(1, -1)),
  begins: (start) => start === '' || start.startsWith('{'),
  like: 'It is a UUID in braces: "{3aa4a235-b6e2-48d5-9195-7fcf05b459b0}".',
});

/** What git allows in the name of a reference (git-check-ref-format). */
const REFERENCE = /^[^\s~^:?*[\\\p{Cc}]+$/u;

/** A reference with its path. */
export const FULL_REFERENCE = shaped({
  fits: (text) => REFERENCE.test(text) && /^refs\/./.test(text),
  begins: (start) => 'refs/'.startsWith(start) || start.startsWith('refs/'),
  like: 'It has the path of the reference: "refs/heads/main", "refs/tags/v1".',
});

/** The name of a branch or tag alone. */
export const SHORT_REFERENCE = shaped({
  fits: (text) => text === '' || (REFERENCE.test(text) && !text.startsWith('refs/')),
  begins: (start) => !start.startsWith('refs/'),
  like: 'It is the name of the branch or tag alone: "main".',
});

export const COMMIT = like(/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/, '6dcb09b5b57875f334f61aebed695e2e4193db5e');

/** Values that a message lists; of more, it names the one that was meant. */
const MAX_LISTED = 8;

/** What to say of a text that the form does not have. */
export function adviceOf({ like: sentence, values = [] }: TextForm, text: string): string {
  const near = nearest(text, values) ?? values.find((value) => value.includes(text));
  const meant = near === undefined ? [] : [`Did you mean "${near}"?`];
  return [...meant, ...(near === undefined || values.length <= MAX_LISTED ? [sentence] : [])].join(' ');
}
