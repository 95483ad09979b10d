/** Who may read the log. Its entries hold the names, and so the e-mail addresses, of everybody who signed. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { ClientAddress } from './client-address.ts';
import { isLoopback } from './listen-address.ts';

/** Everybody; whoever sends the token as a bearer; whoever is on this machine. */
export type LogAccess =
  | { readonly kind: 'public' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'loopback' };

/** Why a read is refused: an HTTP status and a sentence. */
export interface AccessRefusal {
  readonly status: 401 | 403;
  readonly sentence: string;
}

/** Tells whether a request may read; undefined when it may. */
export type AccessCheck = (request: IncomingMessage) => AccessRefusal | undefined;

/** The check that `access` asks for. */
export function createAccessCheck(access: LogAccess, clientAddress: ClientAddress): AccessCheck {
  if (access.kind === 'public') return () => undefined;
  if (access.kind === 'token') return tokenCheck(access.token);
  return loopbackCheck(clientAddress);
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Digests of equal length are compared, so that time tells neither the token nor its length. */
function tokenCheck(token: string): AccessCheck {
  const expected = digest(token);
  return ({ headers: { authorization = '' } }) => {
    const [, sent] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
    if (sent !== undefined && timingSafeEqual(digest(sent), expected)) return undefined;
    return { status: 401, sentence: 'reading this log needs its access token as a bearer' };
  };
}

/** A request that came through a proxy is not from this machine, even where the proxy runs on it; and a page that
 * made its own name point here (DNS rebinding) gives itself away by the Host that the browser sends. */
function loopbackCheck(clientAddress: ClientAddress): AccessCheck {
  const refusal: AccessRefusal = { status: 403, sentence: 'this log can be read from its own machine only' };
  return (request) => {
    const { headers } = request;
    const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
    const host = (headers.host ?? '')
      .toLowerCase()
      .replace(/:\d+$/, '')
      .replace(/^\[(.*)\]$/, '$1');
    return !isForwarded && isLoopback(clientAddress(request)) && isLoopback(host) ? undefined : refusal;
  };
}
