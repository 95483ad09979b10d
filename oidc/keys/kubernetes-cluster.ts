/** The cluster around this service, where there is one: its names, its files, and which issuers may be its own. */
import type { IssuerDefinition } from '../core/issuer-definition.ts';

/** How a pod reaches its cluster's API server. */
export interface ClusterAccess {
  /** PEM files of certificate authorities. A missing file is ignored. */
  readonly ca: {
    /** Mounted by Kubernetes into every pod. Where it exists, the API server is checked against it alone. */
    readonly mounted: string;
    /** Where a deployment of Fulcio mounts them; counts for every issuer of type kubernetes with an issuer block of its own. */
    readonly deployed: string;
  };
  /** The pod's token. Mounted by Kubernetes, and renewed by it. */
  readonly token: string;
  /** Hosts, with a port other than 443, under which the API server is reached. The first is asked for the documents of an
   * issuer that has none of these names. */
  readonly hosts: readonly string[];
}

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** As Kubernetes and Fulcio have it. */
export const CLUSTER_ACCESS: ClusterAccess = {
  ca: { mounted: `${ACCOUNT}/ca.crt`, deployed: '/var/run/fulcio/ca.crt' },
  token: `${ACCOUNT}/token`,
  hosts: ['kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'],
};

/** The issuers that every cluster has by default: the first is OpenShift's, the second kubeadm's, kind's and k3s's. */
export const CLUSTER_ISSUERS: readonly string[] = [
  'https://kubernetes.default.svc',
  'https://kubernetes.default.svc.cluster.local',
];

/** Whether the issuer `url` may be the cluster's own. `isExact`: an operator named that very URL; of those that a pattern
 * admits it is only the cluster's own names, because untrusted callers choose the others. */
export const isAskedInCluster = ({ type }: IssuerDefinition, url: string, isExact: boolean): boolean =>
  type === 'kubernetes' && (isExact || CLUSTER_ISSUERS.includes(url));
