import type { AdmissionDocument, AdmissionTrust } from './admission-trust.ts';
import { ratify } from './ratify.ts';

/** For Gatekeeper, which verifies no signature itself: a constraint that asks Ratify, and what Ratify is to trust. */
export const gatekeeper = (trust: AdmissionTrust): readonly AdmissionDocument[] => [
  {
    remark:
      'The webhook of Gatekeeper lets in what it cannot judge, unless validatingWebhookFailurePolicy of its chart is Fail.',
    content: {
      apiVersion: 'templates.gatekeeper.sh/v1',
      kind: 'ConstraintTemplate',
      metadata: { name: 'signedthroughmayfly' },
      spec: {
        crd: { spec: { names: { kind: 'SignedThroughMayfly' } } },
        targets: [{ target: 'admission.k8s.gatekeeper.sh', rego: REGO }],
      },
    },
  },
  {
    content: {
      apiVersion: 'constraints.gatekeeper.sh/v1beta1',
      kind: 'SignedThroughMayfly',
      metadata: { name: 'mayfly' },
      spec: { enforcementAction: 'deny', match: { kinds: [{ apiGroups: [''], kinds: ['Pod'] }] } },
    },
  },
  ...ratify(trust),
];

const REGO = `package signedthroughmayfly

images[image] { image := input.review.object.spec.containers[_].image }
images[image] { image := input.review.object.spec.initContainers[_].image }
images[image] { image := input.review.object.spec.ephemeralContainers[_].image }

answer := external_data({"provider": "ratify-provider", "keys": [image | images[image]]})

judged_or_failed[image] { image := answer.responses[_][0] }
judged_or_failed[image] { image := answer.errors[_][0] }

violation[{"msg": msg}] {
  answer.system_error != ""
  msg := sprintf("Ratify cannot be asked: %s", [answer.system_error])
}

violation[{"msg": msg}] {
  failed := answer.errors[_]
  msg := sprintf("%s cannot be judged: %s", [failed[0], failed[1]])
}

violation[{"msg": msg}] {
  images[image]
  not judged_or_failed[image]
  msg := sprintf("Ratify says nothing of %s", [image])
}

violation[{"msg": msg}] {
  judged := answer.responses[_]
  not judged[1].isSuccess
  msg := sprintf("%s is not signed as demanded", [judged[0]])
}
`;
