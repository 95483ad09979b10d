import type { Blank, Preset } from './preset.ts';

const NAMESPACE: Blank = {
  name: 'namespace',
  about: 'namespace of the workload that may sign',
  example: 'build',
};
const ACCOUNT: Blank = { name: 'service-account', about: 'its service account', example: 'signer' };

/** What all clusters have in common. */
const COMMON = {
  type: 'kubernetes',
  claims: [
    ['kubernetes.io', 'a map: namespace, serviceaccount.name and .uid, pod.name and .uid, node.name'],
    ['sub', 'system:serviceaccount:NAMESPACE:NAME'],
  ],
  rules: [
    {
      name: 'our-service-account',
      effect: 'allow',
      expression:
        'claims["kubernetes.io"].namespace == "%namespace%" && claims["kubernetes.io"].serviceaccount.name == "%service-account%"',
      why: 'Names can be made again after they were deleted; where that matters, compare serviceaccount.uid too.',
    },
  ],
  token:
    'in the pod, a projected volume: `serviceAccountToken: { audience: "%audience%", expirationSeconds: 600, path: token }`; by hand: `kubectl create token NAME -n NAMESPACE --audience %audience%`',
} as const satisfies Partial<Preset>;

/** A cluster of any kind. */
export const kubernetes: Preset = {
  ...COMMON,
  name: 'kubernetes',
  title: 'Kubernetes',
  about: [
    'Workloads of one cluster, by their service account. The issuer is what `kubectl get --raw /.well-known/openid-configuration` says.',
    'Where this service runs in a pod of that cluster, nothing else is needed: it asks the API server with its own service account.',
    'Where it runs elsewhere, and the issuer is no public address: save `kubectl get --raw /openid/v1/jwks` as a file and name it under mayfly as jwks-file (again after the keys of the cluster are rotated).',
  ],
  blanks: [
    {
      name: 'issuer',
      about: 'URL of the issuer, with its final slash where there is one',
      example: 'https://kubernetes.default.svc.cluster.local',
      unset: 'https://cluster.edit-me.example',
    },
    NAMESPACE,
    ACCOUNT,
  ],
  issuer: '%issuer%',
};

/** Amazon's. */
export const eks: Preset = {
  ...COMMON,
  name: 'eks',
  title: 'Kubernetes on Amazon EKS',
  about: [
    'Workloads of one cluster on EKS, by their service account. The issuer is printed by `aws eks describe-cluster --name NAME --query cluster.identity.oidc.issuer`.',
  ],
  blanks: [
    { name: 'region', about: 'region of the cluster', example: 'eu-central-1', unset: 'edit-me' },
    {
      name: 'cluster-id',
      about: "last part of the issuer's URL",
      example: '4A5B6C7D8E9F00112233445566778899',
    },
    NAMESPACE,
    ACCOUNT,
  ],
  issuer: 'https://oidc.eks.%region%.amazonaws.com/id/%cluster-id%',
};

/** Google's. */
export const gke: Preset = {
  ...COMMON,
  name: 'gke',
  title: 'Kubernetes on Google GKE',
  about: ['Workloads of one cluster on GKE, by their service account.'],
  blanks: [
    { name: 'project', about: 'id of the project', example: 'acme-build' },
    { name: 'location', about: 'region or zone of the cluster', example: 'europe-west3' },
    { name: 'cluster', about: 'name of the cluster', example: 'build' },
    NAMESPACE,
    ACCOUNT,
  ],
  issuer: 'https://container.googleapis.com/v1/projects/%project%/locations/%location%/clusters/%cluster%',
};

/** Microsoft's. */
export const aks: Preset = {
  ...COMMON,
  name: 'aks',
  title: 'Kubernetes on Azure AKS',
  about: [
    'Workloads of one cluster on AKS (with its OIDC issuer switched on), by their service account. The issuer, to which the slash at its end belongs, is printed by `az aks show -n NAME -g GROUP --query oidcIssuerProfile.issuerUrl`.',
  ],
  blanks: [
    { name: 'region', about: 'region of the cluster', example: 'germanywestcentral', unset: 'edit-me' },
    {
      name: 'tenant-id',
      about: 'UUID of your tenant',
      example: '3aa4a235-b6e2-48d5-9195-7fcf05b459b0',
    },
    {
      name: 'cluster-id',
      about: "last part of the issuer's URL",
      example: '9a1b2c3d-4e5f-4607-8192-a3b4c5d6e7f8',
    },
    NAMESPACE,
    ACCOUNT,
  ],
  issuer: 'https://%region%.oic.prod-aks.azure.com/%tenant-id%/%cluster-id%/',
};
