/** The four roles of TUF; delegations are not used. */
export type RoleName = 'root' | 'targets' | 'snapshot' | 'timestamp';

/** The roles whose keys are kept off the server. */
export const OFFLINE_ROLES = ['root', 'targets'] as const;
/** The roles that the service signs. */
export const ONLINE_ROLES = ['snapshot', 'timestamp'] as const;

/** All roles, the most trusted first. */
export const ROLES: readonly RoleName[] = [...OFFLINE_ROLES, ...ONLINE_ROLES];

const DAY = 86_400_000;

/**
 * For how many milliseconds new metadata counts.
 *
 * Root and targets are signed once a year by people; two years let a year's ceremony fail and still leave a year to make
 * up for it. A long life costs little there: what keeps a client from being shown old metadata is the timestamp, which is
 * signed all day. Snapshot and timestamp bound for how long somebody between client and service can hide a change, and for how
 * long the service may be down: days, and a day.
 */
export const LIFETIMES: Readonly<Record<RoleName, number>> = {
  root: 730 * DAY,
  targets: 730 * DAY,
  snapshot: 7 * DAY,
  timestamp: DAY,
};

/** Milliseconds before its end from which the metadata of a role wants attention: the offline ones a quarter of a year, the
 * others when a signature that was due at a third of their life is still missing at half of it. */
export const ATTENTION: Readonly<Record<RoleName, number>> = {
  root: 90 * DAY,
  targets: 90 * DAY,
  snapshot: LIFETIMES.snapshot / 2,
  timestamp: LIFETIMES.timestamp / 2,
};
