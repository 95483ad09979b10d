/**
 * The work that the load generator sends: distinct token-key-proof sets, each a whole HTTP request body, with tokens
 * shaped like GitHub Actions' own (some 1.7 KB of claims). Distinct, because a repeated token or key would let a cache
 * somewhere below do part of the work.
 */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** Algorithm of the tokens. */
export type TokenAlgorithm = 'RS256' | 'ES256';

/** A signing key of the benchmark's issuer with its public JWK. */
export interface IssuerKey {
  readonly algorithm: TokenAlgorithm;
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly jwk: Readonly<Record<string, unknown>>;
}

/** A fresh key for one algorithm. */
export function createIssuerKey(algorithm: TokenAlgorithm): IssuerKey {
  const { privateKey, publicKey } =
    algorithm === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const kid = `bench-${algorithm.toLowerCase()}`;
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' };
  return { algorithm, kid, privateKey, jwk };
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Claims as GitHub Actions makes them; `run` makes them distinct, `now` is in seconds. */
export function githubClaims(issuer: string, run: number, now: number): Record<string, unknown> {
  const workflow = 'octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main';
  const sha = run.toString(16).padStart(40, '6dcb09b5b57875f334f61aebed695e2e4193db5e');
  return {
    iss: issuer,
    aud: 'sigstore',
    jti: `2f1c6a3e-0000-4000-8000-${run.toString(16).padStart(12, '0')}`,
    sub: 'repo:octo-org/octo-repo:ref:refs/heads/main',
    repository: 'octo-org/octo-repo',
    repository_id: '456789',
    repository_owner: 'octo-org',
    repository_owner_id: '123456',
    repository_visibility: 'private',
    ref: 'refs/heads/main',
    ref_type: 'branch',
    ref_protected: 'true',
    sha,
    event_name: 'push',
    base_ref: '',
    head_ref: '',
    workflow: 'release',
    workflow_ref: workflow,
    workflow_sha: sha,
    job_workflow_ref: workflow,
    job_workflow_sha: sha,
    actor: 'octocat',
    actor_id: '583231',
    run_id: String(9_876_543_210 + run),
    run_number: String(run),
    run_attempt: '1',
    runner_environment: 'github-hosted',
    enterprise: 'octo-ent',
    enterprise_id: '12',
    iat: now,
    nbf: now - 300,
    exp: now + 6 * 3600,
  };
}

function token(key: IssuerKey, claims: Readonly<Record<string, unknown>>): string {
  const input = `${base64url({ alg: key.algorithm, typ: 'JWT', kid: key.kid })}.${base64url(claims)}`;
  const signer = { key: key.privateKey, dsaEncoding: 'ieee-p1363' as const };
  return `${input}.${sign('sha256', Buffer.from(input), signer).toString('base64url')}`;
}

/** JSON bodies for POST /api/v2/signingCert, the token inside, as sigstore-js sends them. */
export function createBodies(key: IssuerKey, issuer: string, count: number): string[] {
  const now = Math.floor(Date.now() / 1000);
  return Array.from({ length: count }, (_, run) => {
    const claims = githubClaims(issuer, run, now);
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const proof = sign('sha256', Buffer.from(String(claims['sub'])), privateKey);
    return JSON.stringify({
      credentials: { oidcIdentityToken: token(key, claims) },
      publicKeyRequest: {
        publicKey: { algorithm: 'ECDSA', content: publicKey.export({ format: 'pem', type: 'spki' }) },
        proofOfPossession: proof.toString('base64'),
      },
    });
  });
}
