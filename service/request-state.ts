/** Where used tokens are remembered and requests counted: in this service, or in the database of the logs, for all services that write them. */
import type { Clock } from '../core/clock.ts';
import type { CtLog } from '../ct-log/ct-log.ts';
import type { ReplayCheck } from '../policy/issuer-policy.ts';
import type { RateLimit } from '../policy/issuer-policy-definition.ts';
import { rateLimiter, sharedLimiter, type AnyLimiter, type SharedBuckets } from '../policy/rate-limit.ts';
import { RecentTokens } from '../policy/replay/recent-tokens.ts';
import type { ReplayGuardStatus } from '../policy/replay/replay-guard.ts';
import { SharedLimits } from '../policy/shared/shared-limits.ts';
import { SharedTokens } from '../policy/shared/shared-tokens.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { PostgresPlace } from '../storage/postgres.ts';
import { isClaimTaken } from '../tlog/core/committed.ts';
import { LazyReplayGuard } from './lazy-replay-guard.ts';

/** That of one service. */
export interface RequestState {
  readonly replayGuard: {
    /** Undefined where no token has its own memory here: none is asked for, or the log uses them up. */
    readonly guard: ReplayGuardStatus | undefined;
    /** Rejects with `ReplayFault`. */
    open(): Promise<ReplayCheck>;
  };
  /** Whether the log uses up tokens, with the entries of their certificates. */
  readonly claimsTokens: boolean;
  /** Undefined where requests are counted here. */
  readonly buckets: SharedBuckets | undefined;
  /** The log that certificates go to, so that the tokens that it uses up are known here. */
  watch(log: CtLog): CtLog;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

/** What it is made of. */
interface RequestStateParts {
  /** The database of the logs; undefined where those are in files. */
  readonly place: PostgresPlace | undefined;
  /** Whether certificates go to the log of this service. */
  readonly isLogged: boolean;
  /** Of the file of used tokens, where those are here. */
  readonly path: string;
  readonly clock: Clock;
  readonly serviceLog: ServiceLog;
}

/** Opens no file, and no connection before it is needed. */
export function requestState({ place, isLogged, path, clock, serviceLog }: RequestStateParts): RequestState {
  if (place === undefined) {
    const replayGuard = new LazyReplayGuard(path, clock, serviceLog);
    return {
      replayGuard,
      claimsTokens: false,
      buckets: undefined,
      watch: (log) => log,
      close: () => replayGuard.close(),
    };
  }
  const buckets = new SharedLimits(place);
  if (isLogged) {
    const recent = new RecentTokens();
    const check: ReplayCheck = { wasUsed: (key) => recent.has(key), hold: (key) => recent.hold(key) };
    return {
      replayGuard: { guard: undefined, open: () => Promise.resolve(check) },
      claimsTokens: true,
      buckets,
      watch: (log) => watching(log, recent),
      close: () => buckets.close(),
    };
  }
  const guard = new SharedTokens(place);
  return {
    replayGuard: { guard, open: () => Promise.resolve(guard) },
    claimsTokens: false,
    buckets,
    watch: (log) => log,
    close: async () => {
      await buckets.close();
      await guard.close();
    },
  };
}

/** A limiter of those who log something: one for all services that count in the same place. */
export const loggingLimiter = (
  limit: RateLimit,
  what: 'artifacts' | 'submission',
  { clock, buckets }: { readonly clock: Clock; readonly buckets?: SharedBuckets | undefined },
): AnyLimiter => (buckets === undefined ? rateLimiter(limit, clock) : sharedLimiter(limit, [what], buckets));

/** What the log used up, or finds used up, is refused here before it costs a signature and a place in a batch. */
const watching = (log: CtLog, recent: RecentTokens): CtLog => ({
  ...log,
  append: (entry, claim) => {
    const logged = log.append(entry, claim);
    if (claim !== undefined) void recent.watch(claim.key, isUsedUp(logged));
    return logged;
  },
});

async function isUsedUp(logged: Promise<unknown>): Promise<boolean> {
  try {
    await logged;
  } catch (error) {
    if (!isClaimTaken(error)) throw error;
  }
  return true;
}
