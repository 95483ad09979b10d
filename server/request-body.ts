/** Reads request bodies under two limits: one for each body and one for all that are being read. */
import type { IncomingMessage } from 'node:http';
import type { Admission } from './admission.ts';
import { TransportError } from './transport-error.ts';

/** Longest body that is read. Fulcio's is 4 MiB, but parsing that much JSON of a stranger's choice holds up everybody
 * else for a second; the largest request that can succeed is a token of 32 KiB with a key. */
export const BODY_LIMIT = 256 * 1024;

/** A body that is too long is read on and dropped up to here, because a client that still writes would never see the
 * answer. */
const DISCARD_LIMIT = 8 * 1024 * 1024;

const tooLarge = (): TransportError =>
  new TransportError('BODY_TOO_LARGE', 'the request body is longer than 256 KiB', {
    hint: 'A signing request is a token and a key; a few kilobytes.',
  });

const tooBusy = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server is reading as much as it can hold', {
    hint: 'Try again in a second.',
  });

/** Calls back once: with the whole body, or with a {@link TransportError}, or with undefined when the client went
 * away. `memory` counts the bytes that all unfinished bodies hold. */
export function readBody(
  request: IncomingMessage,
  memory: Admission,
  done: (result: Buffer | TransportError | undefined) => void,
): void {
  let chunks: Buffer[] = [];
  let size = 0;
  let held = 0;
  let failure: TransportError | undefined;
  let isDone = false;
  const finish = (result: Buffer | TransportError | undefined): void => {
    if (isDone) return;
    isDone = true;
    memory.leave(held);
    done(result);
  };
  const refuse = (error: TransportError): void => {
    failure ??= error;
    chunks = [];
  };
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > DISCARD_LIMIT) finish(failure);
    else if (size > BODY_LIMIT) refuse(tooLarge());
    else if (failure === undefined && !memory.enter(chunk.length)) refuse(tooBusy());
    else if (failure === undefined) {
      held += chunk.length;
      chunks.push(chunk);
    }
  });
  request.on('end', () => {
    const [only] = chunks;
    finish(failure ?? (only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks)));
  });
  const gone = (): void => {
    finish(undefined);
  };
  request.on('error', gone);
  request.on('close', gone);
}
