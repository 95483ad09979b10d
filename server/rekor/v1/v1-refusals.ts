/** Answers of Rekor's first API to what it does not do, in its words where it has some. */
import type { IncomingMessage } from 'node:http';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { LogReadError } from '../../../tlog/core/log-error.ts';
import type { Reply } from '../../http/exchange.ts';
import { problemOf } from '../../reasons/problem.ts';
import { isEnded } from '../entry-additions.ts';
import { mediaType } from './media-types.ts';
import { frameworkReply, handlerReply, JSON_TYPE, NO_ENTRY, refusalReply } from './stock-reply.ts';
import type { V1Route } from './v1-routes.ts';

/** To `GET /ping`. */
export const PONG: Reply = { status: 200, contentType: 'text/plain', body: '.' };

/** Clients of Rekor written in Go wait as long, and ask again. */
export const limited = (seconds: number): Reply =>
  frameworkReply(429, `this address reads more than one may; try again in ${seconds} s`, [
    'Retry-After',
    String(seconds),
  ]);

/** Where too many requests wait already. */
export const BUSY = frameworkReply(503, 'too many requests at once; try again in a second', [
  'Retry-After',
  '1',
]);

/** Where nothing is at the path, or nothing by that method. */
export function misdirected(
  { method = '' }: IncomingMessage,
  route: V1Route | undefined,
  path: string,
): Reply {
  if (route === undefined) return frameworkReply(404, `path ${path} was not found`);
  const allowed = Object.keys(route.methods).join(',');
  return frameworkReply(405, `method ${method} is not allowed, but [${allowed}] are`, ['Allow', allowed]);
}

/** Where a client takes no form in which there is an answer. */
export const notAcceptable = (offers: readonly string[]): Reply =>
  frameworkReply(406, `unsupported media type requested, only [${offers.join(' ')}] are available`);

/** Undefined for JSON, and where there is no body. */
export function wrongMediaType({ headers }: IncomingMessage, bytes: Buffer): Reply | undefined {
  const type = mediaType(headers['content-type'] ?? 'application/octet-stream');
  if (bytes.length === 0 || type === JSON_TYPE) return undefined;
  return frameworkReply(
    415,
    `unsupported media type ${JSON.stringify(type)}, only [${JSON_TYPE}] are allowed`,
  );
}

/** Where the log has the entry, and its operator wants that refused; `location` is its header. */
export const duplicate = (id: string, location: readonly string[]): Reply =>
  handlerReply(
    { code: 409, message: `an equivalent entry already exists in the transparency log with UUID ${id}` },
    409,
    location,
  );

/** What Rekor says where entries are only read. Of all statuses from 500 on, clients send a request again for every other one. */
const ENDED = handlerReply(
  { code: 501, message: 'Create Entry API not enabled in this Rekor instance' },
  501,
);

/** How a failure is answered, and whether it is one of the service's own. */
export function refusalOf(
  error: unknown,
  requestId: string,
): { readonly reply: Reply; readonly isOurs: boolean } {
  if (error instanceof EntryError && error.stock !== undefined)
    return { reply: refusalReply(error.stock), isOurs: false };
  if (error instanceof LogReadError) return { reply: readRefusal(error), isOurs: false };
  if (isEnded(error)) return { reply: ENDED, isOurs: false };
  const { status, sentence, info, retryAfter, reason } = problemOf(error, requestId);
  const message = info.metadata['sentence'] ?? sentence;
  const headers = retryAfter === undefined ? [] : ['Retry-After', retryAfter];
  return { reply: handlerReply({ code: status, message }, status, headers), isOurs: reason === 'INTERNAL' };
}

function readRefusal({ code, message }: LogReadError): Reply {
  if (code === 'NOT_FOUND') return NO_ENTRY;
  if (code === 'BAD_PARAMETER') return handlerReply({ code: 400, message }, 400);
  return handlerReply({ code: 503, message }, 503, ['Retry-After', '2']);
}
