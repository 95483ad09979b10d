import { certificateUri } from './certificate-uri.ts';
import { claim, requiredText } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { TokenError } from '../core/token-error.ts';
import { workloadPrincipal } from './workload-principal.ts';

/** Type kubernetes: a service account of a cluster. Fulcio fills what is absent with nothing; here it is refused. */
export const kubernetesIssuer = (): PrincipalReader => (token) => {
  const cluster = requiredObject(token.claims, CLUSTER);
  const namespace = requiredName(cluster, 'namespace');
  const account = requiredName(requiredObject(cluster, accountKey(cluster)), 'name');
  return workloadPrincipal(
    token,
    certificateUri(`https://kubernetes.io/namespaces/${namespace}/serviceaccounts/${account}`),
  );
};

const CLUSTER = 'kubernetes.io';

/** Kubernetes writes the first. Go, and so Fulcio, would take any case of letters; its tests use the second. */
const ACCOUNT_KEYS = ['serviceaccount', 'ServiceAccount'] as const;

function accountKey(cluster: Claims): string {
  const [first, ...others] = ACCOUNT_KEYS.filter((key) => claim(cluster, key) !== undefined);
  if (others.length === 0) return first ?? ACCOUNT_KEYS[0];
  throw invalid(`the token's "${CLUSTER}" names a service account twice`);
}

function requiredObject(claims: Claims, name: string): Claims {
  const value = claim(claims, name) ?? undefined;
  if (typeof value === 'object' && !Array.isArray(value)) return value as Claims;
  if (value !== undefined) throw invalid(`the token's "${name}" is not an object`);
  throw new TokenError('CLAIM_MISSING', `the token has no "${name}"`, {
    hint: 'Only the token of a service account of Kubernetes can be used with this issuer.',
    metadata: { claim: name },
  });
}

// RFC 1123 names, as Kubernetes itself demands: a slash would move the borders inside the certificate's name.
const NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;

function requiredName(claims: Claims, name: string): string {
  const value = requiredText(claims, name);
  if (NAME.test(value)) return value;
  throw invalid(`the token's "${name}" is not a name that Kubernetes allows`);
}

const invalid = (sentence: string): TokenError =>
  new TokenError('CLAIM_INVALID', sentence, {
    hint: 'This is for the operator of the issuer: the claims of a service account have a fixed form.',
    metadata: { claim: CLUSTER },
  });
