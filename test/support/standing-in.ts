import { createDocumentFetcher, type DocumentFetcher } from '../../oidc/keys/fetch-document.ts';
import type { TestIssuer } from './oidc-issuer.ts';

/** The test's issuer in the place of the one at `url`: what is fetched there comes from `issuer`, over HTTP, with the
 * other's name in it. */
export function standingIn(issuer: TestIssuer, url: string): () => DocumentFetcher {
  issuer.discovery.patch = { issuer: url, jwks_uri: `${url.replace(/\/$/, '')}/jwks` };
  return () => {
    const real = createDocumentFetcher();
    return {
      fetch: (address, limits) => {
        const path = address.pathname.endsWith('/jwks') ? '/jwks' : '/.well-known/openid-configuration';
        return real.fetch(new URL(`${issuer.url}${path}`), { ...limits, publicOnly: false });
      },
      close: () => real.close(),
    };
  };
}
