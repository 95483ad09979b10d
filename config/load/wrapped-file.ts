import { pathText, type ConfigProblem } from '../findings/config-error.ts';
import type { ConfigNode, MapNode } from '../yaml/config-node.ts';
import type { Path } from '../findings/report.ts';

/** Keys at the top of a configuration, in Fulcio's JSON and in YAML. */
const TOP =
  /^[ \t]*(?:\{[ \t]*)?["']?(?:oidc-?issuers|meta-?issuers|ci-?issuer-?metadata|mayfly)["']?[ \t]*:/im;
const TOP_KEY = /^(?:oidc-?issuers|meta-?issuers|ci-?issuer-?metadata|mayfly)$/i;

/** How deep in a file another one is looked for: `items`, an object, `data`, its file. */
const MAX_DEPTH = 5;

/**
 * What is wrong with a file that is not a configuration but holds one, as a Kubernetes ConfigMap does, or that is another
 * kind of Kubernetes object: all of its keys are unknown, so it would be taken for a configuration without issuers.
 */
export function wrappedFile(root: MapNode): ConfigProblem | undefined {
  if ([...root.members.keys()].some((key) => TOP_KEY.test(key))) return undefined;
  const kind = textOf(root, 'kind');
  const isKubernetes = kind !== undefined && textOf(root, 'apiVersion') !== undefined;
  const inside = findInside(root, []);
  if (!isKubernetes && inside === undefined) return undefined;
  const message = isKubernetes
    ? `is a Kubernetes ${kind.slice(0, 60)}, not a configuration`
    : 'is not a configuration, but holds one as a text';
  const hint =
    inside === undefined
      ? 'Name the file that the pod has of it: mounted as a volume, each key of a ConfigMap is a file.'
      : `The configuration is the text at ${pathText(inside)}: save that as a file of its own, or mount the ConfigMap as a volume and name the file in there.`;
  return { path: '', ...root.position, message, hint };
}

function textOf(map: MapNode, key: string): string | undefined {
  const value = map.members.get(key)?.value;
  return value?.kind === 'scalar' ? value.source : undefined;
}

/** Where a text stands that looks like a configuration. */
function findInside(node: ConfigNode, path: Path): Path | undefined {
  if (node.kind === 'scalar')
    return typeof node.value === 'string' && TOP.test(node.value) ? path : undefined;
  if (path.length === MAX_DEPTH) return undefined;
  const members: Iterable<readonly [string | number, ConfigNode]> =
    node.kind === 'list' ? node.items.entries() : [...node.members].map(([key, { value }]) => [key, value]);
  for (const [key, value] of members) {
    const found = findInside(value, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}
