/** The thread that reads large requests of the first API. */
import { answerInTurn } from '../../storage/worker-channel.ts';
import { EntryError } from './entry-error.ts';
import { SignatureChecks } from './signature-checks.ts';
import { decodeV1Json, readV1Proposal, soughtV1Body } from './v1-proposal.ts';
import type { ThreadReply, ThreadRequest } from './v1-request.ts';

async function answer(request: ThreadRequest): Promise<ThreadReply> {
  try {
    if (request.kind === 'propose') return { proposal: await readV1Proposal(decodeV1Json(request.bytes)) };
    const checks = new SignatureChecks(false, undefined, request.most);
    const body = await soughtV1Body(request.json, checks);
    return { body, checks: checks.made };
  } catch (error) {
    if (!(error instanceof EntryError)) throw error;
    const { code, message, hint, stock } = error;
    return { refusal: { code, message, hint, stock } };
  }
}

answerInTurn(answer);
