/** What attackers put into signing requests of any protocol: they have no token and no key of anybody's. */

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token with good claims and a random signature. */
export function forgedToken(issuer: string, keyId: string): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer,
    aud: 'sigstore',
    sub: 'x',
    email: 'victim@example.com',
    email_verified: true,
  };
  const payload = base64url({ ...claims, iat: now, exp: now + 300, jti: crypto.randomUUID() });
  const signature = Buffer.from(crypto.getRandomValues(new Uint8Array(64))).toString('base64url');
  return `${base64url({ alg: 'ES256', typ: 'JWT', kid: keyId })}.${payload}.${signature}`;
}

/** A public key. */
export const PEM =
  '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0tkXhbfhWCCAlJvWkoB8Rs3KaMRf\nyQtyrJEGXsBt7HNECBWHTBAqYmRrsnFJEnRMMhAqCfdoOa9yoqIWLtWH6A==\n-----END PUBLIC KEY-----\n';
