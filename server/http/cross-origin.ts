/** Cross-origin rules (CORS) that let a page in a browser sign: nothing here depends on cookies, so any origin may
 * ask, and the token may come in the Authorization header, which Fulcio's own rules forbid. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Headers of an answer, flat: name, value, name, value, … */
const ALWAYS = ['Vary', 'Origin'] as const;
const TO_AN_ORIGIN = [
  ...ALWAYS,
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  'SCT, X-Request-Id, Retry-After, X-Search-Before',
] as const;

/** The cross-origin headers for an answer to `request`, flat. Do not change the array. */
export const crossOriginHeaders = (request: IncomingMessage): readonly string[] =>
  request.headers.origin === undefined ? ALWAYS : TO_AN_ORIGIN;

/** Whether a browser asks for permission first. */
export const isPreflight = (request: IncomingMessage): boolean =>
  request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;

/** Answers a preflight: 204, whatever the path. */
export function answerPreflight(response: ServerResponse): void {
  response.writeHead(204, {
    Vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'GET, POST, HEAD',
    'Access-Control-Allow-Headers': 'accept, authorization, content-type, x-requested-with, x-request-id',
    'Access-Control-Max-Age': '7200',
  });
  response.end();
}
