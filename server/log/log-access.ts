/** Who may read the log. Its entries hold the names, and so the e-mail addresses, of everybody who signed. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { MayflyError } from '../../core/errors.ts';
import { isLoopbackAddress, isLoopbackHostname } from '../../core/loopback.ts';
import type { ClientAddress } from '../http/client-address.ts';

/** Everybody; clients that send the token as a bearer; clients on this machine. */
export type LogAccessRule =
  | { readonly kind: 'public' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'loopback' };

/** Why a read is refused: an HTTP status and a sentence. */
interface AccessRefusal {
  readonly status: 401 | 403;
  readonly sentence: string;
}

/** Returns why a request may not read; undefined when it may. */
export type AccessCheck = (request: IncomingMessage) => AccessRefusal | undefined;

/** An access rule that would not hold. */
class LogAccessError extends MayflyError<'LOOPBACK_BEHIND_PROXY'> {}

/** Throws {@link LogAccessError} for `loopback` behind a proxy that the operator named. A proxy on this machine that adds
 * no header makes every client look local. */
export function requireIdentifiableReaders(
  access: LogAccessRule,
  proxies: { readonly behindTlsProxy: boolean; readonly trustedProxies: readonly string[] },
): void {
  if (access.kind !== 'loopback') return;
  if (!proxies.behindTlsProxy && proxies.trustedProxies.length === 0) return;
  const setting = proxies.behindTlsProxy ? '--behind-tls-proxy' : 'trusted-proxies';
  throw new LogAccessError(
    'LOOPBACK_BEHIND_PROXY',
    `reading the log is for this machine only, but with ${setting} a request from elsewhere may come from it too`,
    { hint: 'Set mayfly.log-access to token or public, or run without the proxy.' },
  );
}

/** The check that `access` asks for. */
export function createAccessCheck(access: LogAccessRule, clientAddress: ClientAddress): AccessCheck {
  if (access.kind === 'public') return () => undefined;
  if (access.kind === 'token') return tokenCheck(access.token);
  return loopbackCheck(clientAddress);
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Digests of equal length are compared, so that the time that it takes depends neither on the token nor on its length. */
function tokenCheck(token: string): AccessCheck {
  const expected = digest(token);
  return ({ headers: { authorization = '' } }) => {
    const [, sent] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
    if (sent !== undefined && timingSafeEqual(digest(sent), expected)) return undefined;
    return { status: 401, sentence: 'reading this log needs its access token as a bearer' };
  };
}

/** Headers that proxies add to a request. No proxy adds all of them. Node has their names in lower case. */
const FORWARDING = /^(?:via|forwarded|x-real-ip|x-forwarded-.*)$/;

/** A request that came through a proxy is not from this machine, even where the proxy runs on it. Nor is a request of a
 * page whose name was made to point here (DNS rebinding): the browser sends that name as the Host. */
function loopbackCheck(clientAddress: ClientAddress): AccessCheck {
  const refusal: AccessRefusal = { status: 403, sentence: 'this log can be read from its own machine only' };
  return (request) => {
    const { headers } = request;
    const isForwarded = Object.keys(headers).some((name) => FORWARDING.test(name));
    const hostname = (headers.host ?? '').toLowerCase().replace(/:\d+$/, '');
    const isLocal = isLoopbackAddress(clientAddress(request)) && isLoopbackHostname(hostname);
    return isLocal && !isForwarded ? undefined : refusal;
  };
}
