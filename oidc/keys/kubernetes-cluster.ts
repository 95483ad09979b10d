/** Which issuers are asked as the cluster's own in which this server runs. */
import type { IssuerDefinition } from '../issuer-definition.ts';
import { IssuerPattern } from '../issuer-pattern.ts';

/** The name under which every cluster knows itself. */
export const CLUSTER_ISSUER = 'https://kubernetes.default.svc';

/** Whether the configuration speaks of the cluster at all, by name or by a pattern: Fulcio takes this for the sign that
 * it runs in one. */
export const coversCluster = (definitions: readonly IssuerDefinition[]): boolean =>
  definitions.some(
    ({ url, isMeta }) => url === CLUSTER_ISSUER || (isMeta && new IssuerPattern(url).matches(CLUSTER_ISSUER)),
  );

/** Whether the issuer `url` is asked with the cluster's certificates and token, in a configuration that
 * {@link coversCluster}. `isExact`: an operator named that very URL; of those that a pattern admits it is only the
 * cluster's own name, because strangers choose the others. */
export const isAskedInCluster = ({ type }: IssuerDefinition, url: string, isExact: boolean): boolean =>
  type === 'kubernetes' && (isExact || url === CLUSTER_ISSUER);
