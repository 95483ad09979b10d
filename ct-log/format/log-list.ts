/** A log list in the third version of Chrome's format, as clients of Certificate Transparency read it; made of what the logs say of themselves in `log.v3.json`. */
import { rfc3339 } from '../../core/clock.ts';

/** A log, by the object of its `log.v3.json`. */
export interface DescribedLog {
  readonly description: Readonly<Record<string, unknown>>;
  /** Whether it is to follow another one, and nothing was logged there yet. */
  readonly isStaged: boolean;
}

/** The list of the logs of one operator. `now`: milliseconds since the epoch. */
export const logList = (
  operator: string,
  logs: readonly DescribedLog[],
  now: number,
): Record<string, unknown> => ({
  version: '1.0',
  log_list_timestamp: rfc3339(now),
  operators: [{ name: operator, email: [], logs: [], tiled_logs: logs.map(listed) }],
});

function listed({ description: log, isStaged }: DescribedLog): Record<string, unknown> {
  const state = { timestamp: log['status_timestamp'] };
  return {
    description: log['description'],
    log_id: log['log_id'],
    key: log['key'],
    mmd: log['mmd'],
    submission_url: log['submission_url'],
    monitoring_url: log['monitoring_url'],
    state: isStaged ? { pending: state } : stateOf(log, state),
  };
}

function stateOf(
  { final_tree_head: final }: Readonly<Record<string, unknown>>,
  state: { readonly timestamp: unknown },
): Record<string, unknown> {
  if (typeof final !== 'object' || final === null) return { usable: state };
  const { sha256_root_hash, tree_size } = final as Readonly<Record<string, unknown>>;
  return { readonly: { ...state, final_tree_head: { sha256_root_hash, tree_size } } };
}
