/** A thread that answers each text with itself, and fails or ends when it is asked to. */
import { FormatError } from '../../../core/errors.ts';
import { answerRequests } from '../../../storage/worker-channel.ts';

/** Asks the thread. */
export type EchoRequest = 'end' | 'throw' | 'refuse' | { readonly text: string };

answerRequests((request: EchoRequest) => {
  if (request === 'end') process.exit(3);
  if (request === 'throw') throw new Error('it broke');
  if (request === 'refuse') throw new FormatError('TOO_LARGE', 'it is too long', { hint: 'Cut it.' });
  return `${request.text}!`;
});
