/** Judges what was measured of an attack. */
import type { ServedClients, Phase } from './honest-clients.ts';

/** Measurements of one attack. Memory in bytes. */
export interface AttackMeasurement {
  readonly attack: string;
  readonly before: Phase;
  readonly during: Phase;
  readonly after: Phase;
  readonly memory: {
    /** Whether it is the first attack on this process. */
    readonly isFresh: boolean;
    /** Of a service that is warm, before any attack. */
    readonly rest: number;
    readonly before: number;
    readonly peak: number;
    readonly after: number;
  };
  /** Growth of the service log during the attack. */
  readonly logBytesPerSecond: number;
  /** Whether attackers of memory came to send all that they send. */
  readonly hasArrived: boolean;
  readonly isRunning: boolean;
  /** Milliseconds that the service took to end while the attack went on, where it got the signal to. */
  readonly endMs?: number | undefined;
  /** Of the time in which the service's main thread was ready to run, the part in which it ran: 1 on an idle machine.
   * Attackers run at the lowest priority, so other programs had the rest. */
  readonly processorShare: number;
  /** The same of the quiet period after the attack. */
  readonly shareAfter: number;
}

/** Milliseconds by which the p99 of honest clients may grow, unless the run has another limit. */
export const MAX_GROWTH = 250;

/** Resident bytes by which the first attack on a warm service may let it grow. On a busy machine with two cores `hidden-heads` came to 102 MB, `unfinished-trailers` to
 * 181, `kept-heads` to 137, `unfinished-bodies` to 76, `h2-kept-segments` to 276; without the bound on heads the first two came to 286 and 302, and without that on bodies the last to 283. */
export const MAX_ATTACK_GROWTH = 290_000_000;

/** Resident bytes by which a service may grow that suffers attack after attack. All of those that need no proxy, three times in turn on one process, came to 228, 315
 * and 326 MB: the growth ends. See docs/bounds.md for what it is. */
export const MAX_MEMORY_GROWTH = 400_000_000;

/** Milliseconds of an end. Clients that read nothing have three seconds. */
const MAX_END = 10_000;

/** Part of the honest requests that may be refused where the machine is not too busy. */
const MAX_REFUSED = 0.01;

/** Growth of the service log, bytes a second. */
const MAX_LOG = 100_000;

/** Below this share, latencies say more about the machine than about the service. */
const LEAST_SHARE = 0.5;

/** Whether the machine was too busy to judge latencies. */
export const isTooBusy = ({ processorShare }: AttackMeasurement): boolean => processorShare < LEAST_SHARE;

/** Part of the requests that may be refused while the service gets that share. One without a processor cannot serve for that part of the time: its clients'
 * places to wait fill up, and the next request is refused as it has to be. */
const refusable = (share: number, most: number): number => (share < LEAST_SHARE ? 1 - share : most);

/** What is wrong, a sentence each; empty when all limits hold. `maxGrowth` in milliseconds. */
export function faultsOf(measured: AttackMeasurement, maxGrowth = MAX_GROWTH): string[] {
  const { during, after, memory, logBytesPerSecond, isRunning, endMs = 0 } = measured;
  if (!isRunning) return ['the service ended'];
  return [
    ...(['signing', 'reading', 'logging'] as const).flatMap((kind) => [
      ...refusals(
        `honest ${kind} requests were refused`,
        during[kind],
        refusable(measured.processorShare, MAX_REFUSED),
      ),
      ...refusals(
        `honest ${kind} requests were refused after the attack`,
        after[kind],
        refusable(measured.shareAfter, 0),
      ),
      ...(isTooBusy(measured) || growthOf(kind, measured) <= maxGrowth ? [] : slowness(kind, measured)),
    ]),
    ...(memory.peak > memory.rest + (memory.isFresh ? MAX_ATTACK_GROWTH : MAX_MEMORY_GROWTH)
      ? [`resident memory grew from ${megabytes(memory.rest)} to ${megabytes(memory.peak)} MB`]
      : []),
    ...(endMs > MAX_END ? [`the service took ${ms(endMs)} ms to end`] : []),
    ...(logBytesPerSecond > MAX_LOG
      ? [`the service log grew by ${Math.round(logBytesPerSecond / 1000)} kB a second`]
      : []),
  ];
}

/** In units of a million. */
export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

function refusals(what: string, { served, refused, firstRefusal }: ServedClients, most: number): string[] {
  if (refused <= most * (served + refused)) return [];
  return [`${refused} of ${served + refused} ${what}: ${firstRefusal ?? ''}`];
}

type Kind = keyof Phase;

/** Latency is scaled by the processor share: waiting for a processor makes everything slower by that factor. */
const growthOf = (kind: Kind, { before, during, processorShare }: AttackMeasurement): number =>
  during[kind].p99 * processorShare - before[kind].p99;

const slowness = (kind: Kind, { before, during }: AttackMeasurement): string[] => [
  `p99 of honest ${kind} requests grew from ${ms(before[kind].p99)} to ${ms(during[kind].p99)} ms`,
];

const ms = (value: number): string => value.toFixed(0);
