import { toBase64 } from '../../core/bytes.ts';
import type { ArtifactLogIdentity } from '../../rekor/log-identity.ts';

/** Which of the logs a command is about. */
export interface ArtifactApiOptions {
  readonly v1?: boolean;
  readonly v2?: boolean;
}

/** The APIs that the options name; both where they name none. */
export const apisOf = ({ v1, v2 }: ArtifactApiOptions): readonly (1 | 2)[] =>
  v1 === v2 ? [1, 2] : v1 === true ? [1] : [2];

/** Who a log is, for machines. */
export const identityFacts = ({
  api,
  origin,
  treeId,
  logId,
}: ArtifactLogIdentity): Readonly<Record<string, unknown>> => ({
  api: `v${api}`,
  origin,
  ...(treeId === undefined ? {} : { treeId: treeId.toString() }),
  logId: toBase64(logId),
});
