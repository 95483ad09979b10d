/** The thread that reads large requests of the first API. */
import { answerInTurn } from '../../storage/worker-channel.ts';
import { EntryError } from './entry-error.ts';
import { decodeV1Json, readV1Proposal, soughtV1Body } from './v1-proposal.ts';
import type { ThreadReply, ThreadRequest } from './v1-request.ts';

async function answer(request: ThreadRequest): Promise<ThreadReply> {
  try {
    return request.kind === 'propose'
      ? { proposal: await readV1Proposal(decodeV1Json(request.bytes)) }
      : { body: await soughtV1Body(request.json) };
  } catch (error) {
    if (!(error instanceof EntryError)) throw error;
    const { code, message, hint, stock } = error;
    return { refusal: { code, message, hint, stock } };
  }
}

answerInTurn(answer);
