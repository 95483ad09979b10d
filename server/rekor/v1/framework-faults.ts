/** How the framework of Rekor's first API refuses what does not fit its description of a request: status 422 with a code of its own. */
import { EntryError } from '../../../rekor/entries/entry-error.ts';

/** Codes of the framework. */
export const FAULT = {
  type: 601,
  required: 602,
  tooLong: 603,
  tooShort: 604,
  pattern: 605,
  choice: 606,
  minimum: 609,
  tooMany: 611,
  tooFew: 612,
} as const;

const STATUS = 422;

/** The refusal of a parameter or member. `message` is Rekor's; `sentence` is ours where that one repeats what was sent. */
export const fault = (code: number, message: string, sentence = message): EntryError =>
  new EntryError('ENTRY_MALFORMED', sentence, { stock: { status: STATUS, code, message, by: 'framework' } });

/** The refusal of a handler. */
export const handlerFault = (status: number, message: string, sentence = message): EntryError =>
  new EntryError('ENTRY_MALFORMED', sentence, { stock: { status, code: status, message, by: 'handler' } });

/** The refusal of a body that is no JSON of its form. `name` is the parameter's. */
export const parseFault = (name: string, reason: string): EntryError => {
  const message = `parsing ${name} body from "" failed, because ${reason}`;
  return new EntryError('ENTRY_MALFORMED', `the ${name} in the body cannot be read`, {
    stock: { status: 400, code: 400, message, by: 'framework' },
  });
};
