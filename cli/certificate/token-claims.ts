/** What a token says, read without checking it: the service checks; the client only needs to know what to sign and
 * what to expect in the certificate. */
import { fromBase64Url, utf8Text } from '../../core/bytes.ts';
import { CommandError } from '../program/command.ts';

/** The claims of a token. */
export interface TokenClaims {
  readonly issuer: string;
  readonly subject: string;
  /** Present and not empty, verified or not. */
  readonly email?: string | undefined;
  readonly emailVerified: boolean;
  /** Milliseconds since the epoch. */
  readonly expires?: number | undefined;
  /** All of them. */
  readonly all: ReadonlyMap<string, unknown>;
}

const MAX_TOKEN = 32 * 1024;

/** Reads the claims of a compact JWS; throws {@link CommandError} without ever showing the token. */
export function readTokenClaims(token: string): TokenClaims {
  if (token === '') throw unusable('there is no token in it');
  if (token.length > MAX_TOKEN) throw unusable('it is longer than 32 KiB');
  const parts = token.split('.');
  if (parts.length !== 3) throw unusable('an identity token has three parts with dots between');
  const all = new Map<string, unknown>(Object.entries(payloadOf(parts[1] ?? '')));
  const [issuer, subject, email] = [all.get('iss'), all.get('sub'), all.get('email')];
  if (typeof issuer !== 'string' || issuer === '') throw unusable('it names no issuer (iss)');
  if (typeof subject !== 'string' || subject === '') throw unusable('it names no subject (sub)');
  const [verified, exp] = [all.get('email_verified'), all.get('exp')];
  return {
    issuer,
    subject,
    email: typeof email === 'string' && email !== '' ? email : undefined,
    // Some issuers write the boolean as text.
    emailVerified: verified === true || verified === 'true',
    expires: typeof exp === 'number' ? exp * 1000 : undefined,
    all,
  };
}

function payloadOf(part: string): object {
  let payload: unknown;
  try {
    payload = JSON.parse(utf8Text(fromBase64Url(part)));
  } catch {
    throw unusable('its claims cannot be read');
  }
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw unusable('its claims are not an object');
  }
  return payload;
}

const unusable = (reason: string): CommandError =>
  new CommandError('FAILED', `this is not an identity token: ${reason}`, {
    hint: 'For development: mayfly token --email you@example.com',
  });
